"""Each address has one form, and ambiguous addresses are refused."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.email import normalize_email
from domain.refusals import ErrorCode, Refusal
from domain.username import accept_username, normalize_username


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("alice@example.org", "alice@example.org"),
        ("Alice.B+tag@Example.ORG", "alice.b+tag@example.org"),
        ("o'hara!#$%&*/=?^_`{|}~-@example.org", "o'hara!#$%&*/=?^_`{|}~-@example.org"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@1.2.example", "a@1.2.example"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
        ("a@" + "b" * 63 + ".org", "a@" + "b" * 63 + ".org"),
    ],
)
def test_addresses_are_stored_in_lower_case(typed: str, kept: str) -> None:
    assert normalize_email(typed) == kept


NOT_PLAIN = r"""
|@|alice|alice@|@example.org|alice@example|alice@.org|alice@example.|a@b@example.org|.alice@example.org
alice.@example.org|a..b@example.org|alice@example..org|alice@-a.org|alice@a-.org|alice@a_b.org|alice@127.0.0.1
alice@example.123|a@[127.0.0.1]|"alice"@example.org|"a@evil.com"@x.com|alice(x)@example.org|<alice@example.org>
a@x.com>|a@x.com,b@evil.com|a@x.com;b@evil.com|a@x.com b@evil.com|alice\@example.org|a:b@example.org
ali ce@example.org|alice＠example.org|user＠evil.com@victim.com
аlice@example.org|alıce@example.org|alice@bücher.example
"""
BROKEN = [
    *("alice@example.org\nb", "alice\t@example.org", "alice@example.org\r\nBcc: b@evil.com", "ali\0ce@example.org"),
    *("alice@example.org\u200b", "\ufeffalice@example.org", "\0alice@example.org", "alice@ example.org"),
    *("alice@example\x7f.org", "alice@example\u3002org", "alice@exam\u00adple.org", "\ud800@example.org"),
    *("a" * 65 + "@example.org", "a@" + "b" * 64 + ".org", "a@" + "b." * 125 + "org", "\u212aate@example.org"),
]


@pytest.mark.parametrize("typed", [*NOT_PLAIN.strip("\n").replace("\n", "|").split("|"), *BROKEN])
def test_invalid_addresses_are_refused(typed: str) -> None:
    with pytest.raises(Refusal) as refused:
        normalize_email(typed)
    assert (refused.value.code, refused.value.field) == (ErrorCode.EMAIL_INVALID, "email")


WHITE_SPACE = ["{} ", " {}", "{}\n", "\t{}", "{}\r\n", "\u00a0{}\u3000", " " * 1000 + "{}" + "\n" * 1000]


@pytest.mark.parametrize("around", WHITE_SPACE)
def test_white_space_around_a_name_is_stripped(around: str) -> None:
    assert normalize_email(around.format("Alice@example.org")) == "alice@example.org"
    assert normalize_email(around.format("a" * 64 + "@example.org")) == "a" * 64 + "@example.org"
    assert normalize_username(around.format("Alice")) == "Alice"
    assert normalize_username(around.format("a" * 32)) == "a" * 32


@pytest.mark.parametrize("typed", ["alice@bücher.example", "ali@例え.jp", "é@bücher.example"])
def test_a_domain_that_is_not_ascii_is_refused_with_a_hint(typed: str) -> None:
    with pytest.raises(Refusal, match=r"A-labels, which begin with xn--"):
        normalize_email(typed)


@settings(deadline=None)
@given(st.text() | st.from_regex(r"[a-z.+\"@ ]{1,20}@[a-z.\-0-9]{1,20}", fullmatch=True) | st.emails())
def test_accepted_addresses_are_plain_and_normalization_is_idempotent(typed: str) -> None:
    try:
        address = normalize_email(typed)
    except Refusal:
        return
    assert normalize_email(address) == address == typed.strip().lower()
    assert address.count("@") == 1
    assert address.isascii()
    assert address.isprintable()
    assert not set(address) & set(' "(),:;<>[]\\')
    assert len(address) <= 254


@pytest.mark.parametrize(
    "typed", ["a." * 50_000 + "@b.c", "a" * 100_000, "a@" + "a-" * 50_000, "@" * 100_000, "-" * 254]
)
def test_hostile_input_is_refused_in_linear_time(typed: str) -> None:
    began = time.thread_time()
    for refuse in (normalize_email, normalize_username):
        with pytest.raises(Refusal):
            refuse(typed)
    assert time.thread_time() - began < 0.05


@pytest.mark.parametrize("typed", ["bob", "Bob", "a.b_c-d", "007", "a" * 32, "a--b"])
def test_usernames_keep_their_case(typed: str) -> None:
    assert normalize_username(typed) == typed


@pytest.mark.parametrize(
    "typed",
    [
        *("", "ab", "a" * 33, ".bob", "bob.", "-bob", "bob-", "_bob", "bob_", "bo b", "bo\nb", " a ", "bob@x"),
        *("b\u00f6b", "bob\0", "\u0661\u0662\u0663", "b\u043eb", "b/b", "<b>"),
    ],
)
def test_invalid_usernames_are_refused(typed: str) -> None:
    with pytest.raises(Refusal) as refused:
        normalize_username(typed)
    assert (refused.value.code, refused.value.field) == (ErrorCode.USERNAME_INVALID, "username")


@settings(deadline=None)
@given(st.emails())
def test_a_username_contains_no_at_sign(typed: str) -> None:
    with pytest.raises(Refusal):
        normalize_username(typed)


@pytest.mark.parametrize(
    "typed",
    [
        *("admin", "Admin", "ADMINISTRATOR", "root", "support", "security", "postmaster", "hostmaster", "webmaster"),
        *("abuse", "noreply", "no-reply", "No_Reply", "latchkey", "Latchkey", "info", "www", "moderator", "staff"),
        *("paper-notes", "PaperNotes", "paper.support", "papernotes-team", "latchkey-admin", "latchkeysupport"),
        *("adm1n", "r00t", "supp0rt", "web-master", "the-admin", "support.team", "admin-team"),
        *("evil.tld", "Evil.TLD", "example.com", "www.evil", "paypal.co.uk", "accounts.example.org", "a.io"),
        *("login.example", "xn--80ak6aa92e.com", "xn--80ak6aa92e", "host.local", "evil.app", "ada-at-evil.net"),
    ],
)
def test_only_the_operator_can_create_reserved_usernames(typed: str) -> None:
    with pytest.raises(Refusal) as refused:
        accept_username(typed, product="Paper Notes")
    assert (refused.value.code, refused.value.field) == (ErrorCode.USERNAME_INVALID, "username")
    assert normalize_username(typed) == typed


@pytest.mark.parametrize(
    "typed",
    [
        *("ada", "Ada.Lovelace", "john.smith", "a.b_c-d", "007", "adminton", "rooter", "roots", "queen.b", "info7"),
        *("supportive", "the-queen", "ada.2024", "securityguard", "notes-fan", "latchkeykid", "com.pany", "teammate"),
    ],
)
def test_usernames_that_are_not_reserved_are_allowed(typed: str) -> None:
    assert accept_username(typed, product="Paper Notes") == typed


def test_a_product_name_without_latin_letters_reserves_no_username() -> None:
    for product in ("", "Дом", "!"):
        assert accept_username("ada", product=product) == "ada"
