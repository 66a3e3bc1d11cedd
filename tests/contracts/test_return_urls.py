"""Signed URLs to return to, and the cache of cookie holders."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.tokens.caller_cache import LruCallerCache
from adapters.tokens.return_signer import ItsDangerousReturnSigner
from application.ports import Clock
from domain.role import Role
from domain.tokens import AccessToken
from entrypoints.http.return_to import ReturnTo

SECRET, OLDER, FOREIGN = b"n" * 32, b"o" * 32, b"f" * 32
NOTES = "https://notes.example.org"


def now() -> datetime:
    return datetime.now(UTC)


def signer(*secrets: bytes, clock: Clock = now) -> ItsDangerousReturnSigner:
    return ItsDangerousReturnSigner(secrets=secrets, clock=clock)


SIGNER = signer(SECRET, OLDER)
RETURN_TO = ReturnTo(SIGNER, origins=[NOTES, "http://localhost:8080"], public_url="https://accounts.example.org")


def test_signed_url_comes_back_under_all_known_secrets_only() -> None:
    url = f"{NOTES}/a/b?c=d&e=%2F"
    assert SIGNER.verify(SIGNER.sign(url)) == url
    assert SIGNER.verify(signer(OLDER).sign(url)) == url
    assert SIGNER.verify(signer(FOREIGN).sign(url)) is None
    assert SIGNER.verify(SIGNER.sign(url)[:-1]) is None
    assert SIGNER.verify("x" + SIGNER.sign(url)) is None


@pytest.mark.parametrize(("age", "url"), [(3595, NOTES), (3605, None), (-25, NOTES), (-35, None)])
def test_signed_url_expires_and_clocks_of_processes_may_differ(age: int, url: str | None) -> None:
    later = signer(SECRET, clock=lambda: now() + timedelta(seconds=age))
    assert later.verify(SIGNER.sign(NOTES)) == url


@pytest.mark.parametrize("secrets", [[], [b"x" * 31], [b"x" * 32, b"short"]])
def test_weak_secrets_are_refused(secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        signer(*secrets)


@given(st.text())
@example("\ud800")
@example("é.é.é")
@example("e30.AAAA.AAAA")
@example("/\\evil.example")
@example("//evil.example")
@example("/\t/evil.example")
@example("https://notes.example.org/")
def test_arbitrary_text_is_no_url_to_return_to(text: str) -> None:
    assert SIGNER.verify(text) is None
    accepted = RETURN_TO.accept(text)
    assert accepted is None or (accepted == text and text.startswith("/") and not text.startswith(("//", "/\\")))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://notes.example.org.evil.example/",
        "https://notes.example.org@evil.example/",
        "http://notes.example.org/",
        "https://notes.example.org:444/",
        "javascript:alert(1)",
        "//notes.example.org/",
    ],
)
def test_url_of_an_origin_that_is_no_longer_protected_is_not_accepted(url: str) -> None:
    assert RETURN_TO.accept(SIGNER.sign(url)) is None


@pytest.mark.parametrize(
    "path", ["/..", "/../notes", "/account/../../notes", "/%2e%2E/notes", "/.%2e/notes", "/./notes", "/..?x", "/..#x"]
)
def test_path_of_ours_stays_below_the_path_of_the_public_url(path: str) -> None:
    """Browsers resolve such segments, also if they are percent-encoded."""
    assert RETURN_TO.accept(path) is None
    assert RETURN_TO.accept("/account/..events?next=/../x") == "/account/..events?next=/../x"


def caller(user_id: UUID) -> AccessToken:
    return AccessToken(
        user_id=user_id,
        session_id=user_id,
        generation=1,
        role=Role.MEMBER,
        verified=True,
        issued_at=now(),
        expires_at=now(),
    )


def test_cache_keeps_the_most_recently_used_callers() -> None:
    cache = LruCallerCache(size=3)
    callers = [caller(UUID(int=number)) for number in range(5)]
    for number in range(3):
        cache.put(str(number), callers[number])
    assert cache.get("0") == callers[0]
    cache.put("3", callers[3])
    assert [cache.get(str(number)) for number in range(4)] == [callers[0], None, callers[2], callers[3]]
    cache.put("0", callers[4])
    assert cache.get("0") == callers[4]
    cache.forget("0")
    cache.forget("unknown")
    assert cache.get("0") is None
