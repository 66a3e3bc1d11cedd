"""The policy for new passwords: they must be long and hard to guess. It requires no particular kinds of characters.

Logins do not check the policy, so existing passwords stay usable.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol
from unicodedata import category, normalize

from domain.messages import translatable
from domain.refusals import ErrorCode, Refusal

_MOST_BYTES = 1024
_MOST_TYPED = 2048
"""The most code points before NFC. A byte in NFC stands for at most 1.5, so a longer text has too many bytes."""

_RUNS = (
    *("abcdefghijklmnopqrstuvwxyz", "0123456789"),
    *("`1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "!@#$%^&*()_+"),
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.", "0p;/"),
)
_STEPS = frozenset(step for run in _RUNS for a, b in pairwise(run) for step in (a + b, b + a))
_WORD = re.compile(r"[^\W\d_].{8,}[^\W\d_]", re.DOTALL)
_LEFT_OVER = 6
"""The least number of letters in a password that contains words about its owner, without these words."""

_DETAILS = {
    "common": translatable(
        "This password is too common, or is a common password with something added. Choose another."
    ),
    "repeated": translatable("This password repeats the same characters. Choose another."),
    "sequence": translatable("This password is mostly a sequence of keys, letters or digits. Choose another."),
    "guessable": translatable(
        "This password is made of common words. Choose four or more uncommon words, or more characters."
    ),
    "breached": translatable("This password is known from a data breach. Choose another."),
    "context": translatable(
        "This password is too similar to your e-mail address, your username or the name of this service. "
        "Choose another."
    ),
}


def normalize_password(text: str) -> str:
    """The password in NFC (NIST SP 800-63B-4). It is normalized both when it is set and when it is verified.

    A text that is too long for a password is returned unchanged, because normalizing it takes quadratic time.
    """
    return normalize("NFC", text) if len(text) <= _MOST_TYPED else text


_UNTYPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that cannot be typed: controls, format characters, surrogates, line separators."""
_JOINERS = frozenset("\u200c\u200d")
"""Format characters that some scripts and emoji need."""
_TAGS = range(0xE0020, 0xE0080)
"""Format characters in the emoji flags of regions."""


def require_typable(text: str, *, field: str = "password") -> None:
    """Raises `password_weak` with the reason `untypable` for a character that cannot be typed at a login (RFC 8265
    section 4.2). For passwords from a file or a pipe, which contain such characters by accident."""
    for char in text:
        if (category(char) in _UNTYPED and char not in _JOINERS and ord(char) not in _TAGS) or _is_no_character(char):
            detail = translatable("A password must not contain the character U+%(code)s: it cannot be typed.")
            raise _weak("untypable", detail, field, code=f"{ord(char):04X}")


def _is_no_character(char: str) -> bool:
    return ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF


_JOINED, _JOINED_RATE = 11.5, 0.77
_SPACED, _SPACED_RATE = 7.5, 0.5
"""The required guesses (log10): the lower of a total and a rate per character. A single word needs more (`_JOINED`)
than words with separators (`_SPACED`), which count as a passphrase. Four uncommon words take more than 12."""


class GuessEstimator(Protocol):
    def __call__(self, text: str, /, *, enough: float) -> float:
        """The log10 of the guesses that find `text`, which is in lower case. Counting may stop at `enough`."""
        ...


def _always_enough(_: str, /, *, enough: float) -> float:
    return enough


