"""The whole service in memory: a stopped clock, the use cases, and a mailer that stores the mails."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.factors.aes_gcm_box import AesGcmBox
from adapters.factors.pyotp_codes import PyotpCodes
from adapters.factors.webauthn_passkeys import WebauthnPasskeys
from adapters.mail.jinja_composer import JinjaComposer
from adapters.memory.expired_rows import MemoryExpiredRows
from adapters.memory.hasher import MemoryHasher
from adapters.memory.mailer import MemoryMailer
from adapters.memory.revocations import MemoryBlocklist, MemoryRevocationStore
from adapters.memory.session_renewals import MemoryRenewals
from adapters.memory.unit_of_work import MemoryStore
from adapters.memory.user_lookup import MemoryUserLookup
from adapters.memory_rate_limiter import MemoryRateLimiter
from adapters.no_rate_limiter import NoRateLimiter
from adapters.postgres.database import Database
from adapters.postgres.expired_rows import PostgresExpiredRows
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from adapters.postgres.user_lookup import PostgresUserLookup
from adapters.revocations import CachedRevocationCheck, RevocationStore
from adapters.tokens.caller_cache import LruCallerCache
from adapters.tokens.challenge_signer import ItsDangerousChallengeSigner
from adapters.tokens.cookie_codec import ItsDangerousCookieCodec
from adapters.tokens.jwt_codec import JwtCodec
from adapters.tokens.link_signer import ItsDangerousLinkSigner
from adapters.tokens.pem_keys import SigningKey
from adapters.tokens.refresh_codec import ItsDangerousRefreshCodec
from adapters.uuid7 import uuid7
from application.administration.admin_revoke_sessions import AdminRevokeSessions
from application.administration.authorize_admin import AuthorizeAdmin
from application.administration.change_user import ChangeUser
from application.administration.create_user import CreateUser
from application.administration.delete_user import DeleteUser
from application.administration.grant_role import GrantRole
from application.administration.import_users import ImportUsers
from application.administration.list_events import ListEvents
from application.administration.list_users import ListUsers
from application.administration.manage_user import ManageUser
from application.administration.operator_list_sessions import OperatorListSessions
from application.administration.operator_revoke_session import OperatorRevokeSession
from application.administration.operator_revoke_sessions import OperatorRevokeSessions
from application.administration.show_user import ShowUser
from application.audit import Audit
from application.clients.add_client import AddClient
from application.clients.authenticate_client import AuthenticateClient
from application.clients.introspect import Introspect
from application.clients.list_clients import ListClients
from application.clients.remove_client import RemoveClient
from application.clients.revoke import Revoke
from application.credentials.change_password import ChangePassword
from application.credentials.check_password import CheckPassword
from application.credentials.request_link import RequestLink
from application.credentials.reset_password import ResetPassword
from application.factors.add_passkey import AddPasskey, PasskeyOptions
from application.factors.add_totp import AddTotp, TotpOptions
from application.factors.challenges import Challenges
from application.factors.change_factor import RemoveFactor, RenameFactor, ReplaceRecoveryCodes
from application.factors.check_factor import CheckFactor
from application.factors.enrolment import Enrolment
from application.factors.list_factors import ListFactors
from application.factors.operate import OpenEnrolment, OperatorListFactors, ReencryptSecrets
from application.factors.require_fresh import LockCaller, RequireFresh
from application.factors.reset_factors import OperatorResetFactors, RemoveAllFactors, ResetFactors
from application.factors.step_up import StepUp, StepUpOptions
from application.factors.undo_points import UndoPoints
from application.invitations.accept_invitation import AcceptInvitation
from application.invitations.inspect_invitation import InspectInvitation
from application.invitations.invite import Invite
from application.invitations.list_invitations import ListInvitations
from application.invitations.revoke_invitation import RevokeInvitation
from application.invitations.show_invitation import ShowInvitation
from application.mail.deliver_mail import DeliverMail
from application.mail.limit_mail import LimitMail
from application.mail.list_parked_mails import ListParkedMails
from application.mail.mail_queue import MailQueue
from application.mail.redrive_mail import RedriveMail
from application.maintenance.purge_expired import PurgeExpired
from application.ports import ExpiredRows, RateLimiter, UserLookup
from application.profile.change_email import ChangeEmail
from application.profile.change_locale import ChangeLocale
from application.profile.change_username import ChangeUsername
from application.profile.confirm_email import ConfirmEmail
from application.profile.delete_me import DeleteMe
from application.profile.export_me import ExportMe
from application.profile.follow_email_link import FollowEmailLink
from application.profile.restore_email import RestoreEmail
from application.profile.show_me import ShowMe
from application.registration.register import Register
from application.registration.verify import Verify
from application.repositories import Renewals
from application.sessions.authenticate import Authenticate
from application.sessions.authenticate_cookie import AuthenticateCookie
from application.sessions.issue_cookie import IssueCookie, SignedIn
from application.sessions.issue_session_token import IssueSessionToken
from application.sessions.issue_tokens import IssueTokens
from application.sessions.list_sessions import ListSessions
from application.sessions.login import Login
from application.sessions.login_with_factor import LoginWithFactor
from application.sessions.login_with_passkey import LoginWithPasskey, PasskeyLoginOptions
from application.sessions.logout import Logout
from application.sessions.logout_everywhere import LogoutEverywhere
from application.sessions.open_session import OpenSession
from application.sessions.refresh import Refresh
from application.sessions.resume_session import ResumeSession
from application.sessions.revoke_own_session import RevokeOwnSession
from domain.invitation import RegistrationMode
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from domain.password import PasswordPolicy
from domain.role import Role
from domain.session import Lifetimes
from domain.tokens import AccessToken, TokenPair
from domain.user import User
from tests.support.forging import fixed
from tests.support.translations import TRANSLATIONS

T = TypeVar("T")

PASSWORD = "a perfectly fine passphrase"
OTHER_PASSWORD = "another quite fine passphrase"
_COMPOSER = JinjaComposer("https://accounts.example.org", translations=TRANSLATIONS)
"""Shared, because it compiles the templates."""
_KEY = SigningKey.of(Ed25519PrivateKey.generate())
_TOKEN = re.compile(r"token=([A-Za-z0-9._~-]+)")


class StoppedClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.tick = timedelta(0)
        """How far each call moves the clock, as in a process."""

    def __call__(self) -> datetime:
        self.now += self.tick
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class _UseCases:
    """Builds a use case from the attributes of `scope` with the names of its fields, as the container does."""

    def __init__(self, scope: Mapping[str, object]) -> None:
        self._scope = scope

    def __call__(self, cls: type[T], /, **exceptions: object) -> T:
        make: Any = cls
        named = {field.name: self._scope[field.name] for field in fields(make) if field.name in self._scope}
        made: T = make(**named | exceptions)
        return made


class World:
    """`limited` is False where nothing is ever too often. With a `database`, everything is kept in PostgreSQL, and
    `store` stays empty."""

    def __init__(self, *, limited: bool = True, database: Database | None = None) -> None:
        self.clock = clock = StoppedClock()
        self.nudged: list[UUID] = []
        self.blocklist = MemoryBlocklist()
        self.store = MemoryStore(blocklist=self.blocklist, nudge=self.nudged.extend, clock=clock)
        self.revocation_store = MemoryRevocationStore(self.store)
        store: MemoryStore | PostgresStore = self.store
        self.renewals: Renewals = MemoryRenewals(self.store)
        self.user_lookup: UserLookup = MemoryUserLookup(self.store)
        self.expired_rows: ExpiredRows = MemoryExpiredRows(self.store)
        revocations: RevocationStore = self.revocation_store
        if database is not None:
            store = PostgresStore(database, blocklist=self.blocklist, nudge=self.nudged.extend)
            self.renewals, self.user_lookup = PostgresRenewals(database), PostgresUserLookup(database)
            self.expired_rows, revocations = PostgresExpiredRows(database), PostgresRevocationStore(database)
        self.revocations = CachedRevocationCheck(self.blocklist, revocations)
        self.begin, self.autocommit = store.begin, store.autocommit
        self.new_id = uuid7
        self.new_secret = lambda: f"secret of {uuid7()}"
        self.hasher = MemoryHasher()
        self.rate_limiter: RateLimiter = MemoryRateLimiter(clock=clock) if limited else NoRateLimiter()
        self.mailer = MemoryMailer()
        self.lifetimes = Lifetimes()
        self.policy = PasswordPolicy(common=lambda word: word in {"password", "dragon"})
        secret = b"0123456789abcdef0123456789abcdef"
        self.links = ItsDangerousLinkSigner(secrets=[secret])
        self.refresh_codec = ItsDangerousRefreshCodec(secrets=[secret])
        self.access_codec = JwtCodec(
            keys=fixed([_KEY]), issuer="https://accounts.example.org", clock=clock, horizon=self.lifetimes.access
        )
        self.challenge_signer = ItsDangerousChallengeSigner(secrets=[secret])
        self.passkeys = WebauthnPasskeys(
            rp_id="example.org", rp_name="Latchkey", origins=["https://accounts.example.org"]
        )
        self.one_time_passwords = PyotpCodes(issuer="Latchkey")
        self.encryption_keys = [b"e" * 64]
        self.secret_box = AesGcmBox(lambda: self.encryption_keys)
        self.step_up_ttl = timedelta(minutes=5)
        self.new_bytes = os.urandom
        self.registration = RegistrationMode.OPEN
        self.composer = _COMPOSER
        self.translations = TRANSLATIONS
        self.reports: list[tuple[UUID, DeliveryOutcome | None, str]] = []
        self.server_refusals = 0
        use_case = _UseCases(vars(self))
        self.audit = use_case(Audit)
        self.mail = use_case(MailQueue)
        self.manage = use_case(ManageUser)
        self.check = use_case(CheckPassword)
        self.undo_points = use_case(UndoPoints)
        self.challenges = use_case(Challenges)
        self.check_factor = use_case(CheckFactor)
        self.open_session = use_case(OpenSession)
        self.require_fresh = use_case(RequireFresh)
        self.lock_caller = use_case(LockCaller)
        self.authorize_admin = use_case(AuthorizeAdmin)
        self.enrolment = use_case(Enrolment)
        self.remove_all_factors = use_case(RemoveAllFactors)
        self.issue = use_case(IssueTokens)
        self.register = use_case(Register)
        self.verify = use_case(Verify)
        self.inspect_invitation = use_case(InspectInvitation)
        self.accept_invitation = use_case(AcceptInvitation)
        self.invite = use_case(Invite)
        self.list_invitations = use_case(ListInvitations)
        self.show_invitation = use_case(ShowInvitation)
        self.revoke_invitation = use_case(RevokeInvitation)
        self.limit_mail = use_case(LimitMail)
        self.request_verification = use_case(RequestLink, kind=MailKind.VERIFY)
        self.request_reset = use_case(RequestLink, kind=MailKind.RESET)
        self.login: Login[TokenPair] = use_case(Login)
        self.login_with_factor: LoginWithFactor[TokenPair] = use_case(LoginWithFactor)
        self.passkey_login_options = use_case(PasskeyLoginOptions, local_rate_limiter=self.rate_limiter)
        self.login_with_passkey: LoginWithPasskey[TokenPair] = use_case(LoginWithPasskey)
        self.cookie_codec = ItsDangerousCookieCodec(secrets=[secret])
        self.caller_cache = LruCallerCache()
        in_browser: Any = {
            "issue": use_case(IssueCookie),
            "open_session": use_case(OpenSession, session_secret=os.urandom),
        }
        self.sign_in: Login[SignedIn] = use_case(Login, **in_browser)
        self.sign_in_with_passkey: LoginWithPasskey[SignedIn] = use_case(LoginWithPasskey, **in_browser)
        self.list_factors = use_case(ListFactors)
        self.passkey_options = use_case(PasskeyOptions)
        self.add_passkey = use_case(AddPasskey)
        self.totp_options = use_case(TotpOptions)
        self.add_totp = use_case(AddTotp)
        self.rename_factor = use_case(RenameFactor)
        self.remove_factor = use_case(RemoveFactor)
        self.replace_recovery_codes = use_case(ReplaceRecoveryCodes)
        self.step_up_options = use_case(StepUpOptions)
        self.step_up = use_case(StepUp)
        self.reset_factors = use_case(ResetFactors)
        self.operator_reset_factors = use_case(OperatorResetFactors)
        self.operator_list_factors = use_case(OperatorListFactors)
        self.reencrypt_secrets = use_case(ReencryptSecrets)
        self.open_enrolment = use_case(OpenEnrolment)
        self.refresh = use_case(Refresh, local_rate_limiter=self.rate_limiter)
        self.logout = use_case(Logout)
        self.logout_everywhere = use_case(LogoutEverywhere)
        self.list_sessions = use_case(ListSessions)
        self.revoke_own_session = use_case(RevokeOwnSession)
        self.authenticate = use_case(Authenticate)
        self.resume_session = use_case(ResumeSession)
        self.authenticate_cookie = use_case(AuthenticateCookie)
        self.issue_session_token = use_case(IssueSessionToken)
        self.show_me = use_case(ShowMe)
        self.change_username = use_case(ChangeUsername)
        self.change_locale = use_case(ChangeLocale)
        self.reset_password = use_case(ResetPassword)
        self.change_password: ChangePassword[TokenPair] = use_case(ChangePassword)
        self.change_email = use_case(ChangeEmail)
        self.confirm_email = use_case(ConfirmEmail)
        self.restore_email = use_case(RestoreEmail)
        self.follow_email_link = use_case(FollowEmailLink, confirm=self.confirm_email, restore=self.restore_email)
        self.delete_me = use_case(DeleteMe)
        self.export_me = use_case(ExportMe)
        self.operator_list_sessions = use_case(OperatorListSessions)
        self.operator_revoke_sessions = use_case(OperatorRevokeSessions)
        self.operator_revoke_session = use_case(OperatorRevokeSession)
        self.list_users = use_case(ListUsers)
        self.list_events = use_case(ListEvents)
        self.show_user = use_case(ShowUser)
        self.change_user = use_case(ChangeUser)
        self.admin_revoke_sessions = use_case(AdminRevokeSessions)
        self.delete_user = use_case(DeleteUser)
        self.create_user = use_case(CreateUser)
        self.import_users = use_case(ImportUsers)
        self.grant_role = use_case(GrantRole)
        self.deliver_mail = use_case(DeliverMail, report=self._report)
        self.purge_expired = use_case(PurgeExpired)
        self.list_parked_mails = use_case(ListParkedMails)
        self.redrive_mail = use_case(RedriveMail)
        self.add_client = use_case(AddClient)
        self.list_clients = use_case(ListClients)
        self.remove_client = use_case(RemoveClient)
        self.authenticate_client = use_case(AuthenticateClient)
        self.introspect = use_case(Introspect)
        self.revoke = use_case(Revoke)

    def _report(
        self, mail: OutboxMail, outcome: DeliveryOutcome | None, note: str, *, server_refuses: bool = False
    ) -> None:
        self.reports.append((mail.id, outcome, note))
        self.server_refusals += server_refuses

    async def user(
        self, email: str = "alice@example.org", *, role: Role = Role.MEMBER, username: str | None = None
    ) -> User:
        """A verified user with PASSWORD."""
        made = await self.create_user(email=email, role=role, verified=True, password=PASSWORD, username=username)
        assert made is not None
        return made

    async def log_in(self, email: str = "alice@example.org", password: str = PASSWORD) -> TokenPair:
        return await self.login(login=email, password=password)

    async def caller(self, email: str = "alice@example.org") -> AccessToken:
        return await self.authenticate((await self.log_in(email)).access_token)

    async def mailed_token(self, email: str) -> str:
        """Deliver the queued mails, and return the token in the newest mail to that address."""
        await self.deliver_mail(limit=100)
        letter = [letter for letter in self.mailer.letters if letter.recipient == email][-1]
        match = _TOKEN.search(letter.text)
        assert match is not None, letter.text
        return match[1]
