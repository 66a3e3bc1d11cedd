"""Where roles meet technology: the one place that knows which adapter plays which role."""

from dependency_injector import containers, providers

from adapters.dramatiq_queue import DramatiqNudge
from adapters.link_sealer import ItsDangerousLinkSealer
from adapters.live_keys import LiveKeys
from adapters.postgres.connecting import make_engine
from adapters.postgres.postgres_backlog import PostgresBacklog
from adapters.postgres.postgres_directory import PostgresDirectory
from adapters.postgres.postgres_floors import PostgresFloors
from adapters.postgres.postgres_leftovers import PostgresLeftovers
from adapters.postgres.postgres_renewals import PostgresRenewals
from adapters.postgres.postgres_store import PostgresStore
from adapters.redis_lost_revocations import LostRevocations
from adapters.refresh_sealer import ItsDangerousRefreshSealer
from adapters.uuid7 import uuid7
from adapters.zxcvbn_wordlist import ZxcvbnWordlist
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
from application.look_at_link import LookAtLink
from application.mails import ParkedMails, RedriveMail
from application.operate_sessions import EndAnySession, EndSessionsOf, SessionsOf
from application.operate_users import FindUsers, RemoveUser, SwitchUser
from application.refresh import Refresh
from application.register import Register
from application.rename_me import RenameMe
from application.reset_password import ResetPassword
from application.restore_email import RestoreEmail
from application.revoke import Revoke
from application.show_me import ShowMe
from application.spend_mail import SpendMail
from application.verify import Verify
from domain.mail import Kind
from domain.session import Lifetimes
from entrypoints import making
from entrypoints.health import Health, Lookout
from entrypoints.mail_log import MailLog
from entrypoints.settings import Settings


