"""Identifiers use the field's terms: each retired word is listed once, with its replacement."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("domain", "application", "adapters", "entrypoints", "migrations", "tests")

RETIRED_NAMES = {
    "ADDRESS_CHANGE": "EMAIL_CHANGE",
    "ARRIVAL": "IMPORT_DIGEST",
    "AddressChange": "EmailChange",
    "AddressChanges": "EmailChanges",
    "AskForLink": "RequestLink",
    "Begin": "UnitOfWorkFactory",
    "CLAIM": "UNVERIFIED_USER",
    "Cleared": "PurgeResult",
    "Code": "ErrorCode",
    "DISPLACED": "EVICTED",
    "Directory": "UserLookup",
    "Door": "AbortingController",
    "Dweller": "SimulatedUser",
    "EndAnySession": "OperatorRevokeSession",
    "EndSession": "RevokeOwnSession",
    "EndSessions": "AdminRevokeSessions",
    "EndSessionsOf": "OperatorRevokeSessions",
    "Guesses": "GuessEstimator",
    "House": "DevStack, BenchRig, AppUnderTest",
    "IdentifyClient": "AuthenticateClient",
    "KeepHouse": "PurgeExpired",
    "Kind": "MailKind",
    "Leftover": "RetentionCategory",
    "Leftovers": "ExpiredRows",
    "Letter": "RenderedMail",
    "Limits": "RateLimiter",
    "Link": "EmailLink",
    "LookAtLink": "InspectLink",
    "Mails": "Outbox",
    "NOWHERE": "UNKNOWN_CLIENT",
    "Origin": "ClientInfo",
    "Outcome": "DeliveryOutcome",
    "Overheard": "StatementRecorder",
    "ParkedMails": "ListParkedMails",
    "Place": "PageCursor",
    "Postbox": "FakeSmtpServer",
    "Proof": "Verification",
    "Purpose": "LinkPurpose",
    "Receipt": "Reservation",
    "RemoveUser": "OperatorDeleteUser",
    "RenameMe": "ChangeUsername",
    "Seat": "BlocklistPrimary",
    "SessionsOf": "OperatorListSessions",
    "SpendMail": "LimitMail",
    "Spot": "PurgeCursor",
    "Stage": "StoreHarness",
    "Standing": "RotationState",
    "Stay": "TrackedSession",
    "SwitchUser": "SetUserDisabled",
    "UserShape": "UserResponse",
    "Verdict": "PasswordMatch",
    "address_change": "email_change",
    "ask_for_link": "request_link",
    "bring_back": "restore",
    "buckets_of_recovery": "recovery_buckets",
    "chosen_username": "accept_username",
    "deletion_at": "undoable_deletion",
    "end_any_session": "operator_revoke_session",
    "end_sessions_of": "operator_revoke_sessions",
    "held_role": "effective_role",
    "home_bucket": "known_network_bucket",
    "house": "stack, app, rig",
    "identify_client": "authenticate_client",
    "in_words": "rule_for",
    "insist_on_schema": "require_schema",
    "insist_on_typable": "require_typable",
    "keep_house": "purge_expired",
    "known_from": "has_session_in_network",
    "look_at_link": "inspect_link",
    "lowest_welcome": "effective_min_generation",
    "mailed_origin": "shown_client",
    "make_room": "evict_oldest",
    "making": "factories",
    "may_touch": "can_manage",
    "normal_email": "normalize_email",
    "normal_username": "normalize_username",
    "note_reset_links": "record_reset_links",
    "of_login": "for_login",
    "origin_of": "client_info_of",
    "outdate_all": "revoke_access_tokens",
    "owns_address": "owns_email",
    "receipt": "reservation",
    "refund": "cancel",
    "rename_me": "change_username",
    "rival_hash": "unverified_hash",
    "seats": "blocklist_primary",
    "sessions_of": "operator_list_sessions",
    "sooner": "earliest_retry",
    "spend": "acquire",
    "spend_mail": "limit_mail",
    "switch_user": "set_user_disabled",
}
"""Whole identifiers: of a module, class, function, parameter, variable or attribute."""

RETIRED_WORDS = {
    "anew": "again",
    "dweller": "simulated user",
    "governors": "active admins",
    "governs": "is_active_admin",
    "noes": "failures",
    "overheard": "recorded",
    "postbox": "SMTP server",
    "standing": "state",
    "whoever": "who",
}
"""Words that no identifier contains; `_` and capitals separate words."""


def defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything that a source defines. Names that it only uses are defined elsewhere."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((node.lineno, alias.asname) for alias in aliases if alias.asname)


def replacement(identifier: str) -> str | None:
    """The replacement, or None if the identifier is allowed."""
    words = (word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])", identifier))
    retired = (RETIRED_WORDS.get(word) for word in words)
    return RETIRED_NAMES.get(identifier) or next(filter(None, retired), None)


def offences(source: str, path: Path) -> list[str]:
    names = [(1, part) for part in path.with_suffix("").parts]
    names += defined(ast.parse(source))
    return [f"{path}:{line}: {name} -> {better}" for line, name in names if (better := replacement(name))]


@pytest.mark.parametrize("package", PACKAGES)
def test_identifiers_use_no_retired_word(package: str) -> None:
    files = [path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py"))]
    assert files
    assert [offence for path in files for offence in offences((ROOT / path).read_text(), path)] == []


@pytest.mark.parametrize(
    "source",
    [
        "class Kind: ...",
        "def may_touch(): ...",
        "async def governs_all(): ...",
        "lambda governs: 0",
        "event_governs = 1",
        "self.governors = ()",
        "class GovernsAll: ...",
        "GOVERNS: int",
        "for governs in (): ...",
        "from a import b as Kind",
        "try: ...\nexcept ValueError as governs: ...",
        "match 0:\n    case [governs, *governors]: ...",
    ],
)
def test_a_retired_word_is_found(source: str) -> None:
    assert offences(source, Path("a.py"))


def test_a_retired_word_is_found_in_the_name_of_a_module() -> None:
    assert offences("", Path("domain/governs.py"))
    assert offences("", Path("domain/Kind/x.py"))


@pytest.mark.parametrize("source", ["import a.Kind", "kind = MailKind.RESET", "f(governs=1)", "ungoverns = 1"])
def test_other_words_are_left_alone(source: str) -> None:
    assert offences(source, Path("a.py")) == []


AVOIDED = re.compile(r"\b(?:somebody|nobody|whoever|anew)\b", re.IGNORECASE)
"""Vague words in texts, docstrings and documents: name the actor instead."""
NAMES = {"domain/username.py": "a reserved username", "entrypoints/devserver/child.py": "a user of the system"}
"""Files in which one of these words is a name."""


def vague_lines(root: Path) -> Iterator[str]:
    for folder in ("domain", "application", "adapters", "entrypoints", "migrations", "docs"):
        for path in sorted((root / folder).rglob("*")):
            name = str(path.relative_to(root))
            if path.suffix in {".py", ".html", ".jinja", ".js", ".md", ".po", ".toml"} and name not in NAMES:
                lines = enumerate(path.read_text().splitlines(), 1)
                yield from (f"{name}:{number}: {line.strip()}" for number, line in lines if AVOIDED.search(line))


def test_texts_name_the_actor(tmp_path: Path) -> None:
    assert list(vague_lines(ROOT)) == []
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Nobody knows.\n")
    assert list(vague_lines(tmp_path)) == ["docs/a.md:1: Nobody knows."]


LONGEST_TEST_NAME = 70


def long_test_names(source: str) -> list[str]:
    names = {name for _, name in defined(ast.parse(source))}
    return sorted(name for name in names if name.startswith("test_") and len(name) > LONGEST_TEST_NAME)


def test_no_name_of_a_test_is_too_long() -> None:
    assert [
        name for path in sorted((ROOT / "tests").rglob("*.py")) for name in long_test_names(path.read_text())
    ] == []
    assert long_test_names(f"def test_{'a' * LONGEST_TEST_NAME}(): ...")
