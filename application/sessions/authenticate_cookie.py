"""Authenticate a request by the cookie of a browser session."""

import hmac
from dataclasses import dataclass

from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from application.sessions.authenticate import Authenticate
from application.sessions.ports import CallerCache, CookieCodec
from domain.refusals import ErrorCode, Refusal, token_revoked
from domain.role import Role
from domain.session import Lifetimes, digest_of
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticateCookie:
    """A cookie is read from the database at most once in the lifetime of an access token, and again after a
    revocation, as a refresh would. In between, its holder is checked like the bearer of an access token."""

    cookie_codec: CookieCodec
    caller_cache: CallerCache
    authenticate: Authenticate
    autocommit: UnitOfWorkFactory
    lifetimes: Lifetimes
    clock: Clock

    async def __call__(self, cookie: str, *, role: Role | None = None, enrolling: bool = False) -> AccessToken:
        """Raises `token_invalid`, `token_revoked`, `factor_required`, `not_verified` or
        `role_required`."""
        cached = self.caller_cache.get(cookie)
        if cached is not None and self.clock() < cached.expires_at:
            try:
                return await self.authenticate.admit(cached, role=role, enrolling=enrolling)
            except Refusal as refusal:
                if refusal.code is not ErrorCode.TOKEN_REVOKED:
                    raise
        self.caller_cache.forget(cookie)
        caller = await self._read(cookie)
        admitted = await self.authenticate.admit(caller, role=role, enrolling=enrolling)
        self.caller_cache.put(cookie, caller)
        return admitted

    async def _read(self, text: str) -> AccessToken:
        cookie, now = self.cookie_codec.decode(text), self.clock()
        async with self.autocommit() as work:
            found = await work.sessions.resume(cookie.session_id, now=now, lifetimes=self.lifetimes)
        if found is None:
            raise token_revoked()
        session, user = found
        known = session.secret_digest or b""
        if not hmac.compare_digest(digest_of(cookie.secret), known) or not session.alive(now) or user.disabled:
            raise token_revoked()
        return AccessToken(
            user_id=user.id,
            session_id=session.id,
            generation=session.generation,
            role=user.role,
            verified=user.verified,
            issued_at=now,
            expires_at=min(now + self.lifetimes.access, session.expires_at),
            authentication=session.authentication,
        )
