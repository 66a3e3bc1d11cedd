"""Authenticate a request by the cookie of a browser session."""

from dataclasses import dataclass

from application.ports import Clock
from application.sessions.authenticate import Authenticate
from application.sessions.ports import CallerCache, CookieCodec
from application.sessions.resume_session import ResumeSession
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticateCookie:
    """A cookie is read from the database at most once in the lifetime of an access token, and again after a
    revocation, as a refresh would. In between, its holder is checked like the bearer of an access token."""

    cookie_codec: CookieCodec
    caller_cache: CallerCache
    authenticate: Authenticate
    resume_session: ResumeSession
    clock: Clock

    async def __call__(self, cookie: str, *, role: Role | None = None, enrolling: bool = False) -> AccessToken:
        """Raises `token_invalid`, `token_revoked`, `factor_required`, `not_verified` or
        `role_required`."""
        cached = self.caller_cache.get(cookie)
        if cached is not None and self.clock() < cached.expires_at:
            try:
                return await self.authenticate.admit(cached, role=role, enrolling=enrolling)
            except Refusal as refusal:
                if refusal.code is not ErrorCode.TOKEN_REVOKED:
                    raise
        self.caller_cache.forget(cookie)
        content = self.cookie_codec.decode(cookie)
        caller = await self.resume_session(content.session_id, secret=content.secret)
        admitted = await self.authenticate.admit(caller, role=role, enrolling=enrolling)
        if caller.verified:  # Verifying an address revokes nothing, and its pages have to know at once.
            self.caller_cache.put(cookie, caller)
        return admitted
