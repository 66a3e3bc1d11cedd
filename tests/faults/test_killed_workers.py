"""Mails leased by a killed worker are sent by others; a server that never ends its answers delays no other mail."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.fault_stack import Stack
from tests.support.service import PASSWORD, eventually, token_in, unique_email
from tests.support.smtp_servers import DRIP

LEASE_OVER = 90.0
"""Seconds until another worker has sent the mails of a killed worker."""

TIMEOUT = 30.0
"""Seconds until a worker gives up one mail."""


@dataclass
class Scene:
    """The outcome of the faults, which several tests check."""

    stack: Stack
    before: str
    after: str
    dripping: list[str]
    healthy: list[str]
    notes: set[str] = field(default_factory=set)

    def dripping_notes(self) -> set[str]:
        """The notes on mails to the dripping server; empty during the first attempt."""
        tried = self.stack.sql("SELECT note FROM mails WHERE recipient = ANY($1)", self.dripping)
        return {note for (note,) in tried}


@pytest.fixture(scope="module")
def scene(module_stack: Stack) -> Iterator[Scene]:
    """A worker is killed while it sends two mails, and the next two workers send ten mails to a dripping server."""
    smtp, client = module_stack.smtp, module_stack.client()
    observed = Scene(
        module_stack,
        unique_email("before"),
        unique_email("after"),
        [unique_email(f"drip{number}") for number in range(10)],
        [unique_email(f"healthy{number}") for number in range(40)],
    )
    smtp.holding = True
    module_stack.add_worker()
    for email in (observed.before, observed.after):
        assert client.post("/v1/register", json={"email": email, "password": PASSWORD}).status_code == 202
    eventually(lambda: {observed.before, observed.after} <= smtp.attempted)
    module_stack.kill_worker()
    killed = time.monotonic()
    assert (smtp.seen()[observed.before], smtp.seen()[observed.after]) == (0, 1)

    smtp.holding, smtp.answers = False, {"drip": DRIP}
    module_stack.add_worker()
    module_stack.add_worker()
    module_stack.queue_mails(*observed.dripping)
    eventually(lambda: set(observed.dripping) <= smtp.attempted)
    began = time.monotonic()
    module_stack.queue_mails(*observed.healthy)
    eventually(lambda: set(observed.healthy) <= set(smtp.seen()), within=TIMEOUT)
    took = time.monotonic() - began
    assert observed.dripping_notes() == {""}, "the other mails waited for the dripping server"
    eventually(lambda: "" not in observed.dripping_notes(), within=TIMEOUT + 10)
    observed.notes = observed.dripping_notes()
    smtp.reset()
    eventually(lambda: smtp.seen()[observed.before] and smtp.seen()[observed.after] == 2, within=LEASE_OVER)
    print(f"healthy letters took {took:.1f} s, those of the dead worker {time.monotonic() - killed:.1f} s")
    # Unanswered mails may have arrived, so their next attempt would be 15 minutes later.
    module_stack.sql(
        "UPDATE mails SET due_at = now() WHERE outcome IS NULL AND recipient = ANY($1)", observed.dripping
    )
    eventually(lambda: module_stack.pending_mails() == 0)
    yield observed
    module_stack.stop_workers()


def test_a_worker_killed_before_or_after_sending_loses_no_mail(scene: Scene) -> None:
    smtp = scene.stack.smtp
    assert (smtp.seen()[scene.before], smtp.seen()[scene.after]) == (1, 2)
    first, second = smtp.mails(scene.after)
    assert first["message-id"] == second["message-id"]
    assert first.as_bytes() == second.as_bytes()
    assert [scene.stack.mail_status(email) for email in (scene.before, scene.after)] == [("sent", "")] * 2


def test_link_delivered_twice_verifies_once(scene: Scene) -> None:
    client = scene.stack.client(1)
    (token,) = {token_in(mail) for mail in scene.stack.smtp.mails(scene.after)}
    assert [client.post("/v1/verify", json={"token": token}).status_code for _ in range(2)] == [200, 200]
    verified = "SELECT count(*) FROM events JOIN users ON users.id = user_id WHERE email = $1 AND action = 'verified'"
    assert scene.stack.sql(verified, scene.after)[0][0] == 1


def test_mails_at_a_dripping_server_are_retried(scene: Scene) -> None:
    assert scene.notes == {"The mail was sent, but the server did not confirm that it accepted it."}
    assert {scene.stack.mail_status(email) for email in scene.dripping} == {("sent", "")}
    assert {scene.stack.smtp.seen()[email] for email in scene.dripping + scene.healthy} == {1}
