"""TOTP codes and their QR code (RFC 6238, RFC 4226)."""

import base64
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import pyotp
import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from adapters.factors.pyotp_codes import PyotpCodes

CODES = PyotpCodes(issuer="Ada & Sons: Größe")
RFC_SECRET = b"12345678901234567890"
RFC_VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
"""RFC 6238, appendix B, for SHA-1. Six digits are the last six of its eight."""
NOW = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
STEP = int(NOW.timestamp()) // 30

secrets = st.binary(min_size=20, max_size=20)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def code_of(secret: bytes, step: int) -> str:
    return str(pyotp.TOTP(base64.b32encode(secret).decode()).generate_otp(step))


@pytest.mark.parametrize(("seconds", "code"), RFC_VECTORS)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert CODES.step(RFC_SECRET, code[-6:], now=at(seconds)) == seconds // 30
    assert CODES.step(RFC_SECRET, code, now=at(seconds)) is None


@pytest.mark.parametrize(("seconds", "code"), RFC_VECTORS[1:])
def test_code_is_valid_one_step_before_and_after_its_own(seconds: int, code: str) -> None:
    step, moment = seconds // 30, timedelta(milliseconds=1)
    first, end = at((step - 1) * 30), at((step + 2) * 30)
    for now, expected in (
        *((first - moment, None), (first, step), (at(step * 30), step)),
        *((at((step + 1) * 30), step), (end - moment, step), (end, None)),
    ):
        assert CODES.step(RFC_SECRET, code[-6:], now=now) == expected


def test_code_may_be_typed_with_blanks() -> None:
    code = code_of(RFC_SECRET, STEP)
    for typed in (f"{code[:3]} {code[3:]}", f" {code}\n", "\u2009".join(code), f"\t{code[:2]}\xa0{code[2:]}"):
        assert CODES.step(RFC_SECRET, typed, now=NOW) == STEP


def test_digits_of_other_scripts_are_refused() -> None:
    code = code_of(RFC_SECRET, STEP)
    for zero in "٠۰०০０𝟎":
        other = "".join(chr(ord(zero) + int(digit)) for digit in code)
        assert int(other) == int(code)
        assert CODES.step(RFC_SECRET, other, now=NOW) is None
        assert CODES.step(RFC_SECRET, code[:5] + other[5], now=NOW) is None
    for other in (
        f"+{code[1:]}",
        f"-{code[1:]}",
        f"{code[:5]}²",
        f"{code}\0",
        f"{code[:3]}-{code[3:]}",
        "",
        "abcdef",
    ):
        assert CODES.step(RFC_SECRET, other, now=NOW) is None


@given(secret=secrets, code=st.text(alphabet="0123456789", min_size=6, max_size=6))
def test_only_codes_of_three_steps_are_valid(secret: bytes, code: str) -> None:
    valid = {code_of(secret, step): step for step in (STEP - 1, STEP, STEP + 1)}
    assert CODES.step(secret, code, now=NOW) == valid.get(code)
    for right, step in valid.items():
        assert CODES.step(secret, right, now=NOW) == step


@given(st.text())
def test_arbitrary_text_is_no_code(text: str) -> None:
    valid = {code_of(RFC_SECRET, step) for step in (STEP - 1, STEP, STEP + 1)}
    assert CODES.step(RFC_SECRET, text, now=NOW) is None or "".join(text.split()) in valid


def test_secrets_are_random_and_have_160_bits() -> None:
    made = {CODES.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(secret) for secret in made} == {20}
    assert CODES.shown(RFC_SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@given(secret=secrets, account=st.emails())
def test_uri_holds_secret_issuer_and_account(secret: bytes, account: str) -> None:
    parts = urlsplit(CODES.uri(secret, account=account))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    issuer, _, named = unquote(parts.path).removeprefix("/").rpartition(":")
    assert (issuer.replace("%3A", ":"), named) == ("Ada & Sons: Größe", account)
    query = parse_qs(parts.query)
    assert query["secret"] == [base64.b32encode(secret).decode()]
    assert query["issuer"] == ["Ada & Sons: Größe"]
    # Apps assume SHA-1, six digits and 30 seconds, and some fail on other values.
    assert {name: query.get(name) for name in ("algorithm", "digits", "period")} == dict.fromkeys(
        ("algorithm", "digits", "period")
    )
    assert pyotp.parse_uri(CODES.uri(secret, account=account)).generate_otp(STEP) == code_of(secret, STEP)


def test_qr_code_is_svg_of_the_uri() -> None:
    uri = CODES.uri(RFC_SECRET, account="ada@example.org")
    svg = CODES.qr_code(uri)
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "path"}
    assert not any(name in svg for name in ("<script", "<?xml", "http://www.w3.org/1999/xlink", RFC_SECRET.decode()))
    assert dark_modules(root) == {
        (x, y) for y, row in enumerate(segno.make_qr(uri, error="m").matrix) for x, dark in enumerate(row) if dark
    }


def dark_modules(svg: ElementTree.Element) -> set[tuple[int, int]]:
    """The modules that the path draws, a horizontal line for each run, inside a border of four light modules."""
    path = svg.find("{http://www.w3.org/2000/svg}path")
    assert path is not None
    modules, x, y = set(), 0, 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", path.attrib["d"]):
        if command == "h":
            modules |= {(column - 4, int(y) - 4) for column in range(x, x + int(first))}
            x += int(first)
        elif command == "m":
            x, y = x + int(first), y + float(second)
        else:
            x, y = int(first), float(second)
    return modules
