"""The password policy with the real list of common passwords."""

import random
import time
from unicodedata import normalize

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from adapters.passwords.zxcvbn_wordlist import ZxcvbnWordlist, load_lists
from domain.password import PasswordPolicy, normalize_password
from domain.refusals import ErrorCode, Refusal

COMMON = ZxcvbnWordlist()
POLICY = PasswordPolicy(common=COMMON, guesses=COMMON.guesses)
LONG_AND_COMMON = sorted(word for word in COMMON if len(word) >= 15)
PADDING = ["", "!", "!!!", "1", "99", "2024", " ", "?7"]


GOOD = """
correct horse battery staple|a perfectly fine passphrase|Tr0ub4dor&3 is not the one|847261950384726
дом дерево небо лес|緑の馬は夜に静かな川を渡って行く|🔑🗝🚪🏠🪟🧱🔒🔓🛎🧹🪣🧽🧴🛋🪑|¡Hola, niño mío!
malice in the palace|alice likes long walks|the latchkey under the mat|xkqzvbwmpjtrghf|Nq8 vT2 kR5 wX9
crumpetvortexwalnutgimlet|quartz melon bishop lantern|quartzmelonbishoplantern|tangerine-bicycle-orbit-velvet
clipoxygenprismdeputy|Sturdy-Lantern-42-Orbit|correct horse battery staple 2|MyS3cure-Pass-phrase|kq3v9x0zt7w2mp1
we were there before three|a stitch in time saves nine|unit of fifteen unit of fifteen | strength is a myth
"""

WEAK = """
too_short||a|fourteen chars|éééééééééééééé|🔑🗝🚪🏠🪟🧱🔒🔓🛎🧹🪣🧽🧴🛋
common|dragon1234567890|Password!!!!!!!!!|  123 Dragon 456 !|¡¡¡¡¡¡iloveyou!!!!!!|trustno1 20242024|hd764nw5d7e1vb1
repeated|aaaaaaaaaaaaaaa|iloveyouiloveyou1|!!letmeinletmein2026|abcabcabcabcabc|passwordpassword|PasswordpassworD|7k!7k!7k!7k!7k!7k|🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑
sequence|123456789012345|qwertyuiopasdfgh|1qaz2wsx3edc4rfv|111222333444555|zyxwvutsrqponml|ABCDEFGHIJKLMNOP
sequence|098765432109876|abcdefgh12345678|4rfv3edc2wsx1qaz|aaaabbbbccccddddee|010123210100121|890109878901098|!@#$%^&*()_+!@#
common|thisisapassword|ThisIsAPassword!|correcthorsebatterystaple|CorrectHorseBatteryStaple1!|iloveyouforever|footballbaseball
common|letmeinplease123|monkeydragonmaster|thequickbrownfox|th1s1smyp@ssword|whatisthepassword|welcometothejungle
common|mypasswordissecret|summer2024winter2024|iloveyousomuch123|mondaytuesdaywednesday|redgreenblueyellow|catdogbirdfishhorse
common|this is a password|this-is-my-password|maytheforcebewithyou|thisisaverylongpassword|thisismypassword123456
repeated|letmeinletmein1|trustno1trustno1
context|latchkey-alice-2026!|alice@example.org1|Latchkey 84-61-93-7|ALICE.EXAMPLE.ORG!!|2026 alice 1987 al
"""


def reason(password: str, *, email: str = "alice@example.org", username: str | None = None) -> str | None:
    refusal = None
    try:
        POLICY.accept(password, email=email, username=username)
    except Refusal as caught:
        refusal = caught
    if refusal is None:
        return None
    assert (refusal.code, refusal.field) == (ErrorCode.PASSWORD_WEAK, "password")
    assert refusal.detail
    assert len(password) < 2 or password not in f"{refusal!r} {refusal.detail}"
    return refusal.reason


@pytest.mark.parametrize("password", GOOD.strip("\n").replace("\n", "|").split("|"))
def test_good_passwords_are_accepted(password: str) -> None:
    assert reason(password, username="alice") is None


@pytest.mark.parametrize("line", WEAK.strip("\n").split("\n"))
def test_weak_passwords_are_refused_with_a_reason(line: str) -> None:
    why, *passwords = line.split("|")
    assert {password: reason(password) for password in passwords} == dict.fromkeys(passwords, why)


@pytest.mark.parametrize("password", ["q7 " * 43, "e\u0301" * 129, "a\u0301\u0323" * 50_000, "x" * 100_000])
def test_too_long_passwords_are_refused(password: str) -> None:
    assert reason(password) == "too_long"


def test_passwords_made_of_address_username_or_product_are_refused() -> None:
    email = "mary-jane.o_hara+shop@mail.weiland.co.uk"
    for password in ("mary-jane-1999-2001", "shop a shop e shop! 77", "Weiland 2026-11-23", "hara & mail & jane"):
        assert reason(password, email=email) == "context"
        assert reason(password.replace("a", "q").replace("o", "q"), email=email) is None
    assert reason("Bofrost99 1987-2003", username="bofrost99") == "context"
    assert reason("al al al 19-84-73-01", email="al@x.org") is None  # two letters are too few to match
    assert reason("org 8473 org 9921 5") is None  # a public suffix is not personal
    assert reason("maximiliana 84 73 61", email="max.maximiliana@x.org") == "context"
    assert [reason(f"alice 84 {rest} 73 61") for rest in ("peach", "tomato")] == ["context", None]


