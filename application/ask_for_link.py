"""Ask for a link by mail. Nobody is looked up here: the worker does that, so the answer cannot tell."""

from dataclasses import dataclass

from application.ports import Clock, NewId
from application.store import Begin
from domain.address import normal_email
from domain.mail import Kind, Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForLink:
    begin: Begin
    clock: Clock
    new_id: NewId
    kind: Kind

    async def __call__(self, *, email: str) -> None:
        address = normal_email(email)
        now = self.clock()
        async with self.begin() as work:
            await work.mails.add(Mail.owed(self.kind, address, id=self.new_id(), now=now))
