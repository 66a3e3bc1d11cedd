"""Architecture rules, checked in the source. Each rule is also tested with code that violates it.

Rules that import-linter can express are in `pyproject.toml`.
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("domain", "application", "adapters", "entrypoints")

Check = Callable[[str, ast.Module], list[str]]
"""The violations of a rule in a file, given its path from the root and its syntax tree."""


def sources(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def offences(check: Check, *packages: str) -> list[str]:
    return [f"{name}: {offence}" for name, tree in sources(*packages) for offence in check(name, tree)]


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def name_of(node: ast.expr) -> str:
    """The last name of an expression: `c` for `a.b.c`, `a.b.c(…)` and `a.b.c[…]`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return name_of(inner)
    return ""


# -- what may be imported ---------------------------------------------------------------------------------


def only_the_standard_library(name: str, tree: ast.Module) -> list[str]:
    """The domain imports only itself, the application also the domain."""
    known = {"domain", *sys.stdlib_module_names} | ({"application"} if name.startswith("application/") else set())
    return [module for module in imports(tree) if module.split(".")[0] not in known]


def no_clock_no_ids_no_randomness(_: str, tree: ast.Module) -> list[str]:
    """Time, ids and randomness are passed in."""
    modules = [name for name in imports(tree) if name.split(".")[0] in {"time", "secrets", "random", "os", "socket"}]
    calls = (name_of(node) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return modules + [call for call in calls if call in {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7"}]


def no_weak_randomness(_: str, tree: ast.Module) -> list[str]:
    """`random` is predictable, except `SystemRandom`."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and "random" in {alias.name for alias in node.names})
        or (
            isinstance(node, ast.ImportFrom) and node.module == "random" and _imported_names(node) != {"SystemRandom"}
        )
    ]


def _imported_names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


ALLOWED_IN = {
    "aiosmtplib": {"mail"},
    "anyio": {"memory"},
    "argon2": {"passwords"},
    "asyncpg": {"postgres"},
    "babel": {"translations"},
    "bcrypt": {"passwords"},
    "cryptography": {"factors", "passwords", "tokens"},
    "dramatiq": {"redis"},
    "itsdangerous": {"tokens"},
    "jinja2": {"mail"},
    "jwt": {"tokens"},
    "pyotp": {"factors"},
    "redis": {"redis"},
    "segno": {"factors"},
    "sqlalchemy": {"postgres"},
    "webauthn": {"factors"},
}


def libraries_in_their_adapters(name: str, tree: ast.Module) -> list[str]:
    """Each third-party library is imported by its own adapter package only."""
    home = Path(name).parts[1].removesuffix(".py")
    foreign = (module.split(".")[0] for module in imports(tree))
    return [
        module
        for module in foreign
        if module not in {*PACKAGES, *sys.stdlib_module_names} and home not in ALLOWED_IN.get(module, set())
    ]


# -- definitions ------------------------------------------------------------------------------------------


def frozen_and_slotted(_: str, tree: ast.Module) -> list[str]:
    """Classes of domain and application are frozen, slotted dataclasses, enums, exceptions or protocols."""
    return [node.name for node in classes(tree) if not _is_value(node) and not _is_other_allowed_class(node)]


def _is_other_allowed_class(node: ast.ClassDef) -> bool:
    bases = {name_of(base) for base in node.bases}
    return not node.decorator_list and not bases.isdisjoint({"StrEnum", "Exception", "MailDelayed", "Protocol"})


def _is_value(node: ast.ClassDef) -> bool:
    flags = {
        keyword.arg: isinstance(keyword.value, ast.Constant) and keyword.value.value
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and name_of(decorator) == "dataclass"
        for keyword in decorator.keywords
    }
    return flags.get("frozen") is True and flags.get("slots") is True


PORTS = {
    node.name
    for page in (
        *(ROOT / "application").rglob("ports.py"),
        *(ROOT / "application/repositories").glob("*.py"),
        ROOT / "adapters/revocations.py",
    )
    for node in classes(ast.parse(page.read_text()))
    if "Protocol" in {name_of(base) for base in node.bases}
}
CALLABLES = {
    "Batcher": "a tool that adapters share",
    "BreachedPasswords": "the callable that a password policy asks",
    "BlocklistCommands": "the commands of RedisBlocklist",
    "Caller": "what adapters share scarce things by",
    "DeterministicES256": "an algorithm for PyJWT",
    "DramatiqNudge": "the callable Nudge",
    "FairQueue": "a tool of FairThreads",
    "FairShare": "how a caller shares the connections",
    "FairThreads": "a tool of the hasher",
    "CompiledStatement": "a statement",
    "Connection": "what repositories send statements through",
    "Database": "the pool of connections",
    "ReloadingKeyStore": "the signing keys, which a codec reads",
    "ReloadingKeys": "the encryption keys, which a box reads",
    "LostRevocations": "what the page of numbers and doctor ask",
    "MemoryStore": "its begin is the callable Begin",
    "PostgresBacklog": "what the page of numbers asks",
    "PostgresStore": "its begin is the callable Begin",
    "PurposeSigner": "what signs links and challenges",
    "Rows": "what the memory adapters share",
    "SealedText": "what authenticates cookies and refresh tokens",
    "ZxcvbnWordlist": "the callable that a password policy asks",
}


def implements_a_port(_: str, tree: ast.Module) -> list[str]:
    """A public class of an adapter subclasses a port, or is a value."""
    return [
        node.name
        for node in classes(tree)
        if not node.name.startswith("_")
        and not {name_of(base) for base in node.bases} & (PORTS | {"StrEnum", "Exception", "Protocol"})
        and not _is_value(node)
        and node.name not in CALLABLES
    ]


def descriptive_names(name: str, tree: ast.Module) -> list[str]:
    parts = set(Path(name).with_suffix("").parts)
    empty = sorted(parts & {"utils", "util", "common", "core", "helpers", "misc", "shared"})
    suffixes = re.compile(r"(Service|Impl|Port|Manager|UseCase|DTO|Dto)$")
    return empty + [node.name for node in classes(tree) if suffixes.search(node.name)]


SECRET = re.compile(r"(^|_)(digest|hexdigest|hash|hashed|mac|hmac|signature|secret|token)s?$")


def secrets_compared_in_constant_time(name: str, tree: ast.Module) -> list[str]:
    """The time of `==` reveals where two texts differ. Comparisons in SQL and in adapters for tests are exempt."""
    if name.startswith("adapters/memory/"):
        return []
    comparisons = (node for node in ast.walk(tree) if isinstance(node, ast.Compare))
    return [
        ast.unparse(node)
        for node in comparisons
        if any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(SECRET.search(name_of(side)) for side in (node.left, *node.comparators))
        and not any(map(_is_column, (node.left, *node.comparators)))
    ]


def _is_column(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "c"


def passwords_are_checked_in_one_place(name: str, tree: ast.Module) -> list[str]:
    """In the use case that counts every attempt."""
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    verifications = [ast.unparse(it) for it in called if isinstance(it, ast.Attribute) and it.attr == "verify"]
    return [it for it in verifications if "hasher" in it and name != "application/credentials/check_password.py"]


def shared_code_in_support(name: str, tree: ast.Module) -> list[str]:
    """No test module imports from another."""
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [it for it in imported if it.startswith("tests.") and it.rpartition(".")[2].startswith("test_")]


INNER = ("domain", "application")
EVERYWHERE = (*PACKAGES, "migrations")


def no_private_names_of_others(name: str, tree: ast.Module) -> list[str]:
    """What a library marks as private may change in any release. `install.py` runs where pip alone is installed."""
    private_modules = [module for module in imports(tree) if re.search(r"(^|\.)_[a-z]", module)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr) and name_of(node.value) not in OWN:
            private_modules.append(ast.unparse(node))
        if isinstance(node, ast.ClassDef):
            private_modules += [f"{node.name}: {attribute}" for attribute in sorted(used_in(node) - defined_in(node))]
    return [
        it for it in private_modules if (name, it) != ("entrypoints/install.py", "pip._vendor.packaging.requirements")
    ]


OWN = {"self", "cls"}


def used_in(cls: ast.ClassDef) -> set[str]:
    """Private attributes of its own that a class reads."""
    nodes = (node for node in ast.walk(cls) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load))
    return {it.attr for it in nodes if re.match("_[a-z]", it.attr) and name_of(it.value) in OWN}


def defined_in(cls: ast.ClassDef) -> set[str]:
    """Attributes that a class defines in its body or assigns."""
    names = set()
    for node in ast.walk(cls):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
    return names


RULES: list[tuple[Check, tuple[str, ...], list[tuple[str, str]]]] = [
    # A check, the packages it covers, and violations that it must find: file names and sources.
    (
        only_the_standard_library,
        INNER,
        [
            ("domain/bad.py", "def f():\n    import msgspec"),
            ("domain/bad.py", "from application.ports import Clock"),
            ("application/bad.py", "from sqlalchemy.ext import asyncio"),
            ("application/bad.py", "from . import adapters"),
        ],
    ),
    (
        no_clock_no_ids_no_randomness,
        INNER,
        [
            ("domain/bad.py", "import secrets"),
            ("domain/bad.py", "at = datetime.now(UTC)"),
            ("application/bad.py", "id = uuid.uuid4()"),
        ],
    ),
    (
        no_weak_randomness,
        EVERYWHERE,
        [
            ("adapters/bad.py", "from random import choice"),
            ("adapters/bad.py", "from random import SystemRandom, choice"),
            ("adapters/bad.py", "from random import SystemRandom\nfrom random import choice"),
            ("entrypoints/bad.py", "import os, random"),
        ],
    ),
    (
        libraries_in_their_adapters,
        ("adapters",),
        [
            ("adapters/tokens/jwt_codec.py", "import sqlalchemy"),
            ("adapters/postgres/bad.py", "from redis.asyncio import Redis"),
            ("adapters/bad.py", "import unknown_library"),
        ],
    ),
    (
        frozen_and_slotted,
        INNER,
        [
            ("domain/bad.py", "@dataclass(frozen=True)\nclass A: ..."),
            ("domain/bad.py", "@dataclass(slots=True)\nclass A: ..."),
            ("domain/bad.py", "@dataclass\nclass A: ..."),
            ("domain/bad.py", "class A(Base): ..."),
        ],
    ),
    (
        implements_a_port,
        ("adapters",),
        [
            ("adapters/bad.py", "class SmsSender: ..."),
            ("adapters/bad.py", "class SmsSender(SomethingElse): ..."),
        ],
    ),
    (
        passwords_are_checked_in_one_place,
        ("application", "entrypoints"),
        [
            (
                "application/profile/delete_me.py",
                "fits = (await self.hasher.verify(password, user.password_hash)).fits",
            )
        ],
    ),
    (
        descriptive_names,
        EVERYWHERE,
        [
            ("domain/utils.py", ""),
            ("adapters/core/a.py", ""),
            *(
                ("domain/a.py", f"class User{end}: ...")
                for end in ("Service", "Impl", "Port", "Manager", "UseCase", "DTO")
            ),
        ],
    ),
    (
        no_private_names_of_others,
        PACKAGES,
        [
            ("adapters/bad.py", "from asyncpg._private import name"),
            ("adapters/bad.py", "pool._queue.get_nowait()"),
            ("adapters/bad.py", "class A(Request):\n    def form(self):\n        return self._connection_state.form"),
        ],
    ),
    (
        shared_code_in_support,
        ("tests",),
        [("tests/domain/test_user.py", "from tests.domain.test_role import role")],
    ),
    (
        secrets_compared_in_constant_time,
        PACKAGES,
        [
            ("adapters/bad.py", "ok = mac == hmac.new(key, text).digest()"),
            ("application/bad.py", "if user.password_hash != given: ..."),
            ("entrypoints/bad.py", "ok = given == settings.secret"),
        ],
    ),
]


@pytest.mark.parametrize(("check", "packages"), [rule[:2] for rule in RULES])
def test_source_keeps_the_rule(check: Check, packages: tuple[str, ...]) -> None:
    assert offences(check, *packages) == []


@pytest.mark.parametrize(("check", "guilty"), [(rule[0], guilty) for rule in RULES for guilty in rule[2]])
def test_rule_detects_a_violation(check: Check, guilty: tuple[str, str]) -> None:
    name, text = guilty
    assert check(name, ast.parse(text)) != []


# -- the whole repository ---------------------------------------------------------------------------------


def packages_in(root: Path) -> set[str]:
    """Top-level files and folders with Python, except hidden folders."""
    return {
        path.name
        for path in root.iterdir()
        if path.suffix == ".py" or (path.is_dir() and path.name[0] not in "._" and any(path.rglob("*.py")))
    }


def test_top_level_packages_are_the_planned_ones(tmp_path: Path) -> None:
    assert packages_in(ROOT) == {*PACKAGES, "migrations", "tests"}
    (tmp_path / "infrastructure").mkdir()
    (tmp_path / "infrastructure" / "db.py").touch()
    (tmp_path / "setup.py").touch()
    assert packages_in(tmp_path) == {"infrastructure", "setup.py"}


LONGEST = 220


def too_long(root: Path) -> list[str]:
    files = {str(path.relative_to(root)): path for package in PACKAGES for path in (root / package).rglob("*.py")}
    return [name for name, path in files.items() if len(path.read_text().splitlines()) > LONGEST]


def test_no_file_is_too_long(tmp_path: Path) -> None:
    assert too_long(ROOT) == []
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain" / "user.py").write_text("pass\n" * (LONGEST + 1))
    assert too_long(tmp_path) == ["domain/user.py"]


def forks(folder: Path) -> list[str]:
    """Revisions that more than one migration follows: Alembic would have two heads."""
    texts = [path.read_text() for path in folder.glob("*.py")]
    befores = [before for text in texts for before in re.findall(r'^down_revision = "(\w+)"$', text, re.MULTILINE)]
    return sorted(before for before in set(befores) if befores.count(before) > 1)


def test_migrations_form_one_chain(tmp_path: Path) -> None:
    assert forks(ROOT / "migrations" / "versions") == []
    for name in ("one", "other"):
        (tmp_path / f"{name}.py").write_text(f'revision = "{name}"\ndown_revision = "base"\n')
    assert forks(tmp_path) == ["base"]


# -- the import contracts ---------------------------------------------------------------------------------

PLANTED = {
    "Imports point inwards": ("application/registration/verify.py", "import adapters.uuid7"),
    "Domain and application import no framework": ("domain/role.py", "import asyncio"),
    "Adapters import ports and repositories": (
        "adapters/passwords/argon2_hasher.py",
        "import application.sessions.login",
    ),
    "An adapter package imports no other": ("adapters/mail/smtp_mailer.py", "import adapters.tokens.pem_keys"),
    "HTTP reaches adapters only through the container": ("entrypoints/http/routes/me.py", "import adapters.caller"),
    "The memory adapter is for tests only": ("entrypoints/api.py", "import adapters.memory.rows"),
    "Nothing of production imports what `make run` adds": (
        "entrypoints/container.py",
        "import entrypoints.devserver.engine",
    ),
}
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def verdicts(root: Path) -> dict[str, str]:
    """KEPT or BROKEN for each import contract."""
    process = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo"],
        cwd=root,
        capture_output=True,
        text=True,
        env={"COLUMNS": "300", "NO_COLOR": "1"},
    )
    states = dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", process.stdout, re.MULTILINE))
    assert (process.returncode == 0) == (set(states.values()) == {"KEPT"}), process.stdout + process.stderr
    return states


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_contract_is_kept_and_tested() -> None:
    contracts = verdicts(ROOT)
    assert set(contracts.values()) == {"KEPT"}
    assert [contract for contract in contracts if not contract.startswith(tuple(PLANTED))] == []
    assert len(contracts) == len(PLANTED)


def test_the_contract_between_adapters_names_every_package() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [between] = [contract for contract in contracts if contract["type"] == "independence"]
    packages = {path.parent.name for path in (ROOT / "adapters").glob("*/__init__.py")}
    assert set(between["modules"]) == {f"adapters.{package}" for package in packages}
    assert "ignore_imports" not in between


@pytest.mark.parametrize("contract", PLANTED)
def test_import_contract_detects_a_violation(contract: str, copied: Path) -> None:
    name, line = PLANTED[contract]
    with (copied / name).open("a") as file:
        file.write(f"\n{line}\n")
    assert [broken.startswith(contract) for broken, verdict in verdicts(copied).items() if verdict == "BROKEN"] == [
        True
    ]