def test_long_common_passwords_are_refused_also_with_a_prefix_or_suffix() -> None:
    assert len(LONG_AND_COMMON) >= 31
    passed = [a + word + b for word in LONG_AND_COMMON for a in PADDING for b in PADDING if not reason(a + word + b)]
    assert passed == []


def test_a_padded_common_word_is_refused() -> None:
    words = random.Random(1).sample(sorted(word for word in COMMON if word.isalpha()), 300)
    passed = [word for word in words if not reason(f"{word.title()}-1847-2950-38!")]
    assert passed == []


@pytest.mark.parametrize(("size", "why"), [(14, "too_short"), (15, None), (64, None), (128, None), (129, "too_long")])
@pytest.mark.parametrize(
    "alphabet", ["abcdefghijklmnopqrstuvwxyz", "абвгдежзиклмнопрсту", "🔑🗝🚪🏠🪟🧱🔒🔓🛎🧹🪣🧽", "0123456789"]
)
def test_lengths_count_code_points_in_nfc(alphabet: str, size: int, why: str | None) -> None:
    assert reason("".join(random.Random(7).choices(alphabet, k=size))) == why


def test_the_byte_limit_applies_to_passwords_of_allowed_length() -> None:
    policy = PasswordPolicy(common=COMMON, max_length=2000)
    text = "".join(random.Random(7).choices("🔑🗝🚪🏠🧱🔒🔓🧹", k=256)).replace("\ufe0f", "")
    assert policy.accept(text) == text
    with pytest.raises(Refusal) as refused:
        policy.accept(text + "a")
    assert refused.value.reason == "too_long"


@settings(deadline=None)
@given(st.text(min_size=15, max_size=128))
def test_any_script_is_accepted_and_normalized_to_nfc(text: str) -> None:
    composed = normalize("NFC", text)
    assume(15 <= len(composed) <= 128 and len(set(composed)) > 12)
    if reason(text) is None:
        assert POLICY.accept(text) == composed == POLICY.accept(normalize("NFD", text))
        assert normalize_password(POLICY.accept(text)) == POLICY.accept(text)
    else:
        assert reason(text) not in ("too_short", "too_long", "repeated")


@settings(deadline=None)
@given(st.text(min_size=1, max_size=14), st.integers(2, 40), st.integers(0, 13))
@example("7391846205173\u00df", 2, 0)
def test_repeated_patterns_are_refused(unit: str, times: int, more: int) -> None:
    password = normalize("NFC", unit) * times + normalize("NFC", unit)[:more]
    assume(15 <= len(normalize("NFC", password)) <= 128 and normalize("NFC", password) == password)
    assert reason(password) == "repeated"


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_password_is_changed_by_nfc_only(text: str) -> None:
    assert normalize_password(text) == normalize("NFC", text)


def test_random_digits_are_accepted() -> None:
    chance = random.Random(2026)
    refused = sum(reason("".join(chance.choices("0123456789", k=16))) is not None for _ in range(3000))
    assert refused <= 3  # a few random texts look like 1234


@pytest.mark.parametrize("unit", ["a\u0301\u0323", "\u0301", "1", "ab", "7q", "\u1fa7", "12ab34", "\u0301\u0323"])
def test_hostile_input_is_checked_in_linear_time(unit: str) -> None:
    for size in (15, 128, 2048, 100_000):
        began = time.thread_time()
        reason((unit * size)[:size])
        normalize_password((unit * size)[:size])
        assert time.thread_time() - began < 0.05


@pytest.mark.parametrize("separator", ["", " ", "-", "."])
def test_four_uncommon_words_are_accepted_with_any_separator(separator: str) -> None:
    words = [word for word in load_lists()["english_wikipedia"][3_000:] if len(word) >= 4 and word.isalpha()]
    chance = random.Random(2026)
    refused = [
        phrase
        for phrase in (separator.join(chance.sample(words, 4)) for _ in range(500))
        if reason(phrase) == "common"
    ]
    assert refused == []


@pytest.mark.parametrize(
    "alphabet", ["abcdefghijklmnopqrstuvwxyz", "0123456789abcdef", "абвгдежзиклмн", "a1b2c3d4e5f6g7h8"]
)
@pytest.mark.parametrize("size", [8, 10, 15, 20])
def test_random_letters_are_not_counted_as_words(alphabet: str, size: int) -> None:
    policy = PasswordPolicy(common=COMMON, guesses=COMMON.guesses, min_length=8)
    chance, refused = random.Random(2026), 0
    for _ in range(1000):
        try:
            policy.accept("".join(chance.choices(alphabet, k=size)))
        except Refusal as refusal:
            refused += refusal.detail.startswith("This password is made of common words")
    assert refused <= 15


def test_a_breached_password_is_refused_with_its_own_reason() -> None:
    policy = PasswordPolicy(common=COMMON, breached=lambda password: password == "crumpet vortex walnut gimlet")
    with pytest.raises(Refusal) as refused:
        policy.accept("crumpet vortex walnut gimlet")
    assert (refused.value.code, refused.value.reason) == (ErrorCode.PASSWORD_WEAK, "breached")
    assert policy.accept("crumpet vortex walnut gimlets")