def _never(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """Lengths are in code points of the NFC. `common` checks whether a word in lower case is a common password,
    `guesses` estimates the strength of words, and `breached` checks whether a password is known from a breach."""

    min_length: int = 15
    max_length: int = 128
    product: str = "latchkey"
    common: Callable[[str], bool]
    guesses: GuessEstimator = _always_enough
    breached: Callable[[str], bool] = _never

    def accept(self, text: str, *, email: str = "", username: str | None = None, field: str = "password") -> str:
        """Return the password in NFC. Raises `password_weak` with the reason too_short, too_long, common, repeated,
        sequence, context or breached.
        """
        password = normalize_password(text)
        # Lone surrogates are not UTF-8; refusing them is the task of the code that decodes the request.
        size = len(password.encode("utf-8", "surrogatepass"))
        if len(text) > _MOST_TYPED or len(password) > self.max_length or size > _MOST_BYTES:
            raise _weak(
                "too_long",
                translatable("A password must have at most %(count)s characters."),
                field,
                count=self.max_length,
            )
        if len(password) < self.min_length:
            raise _weak(
                "too_short",
                translatable("A password must have at least %(count)s characters."),
                field,
                count=self.min_length,
            )
        known = {
            *_words(email),
            *_words(username or ""),
            *re.split(r"[\W_]+", normalize_password(self.product).casefold()),
        }
        if reason := self._reason(password, known):
            raise _weak("common" if reason == "guessable" else reason, _DETAILS[reason], field)
        if self.breached(password):
            raise _weak("breached", _DETAILS["breached"], field)
        return password

    def _reason(self, password: str, known: set[str]) -> str | None:
        folded = password.casefold()
        # Case folding can lengthen the repeated unit: it turns some letters into two.
        if min(_period(password), _period(folded)) < self.min_length:
            return "repeated"
        if _is_sequence(folded):
            return "sequence"
        # Digits or punctuation around a repeated word do not make it stronger.
        if (word := _WORD.search(folded)) and _period(word[0]) < len(word[0]):
            return "repeated"
        if any(map(self.common, _cores(folded))):
            return "common"
        if _is_about(folded, known):
            return "context"
        return "guessable" if self._is_guessable(folded) else None

    def _is_guessable(self, folded: str) -> bool:
        inside = [at for at, char in enumerate(folded) if char.isalnum()]
        core = folded[inside[0] : inside[-1] + 1] if inside else folded
        joined = core.isalnum() and 2 * sum(map(str.isalpha, core)) >= len(core)
        most, rate = (_JOINED, _JOINED_RATE) if joined else (_SPACED, _SPACED_RATE)
        enough = min(most, rate * len(core))
        return self.guesses(core, enough=enough) < enough


def _weak(reason: str, detail: str, field: str, **values: object) -> Refusal:
    return Refusal(ErrorCode.PASSWORD_WEAK, detail, field=field, reason=reason, values=values)


def _period(text: str) -> int:
    """Length of the unit that the text repeats, the last time perhaps incompletely; otherwise of the whole text."""
    # borders[i] is the longest proper prefix of text[:i + 1] that also ends it.
    borders = [0]
    for char in text[1:]:
        border = borders[-1]
        while border and text[border] != char:
            border = borders[border - 1]
        borders.append(border + (text[border] == char))
    period = len(text) - borders[-1]
    return period if 2 * period <= len(text) else len(text)


def _is_sequence(text: str) -> bool:
    """Whether three quarters of the characters equal the one before, or are its neighbours in `_RUNS`."""
    steps = [a == b or a + b in _STEPS for a, b in pairwise(text)]
    return 4 * sum(steps) >= 3 * len(steps)


def _cores(text: str) -> Iterator[str]:
    """The text, and the text without each possible padding of digits, punctuation and spaces at both ends.

    Some of these characters may belong to the word (`hd764nw5d7e1vb1!!2024`), so every cut is tried.
    """
    letters = [at for at, char in enumerate(text) if char.isalpha()]
    # Lists of common passwords have nearly every number of six digits, so a core without letters must be longer.
    shortest = 1 if letters else min(12, len(text))
    first, last = (letters[0], letters[-1]) if letters else (len(text), 0)
    for start in range(min(first, len(text) - shortest) + 1):
        for end in range(max(last + 1, start + shortest), len(text) + 1):
            yield text[start:end]


def _words(name: str) -> Iterator[str]:
    """The words in a username, or in an address without its top-level domain."""
    folded = name.casefold()
    local, at, domain = folded.rpartition("@")
    yield folded
    yield local
    yield from re.split(r"[._+-]", local or domain)
    yield from domain.split(".")[:-1] if at else ()


def _is_about(text: str, words: set[str]) -> bool:
    """Whether the text has one of the words, and few letters besides."""
    rest = text
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= 3:
            rest = rest.replace(word, " ")
    return rest != text and sum(map(str.isalpha, rest)) < _LEFT_OVER
