"""Import files of other systems: every row becomes a user, or an issue with its line."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from adapters.passwords.stored_hash import StoredHash
from application.administration.import_users import ImportIssue, ImportRow
from domain.role import Role
from entrypoints.cli.import_users.files import LONGEST, ReadResult, read_cells, read_lines
from entrypoints.cli.import_users.rows import COLUMNS, from_better_auth, from_firebase, from_json
from entrypoints.cli.output import printable

MADE = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def lines(*texts: bytes) -> list[ReadResult]:
    return list(read_lines(BytesIO(b"\n".join(texts)), from_json))


def cells(text: str) -> list[ReadResult]:
    return list(read_cells(BytesIO(text.encode())))


def reason(result: ReadResult) -> str:
    assert isinstance(result, ImportIssue)
    assert result.lost
    return result.reason


FULL = ImportRow(
    line=1,
    email="ada@example.org",
    username="ada",
    password_hash="$2b$04$x",
    role=Role.ADMIN,
    verified=True,
    disabled=True,
    created_at=MADE,
)


# -- JSON Lines -------------------------------------------------------------------------------------------


def test_json_line_holds_every_field() -> None:
    full = (
        b'{"email": "ada@example.org", "username": "ada", "password_hash": "$2b$04$x", "role": "admin", '
        b'"verified": true, "disabled": true, "created_at": "2024-05-06T09:08:09+02:00"}'
    )
    assert lines(full) == [FULL]
    assert lines(b'{"email": "a"}', b'{"email": "b", "username": null, "role": null, "verified": null}') == [
        ImportRow(line=1, email="a"),
        ImportRow(line=2, email="b"),
    ]


def test_empty_lines_and_a_byte_order_mark_are_skipped() -> None:
    results = lines(b'\xef\xbb\xbf{"email": "a"}', b"", b" \t\r", b'{"email": "b"}\r', b"")
    assert results == [ImportRow(line=1, email="a"), ImportRow(line=4, email="b")]
    assert lines() == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b"{}", "required field `email`"),
        (b'{"email": 1}', "Expected `str`"),
        (b'{"email": null}', "Expected `str`"),
        (b'{"email": "a", "password": "x"}', "unknown field `password`"),
        (b'{"email": "a", "verified": "true"}', "$.verified"),
        (b'{"email": "a", "verified": 1}', "$.verified"),
        (b'{"email": "a", "role": "king"}', "$.role"),
        (b'{"email": "a", "created_at": 1700000000}', "$.created_at"),
        (b'{"email": "a", "created_at": "yesterday"}', "created_at is no time"),
        (b'{"email": "a", "created_at": "0001-01-01T00:00:00+14:00"}', "out of range"),
        (b'{"email": "a\\ud800@example.org"}', "surrogate"),
        (b'{"email": "a\xff"}', "utf-8"),
        (b'{"email": "a"} {"email": "b"}', "trailing characters"),
        (b"[" * 10_000, "Expected `object`"),
        (b'{"email": "a", "verified": true, "verified": false}', "`verified` stands twice"),
        (b'{"email": "a", "em\\u0061il": "b"}', "`email` stands twice"),
        (b'{"email": "' + b"a" * LONGEST + b'"}', "longer than"),
    ],
    ids=lambda value: value[:40],
)
def test_bad_line_is_reported_and_the_next_is_read(text: bytes, why: str) -> None:
    before, bad, after = lines(b'{"email": "a"}', text, b'{"email": "b"}')
    assert (before, after) == (ImportRow(line=1, email="a"), ImportRow(line=3, email="b"))
    assert bad.line == 2
    assert why in reason(bad)


def test_endless_line_uses_bounded_memory() -> None:
    class Endless(BytesIO):
        most = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            Endless.most = max(Endless.most, size)
            return super().readline(size)

    [found] = read_lines(Endless(b"x" * 10 * LONGEST), from_json)
    assert "longer" in reason(found)
    assert 0 < Endless.most <= LONGEST + 1


# -- CSV --------------------------------------------------------------------------------------------------


def test_csv_row_holds_every_field() -> None:
    head = ",".join(COLUMNS)
    full = "ada@example.org,ada,$2b$04$x,admin,true,1,2024-05-06 07:08:09"
    assert cells(f"\ufeff{head}\r\n{full}\r\n") == [ImportRow(**{**vars_of(FULL), "line": 2})]
    assert cells(f"{head}\na,,,,,,\n\nb,,,member,F,False,\n") == [
        ImportRow(line=2, email="a"),
        ImportRow(line=4, email="b"),
    ]
    assert cells('role,email\nadmin,"a ""b"""') == [ImportRow(line=2, email='a "b"', role=Role.ADMIN)]
    assert cells("email\n") == []


def vars_of(newcomer: ImportRow) -> dict[str, Any]:
    return {name: getattr(newcomer, name) for name in (*COLUMNS, "line")}


@pytest.mark.parametrize(
    "head",
    ["", "\n", "name", "email,password", "email,email", "Email", '"email', "email,", "email;role", "ada@example.org"],
)
def test_first_row_without_valid_column_names_is_refused(head: str) -> None:
    with pytest.raises(ValueError, match="the first row"):
        cells(f"{head}\na\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,king,", "$.role"),
        ("a,,maybe", "verified is neither true nor false"),
        ("a,", "2 cells for 3 columns"),
        ("a,,,", "4 cells for 3 columns"),
        ('"a"b,,', "expected after"),
        ("a" * (LONGEST + 1) + ",,", "field limit"),
    ],
    ids=lambda value: value[:40],
)
def test_bad_row_is_reported_and_the_next_is_read(text: str, why: str) -> None:
    before, bad, after = cells(f"email,role,verified\na,,\n{text}\nb,,\n")
    assert (before, after) == (ImportRow(line=2, email="a"), ImportRow(line=4, email="b"))
    assert bad.line == 3
    assert why in reason(bad)