class Container(containers.DeclarativeContainer):
    """Everything is built when it is first asked for, synchronously, once. `settings` has to be given."""

    settings = providers.Dependency(instance_of=Settings)
    clock = providers.Object(making.now)
    new_id = providers.Object(uuid7)
    new_secret = providers.Object(making.new_secret)

    lifetimes = providers.ThreadSafeSingleton(
        Lifetimes,
        access=settings.provided.access_ttl,
        refresh=settings.provided.refresh_ttl,
        session=settings.provided.session_ttl,
        sessions=settings.provided.max_sessions,
    )
    common_passwords = providers.ThreadSafeSingleton(ZxcvbnWordlist)
    policy = providers.ThreadSafeSingleton(making.make_policy, settings, common_passwords)
    hasher = providers.ThreadSafeSingleton(making.make_hasher, settings)

    engine = providers.ThreadSafeSingleton(make_engine, settings.provided.database_url)
    leftovers = providers.ThreadSafeSingleton(PostgresLeftovers, engine)
    floors = providers.ThreadSafeSingleton(PostgresFloors, engine)
    blocklist = providers.ThreadSafeSingleton(making.make_blocklist, settings, floors)
    limits = providers.ThreadSafeSingleton(making.make_limits, settings, clock)
    pace = providers.ThreadSafeSingleton(making.make_pace, settings, clock)
    nudge = providers.ThreadSafeSingleton(DramatiqNudge, settings.provided.redis_url)
    store = providers.ThreadSafeSingleton(PostgresStore, engine, blocklist=blocklist, nudge=nudge)
    begin, step = store.provided.begin, store.provided.step
    directory = providers.ThreadSafeSingleton(PostgresDirectory, engine)
    renewals = providers.ThreadSafeSingleton(PostgresRenewals, engine)

    signing_keys = providers.ThreadSafeSingleton(
        LiveKeys, settings.provided.signing_keys, delay=settings.provided.key_delay, clock=clock
    )
    access_sealer = providers.ThreadSafeSingleton(making.make_access_sealer, settings, signing_keys, clock)
    refresh_sealer = providers.ThreadSafeSingleton(ItsDangerousRefreshSealer, secrets=settings.provided.secret_keys)
    link_sealer = providers.ThreadSafeSingleton(ItsDangerousLinkSealer, secrets=settings.provided.secret_keys)
    composer = providers.ThreadSafeSingleton(making.make_composer, settings)
    mailer = providers.ThreadSafeSingleton(making.make_mailer, settings)

    issue = providers.Factory(
        IssueTokens, access=access_sealer, refresh=refresh_sealer, lifetimes=lifetimes, clock=clock
    )
    check = providers.Factory(
        CheckPassword, begin=begin, directory=directory, hasher=hasher, limits=limits, clock=clock
    )
    register = providers.Factory(
        Register, begin=begin, hasher=hasher, limits=limits, policy=policy, clock=clock, new_id=new_id
    )
    verify = providers.Factory(Verify, begin=begin, links=link_sealer, limits=limits, clock=clock, new_id=new_id)
    spend_mail = providers.Factory(SpendMail, begin=begin, limits=limits, clock=clock)
    ask_for_verification = providers.Factory(
        AskForLink, begin=begin, spend=spend_mail, clock=clock, new_id=new_id, kind=Kind.VERIFY
    )
    ask_for_reset = providers.Factory(
        AskForLink, begin=begin, spend=spend_mail, clock=clock, new_id=new_id, kind=Kind.RESET
    )
    login = providers.Factory(
        Login, begin=begin, check=check, hasher=hasher, issue=issue, lifetimes=lifetimes, clock=clock, new_id=new_id
    )
    refresh = providers.Factory(
        Refresh,
        begin=begin,
        renewals=renewals,
        sealer=refresh_sealer,
        issue=issue,
        lifetimes=lifetimes,
        limits=limits,
        pace=pace,
        clock=clock,
        new_id=new_id,
    )
    logout = providers.Factory(Logout, step=step, clock=clock, new_id=new_id)
    logout_everywhere = providers.Factory(LogoutEverywhere, begin=begin, clock=clock, new_id=new_id)
    list_sessions = providers.Factory(ListSessions, begin=begin, clock=clock)
    end_session = providers.Factory(EndSession, begin=begin, clock=clock, new_id=new_id)
    authenticate = providers.Factory(
        Authenticate, sealer=access_sealer, blocklist=blocklist, truth=floors, directory=directory
    )
    show_me = providers.Factory(ShowMe, directory=directory)
    rename_me = providers.Factory(RenameMe, begin=begin, policy=policy, clock=clock, new_id=new_id)
    reset_password = providers.Factory(
        ResetPassword,
        begin=begin,
        hasher=hasher,
        links=link_sealer,
        limits=limits,
        policy=policy,
        clock=clock,
        new_id=new_id,
    )
    change_password = providers.Factory(
        ChangePassword,
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
    change_email = providers.Factory(ChangeEmail, begin=begin, check=check, limits=limits, clock=clock, new_id=new_id)
    confirm_email = providers.Factory(ConfirmEmail, begin=begin, links=link_sealer, clock=clock, new_id=new_id)
    restore_email = providers.Factory(RestoreEmail, begin=begin, links=link_sealer, clock=clock, new_id=new_id)
    follow_email_link = providers.Factory(
        FollowEmailLink, links=link_sealer, limits=limits, confirm=confirm_email, restore=restore_email
    )
    look_at_link = providers.Factory(LookAtLink, begin=begin, links=link_sealer, clock=clock)
    delete_me = providers.Factory(DeleteMe, begin=begin, check=check, clock=clock, new_id=new_id)
    export_me = providers.Factory(ExportMe, begin=begin, clock=clock, new_id=new_id)
    sessions_of = providers.Factory(SessionsOf, begin=begin, clock=clock)
    end_sessions_of = providers.Factory(EndSessionsOf, begin=begin, clock=clock, new_id=new_id)
    end_any_session = providers.Factory(EndAnySession, begin=begin, clock=clock, new_id=new_id)
    list_users = providers.Factory(ListUsers, begin=begin)
    list_events = providers.Factory(ListEvents, begin=begin)
    show_user = providers.Factory(ShowUser, begin=begin)
    change_user = providers.Factory(ChangeUser, begin=begin, clock=clock, new_id=new_id)
    end_sessions = providers.Factory(EndSessions, begin=begin, clock=clock, new_id=new_id)
    delete_user = providers.Factory(DeleteUser, begin=begin, clock=clock, new_id=new_id)
    create_user = providers.Factory(CreateUser, begin=begin, hasher=hasher, policy=policy, clock=clock, new_id=new_id)
    import_users = providers.Factory(ImportUsers, begin=begin, hasher=hasher, clock=clock, new_id=new_id)
    grant_role = providers.Factory(GrantRole, begin=begin, clock=clock, new_id=new_id)
    find_users = providers.Factory(FindUsers, begin=begin)
    switch_user = providers.Factory(SwitchUser, begin=begin, clock=clock, new_id=new_id)
    remove_user = providers.Factory(RemoveUser, begin=begin, clock=clock, new_id=new_id)
    deliver_mail = providers.Factory(
        DeliverMail,
        begin=begin,
        step=step,
        links=link_sealer,
        composer=composer,
        mailer=mailer,
        clock=clock,
        report=providers.Object(MailLog()),
    )
    keep_house = providers.Factory(KeepHouse, leftovers=leftovers, clock=clock)
    parked_mails = providers.Factory(ParkedMails, begin=begin)
    redrive_mail = providers.Factory(RedriveMail, begin=begin, clock=clock)
    add_client = providers.Factory(AddClient, begin=begin, clock=clock, new_id=new_id, new_secret=new_secret)
    list_clients = providers.Factory(ListClients, begin=begin)
    remove_client = providers.Factory(RemoveClient, begin=begin)
    identify_client = providers.Factory(IdentifyClient, begin=begin, limits=limits)
    introspect = providers.Factory(Introspect, authenticate=authenticate, directory=directory)
    revoke = providers.Factory(
        Revoke, begin=begin, access=access_sealer, refresh=refresh_sealer, clock=clock, new_id=new_id
    )
    health = providers.Factory(Health, floors, blocklist)
    backlog = providers.ThreadSafeSingleton(PostgresBacklog, engine, clock=clock)
    lost_revocations = providers.ThreadSafeSingleton(LostRevocations, settings.provided.redis_url, floors)
    lookout = providers.Factory(Lookout, backlog, blocklist, lost=lost_revocations)


async def close(container: Container) -> None:
    """Give back what was opened."""
    container.hasher().close()
    container.nudge().close()
    await container.blocklist().close()
    await container.limits().close()
    await container.engine().dispose()
