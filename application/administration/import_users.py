"""Import users of another system in batches. Repeating an import has no further effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from application.audit import Audit
from application.ports import Clock, Hasher, NewId
from application.repositories import UnitOfWorkFactory
from domain.audit import AuditEvent, EventType
from domain.email import normalize_email
from domain.refusals import Refusal
from domain.role import Role
from domain.user import User
from domain.username import normalize_username

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """One user in the file, not yet validated. `line` is the number of the row's first line.

    `password_hash` is "" for a user without a password, who can set one by a reset link.
    """

    line: int
    email: str
    username: str | None = None
    password_hash: str = ""
    role: Role = Role.MEMBER
    verified: bool = False
    disabled: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImportIssue:
    """A problem in a row, for the operator. `lost` is False if the user was imported nevertheless."""

    line: int
    reason: str
    lost: bool = True


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of a batch: users added, users known from an earlier import, and issues of the other rows."""

    added: int
    known: int
    remarks: tuple[ImportIssue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportUsers:
    begin: UnitOfWorkFactory
    hasher: Hasher
    audit: Audit
    clock: Clock
    new_id: NewId

    async def __call__(
        self, rows: Sequence[ImportRow], *, since: datetime, highest: Role = Role.MEMBER
    ) -> ImportResult:
        """Import a batch without sending mail. `since` is the start of the import: an address that was imported
        before `since` is known from an earlier import; an address imported later is in the file twice. A row with a
        role above `highest` is skipped.
        """
        remarks: list[ImportIssue] = []
        rows_by_email = self._wanted(rows, remarks, highest=highest)
        async with self.begin() as work:
            owners = await work.users.owners_of(rows_by_email)
            imported_before = await work.users.previously_imported(rows_by_email)
        new, known = [], 0
        for email, row in rows_by_email.items():
            owner = owners.get(email)
            if owner is None and email in imported_before:
                known += 1  # and was deleted since, or changed the address
            elif owner is None or (row.verified and not owner.verified):
                new.append((email, row))
            elif _was_imported_from(row, owner, since=since):
                known += 1
            else:
                remarks.append(ImportIssue(row.line, "Another user already has this address."))
        added = await self._insert(new, remarks)
        return ImportResult(added, known, tuple(sorted(remarks, key=lambda remark: remark.line)))

    def _wanted(
        self, rows: Sequence[ImportRow], remarks: list[ImportIssue], *, highest: Role
    ) -> dict[str, ImportRow]:
        """The first verified row of each address, or else the first row."""
        now = self.clock()
        rows_by_email: dict[str, ImportRow] = {}
        for row in rows:
            try:
                email = normalize_email(row.email)
            except Refusal as refusal:
                remarks.append(ImportIssue(row.line, refusal.detail))
                continue
            if not highest.includes(row.role):
                remarks.append(ImportIssue(row.line, f"The role {row.role} is higher than --highest-role allows."))
            elif row.created_at is not None and not _EARLIEST <= row.created_at <= now:
                remarks.append(ImportIssue(row.line, "created_at is out of range: it must be between 1970 and now."))
            else:
                first = rows_by_email.setdefault(email, row)
                better, other = (row, first) if row.verified and not first.verified else (first, row)
                rows_by_email[email] = better
                if other is not better:
                    remarks.append(ImportIssue(other.line, f"Line {better.line} has the same address."))
        return rows_by_email

    async def _insert(self, new: Sequence[tuple[str, ImportRow]], remarks: list[ImportIssue]) -> int:
        # Hashes before the transaction, because weak hashes are hashed again, which takes time.
        hashes = await self.hasher.import_hashes([row.password_hash for _, row in new])
        now = self.clock()
        rows: dict[UUID, ImportRow] = {}
        users: list[User] = []
        for (email, row), password_hash in zip(new, hashes, strict=True):
            if password_hash is None:
                remarks.append(ImportIssue(row.line, "This password hash is not supported."))
                continue
            user = User.imported(
                id=self.new_id(),
                email=email,
                username=_usable(row.username),
                password_hash=password_hash,
                role=row.role,
                verified=row.verified,
                disabled=row.disabled,
                created_at=row.created_at,
                now=now,
            )
            users.append(user)
            rows[user.id] = row
        if not users:
            return 0
        async with self.begin() as work:
            inserted = await work.users.bulk_insert(users, now=now)
            await work.events.add(*(self._event(user, rows[user.id]) for user in inserted))
        for user in inserted:
            row = rows.pop(user.id)
            if row.username is not None and _lacks_name(user, row):
                remarks.append(ImportIssue(row.line, _without_name(row.username), lost=False))
        remarks += [ImportIssue(row.line, "Another user has just taken this address.") for row in rows.values()]
        return len(inserted)

    def _event(self, user: User, row: ImportRow) -> AuditEvent:
        signs = ", verified" * user.verified + ", disabled" * user.disabled
        signs += ", without the username it had" * _lacks_name(user, row)
        return self.audit.event(EventType.IMPORTED, user.id, detail=f"as {user.role}{signs}")


def _was_imported_from(row: ImportRow, user: User, *, since: datetime) -> bool:
    """Whether an earlier import created the user from this row. Compares `created_at`, if the row has it."""
    before = user.imported_at is not None and user.imported_at < since
    return before and row.created_at in (None, user.created_at)


def _usable(username: str | None) -> str | None:
    try:
        return normalize_username(username) if username else None
    except Refusal:
        return None


def _lacks_name(user: User, row: ImportRow) -> bool:
    return bool(row.username) and user.username is None


def _without_name(username: str) -> str:
    why = "This username is not valid" if _usable(username) is None else "This username is already in use"
    return f"{why}; the user was imported without it."