def test_lines_are_counted_in_csv_cells_of_several_lines() -> None:
    found = cells('email,role\n"a\nb",\n"c\nd",king\ne,\n')
    assert found[0] == ImportRow(line=2, email="a\nb")
    assert found[1].line == 4
    assert "from here to line 5" in reason(found[1])
    assert found[2] == ImportRow(line=6, email="e")


def test_unclosed_quote_is_reported() -> None:
    [first, lost] = cells('email\na\n"b\nc\nd\n')
    assert first == ImportRow(line=2, email="a")
    assert lost.line == 3
    assert "from here to line 5" in reason(lost)


def test_csv_with_invalid_utf8_is_read_to_the_end() -> None:
    [bad, good] = read_cells(BytesIO(b"email\na\xff\nb\n"))
    assert isinstance(bad, ImportRow)
    assert not bad.email.isascii()
    assert good == ImportRow(line=3, email="b")


# -- exports of other systems -----------------------------------------------------------------------------

PARAMETERS = """hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}"""


def test_firebase_rows_become_self_contained_hashes() -> None:
    """With the parameters and the user from README.md of firebase/scrypt."""
    text = (
        b'{"localId": "kYi4EvWQlQTKSfnJ3dRSP6", "email": "user1@example.org", "emailVerified": true, "passwordHash": '
        b'"lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ==", '
        b'"salt": "42xEC-ixf3L2lw==", "displayName": "Test User 1", "createdAt": "1508893925123", '
        b'"disabled": true, "providerUserInfo": []}'
    )
    read = from_firebase(PARAMETERS)
    [user, bare, nobody] = read_lines(BytesIO(text + b'\n{"email": "b"}\n{"localId": "x", "phoneNumber": "1"}'), read)
    assert isinstance(user, ImportRow)
    assert (user.email, user.verified, user.disabled) == ("user1@example.org", True, True)
    assert user.created_at == datetime(2017, 10, 25, 1, 12, 5, 123_000, tzinfo=UTC)
    kept = StoredHash.parse(user.password_hash)
    assert kept is not None
    assert kept.digest(b"user1password") == kept.tag
    assert bare == ImportRow(line=2, email="b")
    assert "required field `email`" in reason(nobody)


@pytest.mark.parametrize("missing", ["base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"])
def test_incomplete_firebase_parameters_are_refused(missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        from_firebase(PARAMETERS.replace(missing, "other"))


@pytest.mark.parametrize("created_at", ["soon", "9" * 30])
def test_invalid_firebase_times_are_reported(created_at: str) -> None:
    text = f'{{"email": "a", "createdAt": "{created_at}"}}'.encode()
    [result] = read_lines(BytesIO(text), from_firebase(PARAMETERS))
    assert reason(result)


def test_unknown_field_may_hold_any_json_of_limited_depth() -> None:
    for deep in (b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000):
        [result] = read_lines(BytesIO(b'{"email": "a", "x": ' + deep + b"}"), from_better_auth)
        assert "recursion" in reason(result)
    [result] = read_lines(BytesIO(b'{"email": "a", "x": {"y": [1, 2.5, null]}}'), from_better_auth)
    assert result == ImportRow(line=1, email="a")


def test_reported_text_is_printable() -> None:
    [result] = read_lines(BytesIO(b'{"email": "a", "\\u001b[2Jx\\u202e\\u00e9": 1}'), from_json)
    assert "\x1b" in reason(result)
    assert printable(reason(result)) == r"Object contains unknown field `\x1b[2Jx\u202e\u00e9`.".replace(
        r"\u00e9", "\u00e9"
    )
    assert printable("a\n\udcff\u2028") == r"a\n\udcff\u2028"


def test_better_auth_rows_are_read() -> None:
    text = (
        b'{"id": "x", "name": "Ada", "email": "ada@example.org", "emailVerified": true, "image": null, '
        b'"username": "ada", "role": "admin", "banned": true, "createdAt": "2024-05-06T07:08:09.000Z", '
        b'"password": "$2b$04$x"}\n'
        b'{"email": "b", "role": "user", "banned": null, "password": null}\n{"email": "c", "role": "king"}'
    )
    full, bare, king = read_lines(BytesIO(text), from_better_auth)
    assert full == FULL
    assert bare == ImportRow(line=2, email="b")
    assert "king" in reason(king)


# -- arbitrary input --------------------------------------------------------------------------------------


@given(some.binary(max_size=200))
def test_arbitrary_bytes_are_read_to_the_end(text: bytes) -> None:
    for read in (from_json, from_better_auth, from_firebase(PARAMETERS)):
        assert all(isinstance(found, ImportRow | ImportIssue) for found in read_lines(BytesIO(text), read))
    assert all(
        isinstance(found, ImportRow | ImportIssue) for found in read_cells(BytesIO(b"email,verified\n" + text))
    )


@given(some.lists(some.sampled_from(["a", "b,", '"c"', '"', "\n", "\r", ",", "\0"])))
def test_each_csv_line_gives_a_row_or_an_issue(parts: list[str]) -> None:
    """Every line belongs to a row, or to an issue that names its last line."""
    text = "".join(parts)
    found = list(read_cells(BytesIO(b"email\n" + text.encode())))
    assert [it.line for it in found] == sorted({it.line for it in found})
    assert bool(found) == bool(text.strip("\r\n"))
