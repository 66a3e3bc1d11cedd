"""Verify a password under rate limits. Every use case that requires the current password uses this, so none is easier
to attack than another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from application.ports import Clock, Hasher, PasswordMatch, RateLimiter, Reservation, UserLookup
from application.repositories import UnitOfWorkFactory
from domain.client_info import ClientInfo
from domain.email import normalize_email
from domain.rate_limit_buckets import account_bucket, known_network_bucket, login_buckets, total_bucket
from domain.rate_limits import Limit
from domain.refusals import Refusal, earliest_retry
from domain.user import User
from domain.username import normalize_username


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPassword:
    """Counts each attempt before the password is verified, and refunds it if the password is correct. So parallel
    attempts get no more answers than sequential ones. Raises `rate_limited`.

    Attempts are counted by the given name, not by the user. So an unknown user is counted like a known one, and
    hitting a limit does not reveal that a username and an e-mail address belong together.
    """

    begin: UnitOfWorkFactory
    user_lookup: UserLookup
    hasher: Hasher
    rate_limiter: RateLimiter
    clock: Clock

    async def for_login(
        self, login: str, password: str, *, client_info: ClientInfo
    ) -> tuple[User | None, PasswordMatch]:
        """Return the user with that address or username, or None, and the verdict. Among several unverified users,
        return the one whose password matches. Computes one hash, whether the user exists or not."""
        reservation = await self._acquire(login, client_info)
        users = await self._find(login)
        first = users[0].password_hash if users else None
        others = [user.password_hash for user in users[1:]]
        match = await self._verify(password, first, *others, reservation=reservation)
        if len(users) > 1:
            # A new hash would have another salt, and one hash could no longer be compared with all of these users.
            match = replace(match, needs_rehash=False)
        return (users[match.index] if users else None), match

    async def for_user(self, user: User, password: str, *, client_info: ClientInfo) -> bool:
        """Whether this is the user's password."""
        reservation = await self._acquire(user.email, client_info)
        return (await self._verify(password, user.password_hash, reservation=reservation)).matches

    async def _verify(
        self, password: str, password_hash: str | None, *others: str, reservation: Reservation
    ) -> PasswordMatch:
        try:
            match = await self.hasher.verify(password, password_hash, *others)
        except Refusal:
            await self.rate_limiter.cancel(reservation)  # the password was not verified, so the caller learnt nothing
            raise
        if match.matches:
            await self.rate_limiter.cancel(reservation)
        return match

    async def _acquire(self, login: str, client_info: ClientInfo) -> Reservation:
        """Count the attempt, and return the receipt for the refund after a correct password."""
        name = _name(login)
        # All spellings of a name are counted together.
        named = login if name is None else name
        network, total = login_buckets(named, client_info), total_bucket(named, client_info)
        try:
            reservation = await self.rate_limiter.acquire(*network, account_bucket(named), total)
        except Refusal as refusal:
            if refusal.reason != Limit.LOGIN_ACCOUNT or not await self._is_known_network(name, client_info):
                raise
            try:
                reservation = await self.rate_limiter.acquire(*network, known_network_bucket(named), total)
            except Refusal as other:
                raise earliest_retry(refusal, other) from None
        return replace(reservation, buckets=tuple(bucket for bucket in reservation.buckets if bucket != total))

    async def _is_known_network(self, name: str | None, client_info: ClientInfo) -> bool:
        if name is None or not client_info.network:
            return False
        async with self.begin() as work:
            return await work.sessions.has_session_in_network(name, client_info.network, now=self.clock())

    async def _find(self, login: str) -> Sequence[User]:
        name = _name(login)
        return [] if name is None else await self.user_lookup.candidates(name)


def _name(login: str) -> str | None:
    """The login in its stored form, or None if it is neither an address nor a username."""
    try:
        return normalize_email(login) if "@" in login else normalize_username(login)
    except Refusal:
        return None
