"""The whole house in memory: a stopped clock, the use cases built by hand, and a postman who keeps the letters."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.mail.jinja_composer import JinjaComposer
from adapters.memory.memory_directory import MemoryDirectory
from adapters.memory.memory_hasher import MemoryHasher
from adapters.memory.memory_leftovers import MemoryLeftovers
from adapters.memory.memory_mailer import MemoryMailer
from adapters.memory.memory_renewals import MemoryRenewals
from adapters.memory.memory_store import MemoryStore
from adapters.memory.revocations import MemoryBlocklist, MemoryRevocationStore
from adapters.memory_rate_limiter import MemoryRateLimiter
from adapters.no_limits import NoLimits
from adapters.postgres.database import Database
from adapters.postgres.postgres_directory import PostgresDirectory
from adapters.postgres.postgres_leftovers import PostgresLeftovers
from adapters.postgres.postgres_renewals import PostgresRenewals
from adapters.postgres.postgres_store import PostgresStore
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.revocations import CachedRevocationCheck, RevocationStore
from adapters.tokens.jwt_codec import JwtCodec
from adapters.tokens.link_signer import ItsDangerousLinkSigner
from adapters.tokens.pem_keys import SigningKey
from adapters.tokens.refresh_codec import ItsDangerousRefreshCodec
from adapters.uuid7 import uuid7
from application.administer import ChangeUser, DeleteUser, EndSessions
from application.ask_for_link import AskForLink
from application.authenticate import Authenticate
from application.change_email import ChangeEmail
from application.change_password import ChangePassword
from application.check_password import CheckPassword
from application.clients import AddClient, ListClients, RemoveClient
from application.confirm_email import ConfirmEmail
from application.create_user import CreateUser, GrantRole
from application.delete_me import DeleteMe
from application.deliver_mail import DeliverMail
from application.export_me import ExportMe
from application.follow_email_link import FollowEmailLink
from application.identify_client import IdentifyClient
from application.import_users import ImportUsers
from application.introspect import Introspect
from application.issue_tokens import IssueTokens
from application.keep_house import KeepHouse
from application.list_sessions import ListSessions
from application.list_users import ListEvents, ListUsers, ShowUser
from application.login import Login
from application.logout import EndSession, Logout, LogoutEverywhere
from application.mails import ParkedMails, RedriveMail
from application.operate_sessions import EndAnySession, EndSessionsOf, SessionsOf
from application.ports import Directory, Leftovers, Limits
from application.refresh import Refresh
from application.register import Register
from application.rename_me import RenameMe
from application.reset_password import ResetPassword
from application.restore_email import RestoreEmail
from application.revoke import Revoke
from application.show_me import ShowMe
from application.spend_mail import SpendMail
from application.store import Renewals
from application.verify import Verify
from domain.mail import Kind, Mail, Outcome
from domain.password import PasswordPolicy
from domain.role import Role
from domain.session import Lifetimes
from domain.token import AccessToken, TokenPair
from domain.user import User
from tests.contracts.forging import fixed

PASSWORD = "a perfectly fine passphrase"
OTHER_PASSWORD = "another quite fine passphrase"
_KEY = SigningKey.of(Ed25519PrivateKey.generate())
_TOKEN = re.compile(r"token=([A-Za-z0-9._~-]+)")


class StoppedClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


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
        renewals: Renewals = MemoryRenewals(self.store)
        directory: Directory = MemoryDirectory(self.store)
        leftovers: Leftovers = MemoryLeftovers(self.store)
        revocations: RevocationStore = self.revocation_store
        if database is not None:
            store = PostgresStore(database, blocklist=self.blocklist, nudge=self.nudged.extend)
            renewals, directory = PostgresRenewals(database), PostgresDirectory(database)
            leftovers, revocations = PostgresLeftovers(database), PostgresRevocationStore(database)
        self.hasher = hasher = MemoryHasher()
        self.limits = MemoryRateLimiter(clock=clock)
        limits: Limits = self.limits if limited else NoLimits()
        self.mailer = MemoryMailer()
        self.lifetimes = lifetimes = Lifetimes()
        self.policy = policy = PasswordPolicy(common=lambda word: word in {"password", "dragon"})
        secret = b"0123456789abcdef0123456789abcdef"
        self.links = links = ItsDangerousLinkSigner(secrets=[secret])
        self.refresh_codec = refresh_codec = ItsDangerousRefreshCodec(secrets=[secret])
        self.access_codec = access_codec = JwtCodec(
            keys=fixed([_KEY]),
            issuer="https://accounts.example.org",
            clock=clock,
            horizon=lifetimes.access,
        )
        begin = self.begin = store.begin
        new_id = uuid7
        self.composer = composer = JinjaComposer("https://accounts.example.org")
        self.check = check = CheckPassword(
            begin=begin, directory=directory, hasher=hasher, limits=limits, clock=clock
        )
        issue = IssueTokens(access_codec=access_codec, refresh_codec=refresh_codec, lifetimes=lifetimes, clock=clock)

        self.register = Register(begin=begin, hasher=hasher, limits=limits, policy=policy, clock=clock, new_id=new_id)
        self.verify = Verify(begin=begin, links=links, limits=limits, clock=clock, new_id=new_id)
        spend = SpendMail(begin=begin, limits=limits, clock=clock)
        self.ask_for_verification = AskForLink(begin=begin, spend=spend, clock=clock, new_id=new_id, kind=Kind.VERIFY)
        self.ask_for_reset = AskForLink(begin=begin, spend=spend, clock=clock, new_id=new_id, kind=Kind.RESET)
        self.login = Login(
            begin=begin,
            check=check,
            hasher=hasher,
            issue=issue,
            lifetimes=lifetimes,
            clock=clock,
            new_id=new_id,
        )
        self.refresh = Refresh(
            begin=begin,
            renewals=renewals,
            refresh_codec=refresh_codec,
            issue=issue,
            lifetimes=lifetimes,
            limits=limits,
            pace=limits,
            clock=clock,
            new_id=new_id,
        )
        self.logout = Logout(step=store.step, clock=clock, new_id=new_id)
        self.logout_everywhere = LogoutEverywhere(begin=begin, clock=clock, new_id=new_id)
        self.list_sessions = ListSessions(begin=begin, clock=clock)
        self.end_session = EndSession(begin=begin, clock=clock, new_id=new_id)
        self.authenticate = Authenticate(
            access_codec=access_codec,
            revocations=CachedRevocationCheck(self.blocklist, revocations),
            directory=directory,
        )
        self.show_me = ShowMe(directory=directory)
        self.rename_me = RenameMe(begin=begin, policy=policy, clock=clock, new_id=new_id)
        self.reset_password = ResetPassword(
            begin=begin, hasher=hasher, links=links, limits=limits, policy=policy, clock=clock, new_id=new_id
        )
        self.change_password = ChangePassword(
            begin=begin,
            check=check,
            limits=limits,
            hasher=hasher,
            policy=policy,
            issue=issue,
            lifetimes=lifetimes,
            clock=clock,
            new_id=new_id,
        )
        self.change_email = ChangeEmail(begin=begin, check=check, limits=limits, clock=clock, new_id=new_id)
        self.confirm_email = ConfirmEmail(begin=begin, links=links, clock=clock, new_id=new_id)
        self.restore_email = RestoreEmail(begin=begin, links=links, clock=clock, new_id=new_id)
        self.follow_email_link = FollowEmailLink(
            links=links, limits=limits, confirm=self.confirm_email, restore=self.restore_email
        )
        self.delete_me = DeleteMe(begin=begin, check=check, clock=clock, new_id=new_id)
        self.export_me = ExportMe(begin=begin, clock=clock, new_id=new_id)
        self.sessions_of = SessionsOf(begin=begin, clock=clock)
        self.end_sessions_of = EndSessionsOf(begin=begin, clock=clock, new_id=new_id)
        self.end_any_session = EndAnySession(begin=begin, clock=clock, new_id=new_id)
        self.list_users = ListUsers(begin=begin)
        self.list_events = ListEvents(begin=begin)
        self.show_user = ShowUser(begin=begin)
        self.change_user = ChangeUser(begin=begin, clock=clock, new_id=new_id)
        self.end_sessions = EndSessions(begin=begin, clock=clock, new_id=new_id)
        self.delete_user = DeleteUser(begin=begin, clock=clock, new_id=new_id)
        self.create_user = CreateUser(begin=begin, hasher=hasher, policy=policy, clock=clock, new_id=new_id)
        self.import_users = ImportUsers(begin=begin, hasher=hasher, clock=clock, new_id=new_id)
        self.grant_role = GrantRole(begin=begin, clock=clock, new_id=new_id)
        self.reports: list[tuple[UUID, Outcome | None, str]] = []
        self.server_refusals = 0
        self.deliver_mail = DeliverMail(
            begin=begin,
            step=store.step,
            links=links,
            composer=composer,
            mailer=self.mailer,
            clock=clock,
            report=self._report,
        )
        self.keep_house = KeepHouse(leftovers=leftovers, clock=clock)
        self.parked_mails = ParkedMails(begin=begin)
        self.redrive_mail = RedriveMail(begin=begin, clock=clock)
        self.add_client = AddClient(
            begin=begin, clock=clock, new_id=new_id, new_secret=lambda: f"secret of {new_id()}"
        )
        self.list_clients = ListClients(begin=begin)
        self.remove_client = RemoveClient(begin=begin)
        self.identify_client = IdentifyClient(begin=begin, limits=limits)
        self.introspect = Introspect(authenticate=self.authenticate, directory=directory)
        self.revoke = Revoke(
            begin=begin, access_codec=access_codec, refresh_codec=refresh_codec, clock=clock, new_id=new_id
        )

    def _report(self, mail: Mail, outcome: Outcome | None, note: str, *, server_refuses: bool = False) -> None:
        self.reports.append((mail.id, outcome, note))
        self.server_refusals += server_refuses

    async def user(
        self, email: str = "alice@example.org", *, role: Role = Role.MEMBER, username: str | None = None
    ) -> User:
        """A verified user with PASSWORD."""
        made = await self.create_user(email=email, role=role, verified=True, password=PASSWORD, username=username)
        assert made is not None
        return made

    async def enter(self, email: str = "alice@example.org", password: str = PASSWORD) -> TokenPair:
        return await self.login(login=email, password=password)

    async def caller(self, email: str = "alice@example.org") -> AccessToken:
        return await self.authenticate((await self.enter(email)).access_token)

    async def mailed_token(self, email: str) -> str:
        """Deliver what is owed, and take the token out of the newest letter to that address."""
        await self.deliver_mail(limit=100)
        letter = [letter for letter in self.mailer.letters if letter.recipient == email][-1]
        found = _TOKEN.search(letter.text)
        assert found is not None, letter.text
        return found[1]
