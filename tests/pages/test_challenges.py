"""What a challenge, a link and a session are worth later, or a second time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.person import Person
from tests.support.service import PASSWORD, DatabaseFactory, Service

MINUTES, A_DAY = 60, 86_400


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the seconds by which the clock of the service is ahead."""
    file = tmp_path_factory.mktemp("clock") / "skew"
    file.write_text("0")
    return file


@pytest.fixture(scope="module")
def service(databases: DatabaseFactory, clock: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("service"), *databases(), processes=1)
    made.environ |= {"SKEW": str(clock), "LATCHKEY_RATE_LIMITS": "on"}
    try:
        made.start_worker()
        made.start_api("tests.support.skewed_api")
        yield made
    finally:
        made.close_clients()
        made.stop()


@pytest.fixture
def later(clock: Path) -> Iterator[Path]:
    """The clock, which is right again after the test."""
    yield clock
    clock.write_text("0")


def test_five_wrong_codes_use_up_the_second_step(person: Person) -> None:
    email = person.service.user("guessing")
    app, _ = person.totp(email)
    person.sign_in(email)
    for _ in range(5):
        person.submit("Continue", totp=app.wrong_code())
    person.submit("Continue", totp=app.code())
    assert person.heading == "Sign in"
    assert "tried too often" in person.text


def test_second_step_expires(person: Person, later: Path) -> None:
    email = person.service.user("slow")
    app, _ = person.totp(email)
    person.open("/sign-in?return_to=/account/events")
    person.submit("Sign in", login=email, password=PASSWORD)
    later.write_text(str(6 * MINUTES))
    person.submit("Continue", totp=app.code())
    assert person.heading == "Sign in"
    assert "That took too long" in person.text
    later.write_text("0")
    person.submit("Sign in", login=email, password=PASSWORD)
    person.submit("Continue", totp=app.code())
    assert person.path == "/account/events"


def test_passkey_of_an_old_page_starts_again(person: Person, later: Path) -> None:
    person.sign_in()
    person.add_passkey()
    person.forget_cookies()
    person.keep_passkey_form()
    person.set_user_present(False)
    later.write_text(str(6 * MINUTES))
    person.send_kept_form()
    assert "That took too long" in person.text
    later.write_text("0")
    person.open_without_taking_a_passkey("/sign-in")
    person.press("Sign in with a passkey")
    assert person.path == "/account"


def test_answer_of_a_passkey_is_used_once(person: Person) -> None:
    person.sign_in()
    person.add_passkey()
    person.forget_cookies()
    person.keep_passkey_form()
    person.send_kept_form()
    assert person.path == "/account"
    person.forget_cookies()
    person.set_user_present(False)
    person.open("/sign-in")
    person.send_kept_form()
    assert person.heading == "Sign in"
    assert "Please sign in again" in person.text


def test_step_up_is_required_and_leads_back(person: Person, later: Path) -> None:
    person.sign_in()
    app, _ = person.totp()
    person.sign_in(person.email)
    person.submit("Continue", totp=app.code())
    later.write_text(str(6 * MINUTES))
    person.open("/account/password")
    assert person.heading == "Confirm that it is you"
    person.submit("Continue", totp=app.code_in(0))
    assert person.error_of("totp")
    person.submit("Continue", totp=app.code_in(6 * MINUTES))
    assert person.path == "/account/password"


def test_link_of_a_mail_expires(person: Person, later: Path) -> None:
    email = person.service.user("late")
    person.service.client().post("/v1/password/forgot", json={"email": email})
    token = person.service.token(email)
    later.write_text(str(40 * MINUTES))
    person.open(f"/reset?token={token}")
    assert person.heading == "This link has expired"
    person.submit("Send me a link", email=email)
    assert person.service.mail(email, 2)


def test_link_expires_while_its_page_is_open(person: Person, later: Path) -> None:
    email = person.service.user("late")
    person.service.client().post("/v1/password/forgot", json={"email": email})
    person.open_link("/reset", email)
    later.write_text(str(40 * MINUTES))
    new = "a long walk to the lighthouse"
    person.submit("Set new password", new_password=new, confirm_password=new)
    assert person.heading == "This link has expired"


def test_idle_session_expires_and_returns_after_the_next_sign_in(person: Person, later: Path) -> None:
    person.sign_in()
    later.write_text(str(8 * A_DAY))
    person.press("Activity")
    assert person.path == "/sign-in"
    person.submit("Sign in", login=person.email, password=PASSWORD)
    assert person.path == "/account/events"
