"""Mails that hold the address of somebody who is gone: what is settled goes too, what is owed is still sent."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.mail import Mail, Outcome
from tests.contracts.stage import LATER, NOW, Stage, Undo, new_id, owed

pytestmark = pytest.mark.anyio

ADA, BOB = "ada@example.org", "bob@example.org"


async def mailed(
    stage: Stage, recipient: str, *, user_id: UUID | None = None, outcome: Outcome | None = Outcome.SENT
) -> Mail:
    mail = replace(owed(user_id=user_id), recipient=recipient)
    async with stage.begin() as work:
        await work.mails.add(mail)
        if outcome is not None:
            [leased] = await work.mails.lease(now=NOW, hold=LATER - NOW, limit=1, only=mail.id)
            await work.mails.settle(leased, outcome, now=NOW)
    return mail


async def left(stage: Stage, mails: list[Mail]) -> list[Mail]:
    """Which of these are still kept, be they parked or owed."""
    async with stage.begin() as work:
        kept = {mail.id for mail in await work.mails.parked(limit=99)}
        kept |= {mail.id for mail in await work.mails.lease(now=LATER, hold=timedelta(), limit=99)}
    return [mail for mail in mails if mail.id in kept]


async def test_the_settled_mails_of_a_user_and_to_an_address_are_forgotten(stage: Stage) -> None:
    user_id, other_id = new_id(), new_id()
    parked = Outcome.PARKED
    theirs = [
        await mailed(stage, ADA, user_id=user_id, outcome=parked),
        await mailed(stage, "former@example.org", user_id=user_id, outcome=parked),
        await mailed(stage, ADA, outcome=parked),
        await mailed(stage, ADA, user_id=other_id, outcome=parked),
    ]
    others = [await mailed(stage, BOB, user_id=other_id, outcome=parked), await mailed(stage, BOB, outcome=parked)]
    waiting = [await mailed(stage, ADA, user_id=user_id, outcome=None), await mailed(stage, ADA, outcome=None)]
    async with stage.begin() as work:
        await work.mails.forget(user_id, address=ADA)
    assert await left(stage, [*theirs, *others, *waiting]) == [*others, *waiting]


async def test_without_an_address_only_those_that_name_the_user_are(stage: Stage) -> None:
    user_id = new_id()
    theirs = await mailed(stage, ADA, user_id=user_id, outcome=Outcome.PARKED)
    others = [await mailed(stage, ADA, outcome=Outcome.PARKED), await mailed(stage, ADA, outcome=None)]
    async with stage.begin() as work:
        await work.mails.forget(user_id, address=None)
    assert await left(stage, [theirs, *others]) == others


async def test_an_exception_undoes_the_forgetting(stage: Stage) -> None:
    mail = await mailed(stage, ADA, outcome=Outcome.PARKED)

    async def spoilt() -> None:
        async with stage.begin() as work:
            await work.mails.forget(new_id(), address=ADA)
            raise Undo

    with pytest.raises(Undo):
        await spoilt()
    assert await left(stage, [mail]) == [mail]
