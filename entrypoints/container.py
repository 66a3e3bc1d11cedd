"""The composition root: wires the use cases to the adapters."""

from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from dependency_injector import providers

from application.administration.admin_revoke_sessions import AdminRevokeSessions
from application.administration.authorize_admin import AuthorizeAdmin
from application.administration.change_user import ChangeUser
from application.administration.create_user import CreateUser
from application.administration.delete_user import DeleteUser
from application.administration.find_users import FindUsers
from application.administration.grant_role import GrantRole
from application.administration.import_users import ImportUsers
from application.administration.list_events import ListEvents
from application.administration.list_users import ListUsers
from application.administration.manage_user import ManageUser
from application.administration.operator_delete_user import OperatorDeleteUser
from application.administration.operator_list_sessions import OperatorListSessions
from application.administration.operator_revoke_session import OperatorRevokeSession
from application.administration.operator_revoke_sessions import OperatorRevokeSessions
from application.administration.set_user_disabled import SetUserDisabled
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
from application.credentials.inspect_link import InspectLink
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
from application.sessions.authenticate import Authenticate
from application.sessions.authenticate_cookie import AuthenticateCookie
from application.sessions.issue_cookie import IssueCookie
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
from domain.outbox import MailKind
from entrypoints.adapters import Adapters
from entrypoints.observability.mail_log import MailLog

UseCase = providers.ThreadSafeSingleton[Any]


def _wiring(scope: Mapping[str, Any]) -> Callable[..., UseCase]:
    """Wires a use case by the names of its fields from the providers in `scope`. Only exceptions are written out."""

    def use_case(cls: type[Any], /, **exceptions: object) -> UseCase:
        named = {field.name: scope[field.name] for field in fields(cls) if field.name in scope}
        return providers.ThreadSafeSingleton(cls, **named | exceptions)

    return use_case


class Container(Adapters):
    """The use cases, on top of the adapters."""

    use_case = _wiring(ChainMap(locals(), Adapters.providers))
    audit = use_case(Audit)
    mail = use_case(MailQueue)
    manage = use_case(ManageUser)
    issue = use_case(IssueTokens)
    check = use_case(CheckPassword)
    undo_points = use_case(UndoPoints)
    challenges = use_case(Challenges)
    check_factor = use_case(CheckFactor)
    open_session = use_case(OpenSession)
    require_fresh = use_case(RequireFresh)
    lock_caller = use_case(LockCaller)
    authorize_admin = use_case(AuthorizeAdmin)
    enrolment = use_case(Enrolment)
    remove_all_factors = use_case(RemoveAllFactors)
    register = use_case(Register)
    verify = use_case(Verify)
    inspect_invitation = use_case(InspectInvitation)
    accept_invitation = use_case(AcceptInvitation)
    invite = use_case(Invite)
    list_invitations = use_case(ListInvitations)
    show_invitation = use_case(ShowInvitation)
    revoke_invitation = use_case(RevokeInvitation)
    limit_mail = use_case(LimitMail)
    request_verification = use_case(RequestLink, kind=MailKind.VERIFY)
    request_reset = use_case(RequestLink, kind=MailKind.RESET)
    login = use_case(Login)
    login_with_factor = use_case(LoginWithFactor)
    passkey_login_options = use_case(PasskeyLoginOptions)
    login_with_passkey = use_case(LoginWithPasskey)
    issue_cookie = use_case(IssueCookie)
    open_browser_session = use_case(OpenSession, session_secret=Adapters.new_bytes)
    sign_in = use_case(Login, open_session=open_browser_session, issue=issue_cookie)
    sign_in_with_factor = use_case(LoginWithFactor, open_session=open_browser_session, issue=issue_cookie)
    sign_in_with_passkey = use_case(LoginWithPasskey, open_session=open_browser_session, issue=issue_cookie)
    list_factors = use_case(ListFactors)
    passkey_options = use_case(PasskeyOptions)
    add_passkey = use_case(AddPasskey)
    totp_options = use_case(TotpOptions)
    add_totp = use_case(AddTotp)
    rename_factor = use_case(RenameFactor)
    remove_factor = use_case(RemoveFactor)
    replace_recovery_codes = use_case(ReplaceRecoveryCodes)
    step_up_options = use_case(StepUpOptions)
    step_up = use_case(StepUp)
    reset_factors = use_case(ResetFactors)
    operator_reset_factors = use_case(OperatorResetFactors)
    operator_list_factors = use_case(OperatorListFactors)
    reencrypt_secrets = use_case(ReencryptSecrets)
    open_enrolment = use_case(OpenEnrolment)
    refresh = use_case(Refresh)
    logout = use_case(Logout)
    logout_everywhere = use_case(LogoutEverywhere)
    list_sessions = use_case(ListSessions)
    revoke_own_session = use_case(RevokeOwnSession)
    authenticate = use_case(Authenticate)
    resume_session = use_case(ResumeSession)
    authenticate_cookie = use_case(AuthenticateCookie)
    issue_session_token = use_case(IssueSessionToken)
    show_me = use_case(ShowMe)
    change_username = use_case(ChangeUsername)
    change_locale = use_case(ChangeLocale)
    reset_password = use_case(ResetPassword)
    change_password = use_case(ChangePassword)
    change_password_in_browser = use_case(ChangePassword, session_secret=Adapters.new_bytes, issue=issue_cookie)
    change_email = use_case(ChangeEmail)
    confirm_email = use_case(ConfirmEmail)
    restore_email = use_case(RestoreEmail)
    follow_email_link = use_case(FollowEmailLink, confirm=confirm_email, restore=restore_email)
    inspect_link = use_case(InspectLink)
    delete_me = use_case(DeleteMe)
    export_me = use_case(ExportMe)
    operator_list_sessions = use_case(OperatorListSessions)
    operator_revoke_sessions = use_case(OperatorRevokeSessions)
    operator_revoke_session = use_case(OperatorRevokeSession)
    list_users = use_case(ListUsers)
    list_events = use_case(ListEvents)
    show_user = use_case(ShowUser)
    change_user = use_case(ChangeUser)
    admin_revoke_sessions = use_case(AdminRevokeSessions)
    delete_user = use_case(DeleteUser)
    create_user = use_case(CreateUser)
    import_users = use_case(ImportUsers)
    grant_role = use_case(GrantRole)
    find_users = use_case(FindUsers)
    set_user_disabled = use_case(SetUserDisabled)
    operator_delete_user = use_case(OperatorDeleteUser)
    deliver_mail = use_case(DeliverMail, report=providers.Object(MailLog()))
    purge_expired = use_case(PurgeExpired)
    list_parked_mails = use_case(ListParkedMails)
    redrive_mail = use_case(RedriveMail)
    add_client = use_case(AddClient)
    list_clients = use_case(ListClients)
    remove_client = use_case(RemoveClient)
    authenticate_client = use_case(AuthenticateClient)
    introspect = use_case(Introspect)
    revoke = use_case(Revoke)
    del use_case


async def close(container: Container) -> None:
    """Close everything that was opened."""
    container.hasher().close()
    container.nudge().close()
    await container.blocklist().close()
    await container.rate_limiter().close()
    await container.database().close()
