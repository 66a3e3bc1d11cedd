"""Choose the language of pages and mails."""

from dataclasses import dataclass

from application.repositories import UnitOfWorkFactory
from application.texts.ports import Translations
from domain.refusals import ErrorCode, Refusal, token_revoked
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLocale:
    begin: UnitOfWorkFactory
    translations: Translations

    async def __call__(self, caller: AccessToken, *, locale: str | None) -> User:
        """None leaves the choice to each request. Raises `malformed` for an unknown language, or `token_revoked`."""
        self.check(locale)
        async with self.begin() as work:
            user = await work.users.set_locale(caller.user_id, locale)
        if user is None:
            raise token_revoked()
        return user

    def check(self, locale: str | None) -> None:
        """Raises `malformed` for an unknown language."""
        if locale is not None and locale not in self.translations.languages:
            raise Refusal(ErrorCode.MALFORMED, "Choose one of the languages.", field="locale")
