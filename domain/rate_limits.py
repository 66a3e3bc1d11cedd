"""Rate limits: what is counted, and how often it is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from domain.challenge import MOST_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `times` within any period of length `per`."""

    times: int
    per: timedelta


class Limit(StrEnum):
    """What is counted. Addresses and usernames are counted in lower case."""

    LOGIN = "login"
    """Wrong passwords for an address or a username from a network."""
    LOGIN_NETWORK = "login_network"
    """Wrong passwords from a network, for any account."""
    LOGIN_ACCOUNT = "login_account"
    """Wrong passwords for an address or a username, from all networks together."""
    LOGIN_HOME = "login_home"
    """Wrong passwords for an address or a username, from all networks where its user is logged in."""
    LOGIN_TOTAL = "login_total"
    """Passwords, right or wrong, for an address or a username from a network."""
    MAIL = "mail"
    """Mails of one kind to a mailbox, requested by one network."""
    MAIL_NETWORK = "mail_network"
    """Mails to any mailbox, requested by one network."""
    MAIL_RECIPIENT = "mail_recipient"
    """Mails of one kind to an address, requested by any network."""
    MAIL_DAY = "mail_day"
    """Mails of any kind to a mailbox, requested by any network."""
    MAIL_HOME = "mail_home"
    """Links to an address beyond `MAIL_RECIPIENT` and `MAIL_DAY`, for networks where its user is logged in."""
    MAIL_LAST = "mail_last"
    """Reset links to an address beyond `MAIL_DAY`."""
    NOTICE = "notice"
    """Notices to a mailbox about actions that required the password."""
    MAIL_FIRST = "mail_first"
    """Registrations of an address beyond `MAIL_DAY`."""
    MAIL_CHANGE = "mail_change"
    """Changes of a verified address to a mailbox, beyond `MAIL_DAY`."""
    MAIL_INVITATION = "mail_invitation"
    """Invitations to a mailbox, from any inviter."""
    REGISTER = "register"
    """Registrations from a network."""
    LINK = "link"
    """Invalid links at one endpoint, from a network."""
    LINK_USE = "link_use"
    """Uses of genuine links of one purpose for one subject."""
    CLIENT = "client"
    """Wrong client credentials from a network."""
    FACTOR = "factor"
    """Wrong codes for a user from a network."""
    FACTOR_DAY = "factor_day"
    """Wrong codes for a user, from all networks together."""
    FACTOR_RELEASE = "factor_release"
    """Password resets that give a user new attempts at codes."""
    CHALLENGE = "challenge"
    """Answers to a challenge."""
    FACTOR_CHANGE = "factor_change"
    """Calls that add, change or remove a user's factors, or step up."""
    FACTOR_ADD = "factor_add"
    """Factors and sets of recovery codes that are added to a user, from all sessions together."""
    PASSKEY_LOGIN = "passkey_login"
    """Failed logins without a password from a network."""
    PASSKEY_OPTIONS = "passkey_options"
    """Options for logins without a password, from a network. Each process has its own count."""
    REFRESH = "refresh"
    """Refreshes of a session. Each process has its own count."""
    PASSWORD_CHANGE = "password_change"
    """Successful changes of a user's password."""
    RENAME = "rename"
    """Changes of a user's username."""
    EMAIL_CHANGE = "email_change"
    """Changes of address that a user requests."""
    EXPORT = "export"
    """Exports of a user."""
    DELETION = "deletion"
    """Attempts of a user to delete the account."""
    SESSION_END = "session_end"
    """Sessions that a user ends from one session."""
    INVITE = "invite"
    """Invitations by a moderator or an admin."""
    SESSION_TOKEN = "session_token"
    """Access tokens for scripts of a browser session."""
    ADMINISTER = "administer"
    """Changes of other users by a moderator or an admin."""


PER_USER_LIMITS = frozenset(
    {Limit.RENAME, Limit.EMAIL_CHANGE, Limit.EXPORT, Limit.DELETION, Limit.INVITE, Limit.ADMINISTER},
)
"""Counted for each calling user, before the request is handled."""

PER_SESSION_LIMITS = frozenset({Limit.SESSION_END, Limit.SESSION_TOKEN, Limit.FACTOR_CHANGE})
"""Counted for each calling session: the thief of one session must not use up the limit that the owner needs to end
it."""

_MINUTES, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

RATES: Mapping[Limit, tuple[Rate, ...]] = MappingProxyType(
    {
        # A user who mistypes needs three or four attempts.
        Limit.LOGIN: (Rate(10, 5 * _MINUTES),),
        # Enough for the typing errors of an office behind one address. Stops a list of stolen passwords after 50.
        Limit.LOGIN_NETWORK: (Rate(50, 5 * _MINUTES),),
        # NIST SP 800-63B-4, 3.2.2: at most 100 wrong passwords for an account. An account has two names, e-mail
        # address and username. A common count would reveal that they belong together, so each has 50: 30 from all
        # networks, and 20 from networks where the owner is logged in. Strangers can use up the 30 and so lock the
        # owner out of other networks, until the owner resets the password, which clears both counts.
        Limit.LOGIN_ACCOUNT: (Rate(30, _DAY),),
        Limit.LOGIN_HOME: (Rate(20, _DAY),),
        # A monitoring probe that logs in every minute needs 60. Wrong passwords stop at 50 a day, so others in the
        # network cannot use up the rest.
        Limit.LOGIN_TOTAL: (Rate(120, _HOUR),),
        # A user does not need a fourth link within an hour. More would flood the mailboxes of others.
        Limit.MAIL: (Rate(3, _HOUR), Rate(5, _DAY)),
        # A school registers 200 pupils within an hour, and some need a second mail. More would delay other mails.
        Limit.MAIL_NETWORK: (Rate(300, _HOUR), Rate(1500, _DAY)),
        # Strangers from many networks must not keep the owner from getting a link. A user who is refused here already
        # has a link from the last 20 minutes. A reset link is valid for 30, so it works for at least 10 more.
        Limit.MAIL_RECIPIENT: (Rate(6, 20 * _MINUTES),),
        # Enough for a user on a bad day, and no more than a nuisance if strangers cause them.
        Limit.MAIL_DAY: (Rate(20, _DAY),),
        # After a refusal here, the owner takes over the account of the last two hours by a reset link.
        Limit.MAIL_FIRST: (Rate(1, 2 * _HOUR),),
        # The same as MAIL.
        Limit.MAIL_HOME: (Rate(3, _HOUR), Rate(5, _DAY)),
        # When MAIL_DAY is used up, the owner still gets a reset link every 20 minutes.
        Limit.MAIL_LAST: (Rate(1, 20 * _MINUTES),),
        # Only users with a verified address can use it up, with their password.
        Limit.MAIL_CHANGE: (Rate(1, 20 * _MINUTES),),
        # The first notice tells the owner what to do. An attacker with the password could cause one with each login.
        Limit.NOTICE: (Rate(5, _HOUR), Rate(10, _DAY)),
        # An invitation is valid for a week. More would make the inviter a nuisance.
        Limit.MAIL_INVITATION: (Rate(3, _HOUR), Rate(5, _DAY)),
        # A school registers its classes from one address. Only programs need more.
        Limit.REGISTER: (Rate(200, _HOUR),),
        # Links cannot be guessed (256 bits). This stops programs that try.
        Limit.LINK: (Rate(20, 10 * _MINUTES),),
        # People try several passwords until one is accepted, and click a link more than once.
        Limit.LINK_USE: (Rate(60, _HOUR),),
        # Client secrets cannot be guessed either. A correct one is not counted, because every request carries it.
        Limit.CLIENT: (Rate(20, 10 * _MINUTES),),
        # A person mistypes a code twice. With 20 guesses a day at a million codes, three of which are valid, a guess
        # succeeds once in 45 years on average.
        Limit.FACTOR: (Rate(5, 5 * _MINUTES),),
        Limit.FACTOR_DAY: (Rate(20, _DAY),),
        # A thief of the password uses up FACTOR_DAY; a reset link takes the password away and gives the owner new
        # attempts. A thief of the mailbox must not get attempts without end.
        Limit.FACTOR_RELEASE: (Rate(1, _DAY),),
        # Longer than the challenge is valid.
        Limit.CHALLENGE: (Rate(MOST_ATTEMPTS, 10 * _MINUTES),),
        # A user sets up several devices; each step is a call.
        Limit.FACTOR_CHANGE: (Rate(60, _HOUR),),
        # Each is mailed. Enough for ten passkeys and an authenticator app, and for a second attempt at some.
        Limit.FACTOR_ADD: (Rate(20, _DAY),),
        # Signatures cannot be guessed. This stops programs that try.
        Limit.PASSKEY_LOGIN: (Rate(60, _MINUTES),),
        # The sign-in page of a company requests them at each visit, from one address.
        Limit.PASSKEY_OPTIONS: (Rate(1000, _MINUTES),),
        # One every ten minutes is usual. Browser tabs and workers of one session may refresh in parallel.
        Limit.REFRESH: (Rate(60, _MINUTES),),
        # Only an attacker who wants to lock the owner out changes a password more often.
        Limit.PASSWORD_CHANGE: (Rate(3, _HOUR), Rate(5, _DAY)),
        # A user may try many names until one is free. Each accepted one is stored as an event.
        Limit.RENAME: (Rate(20, _HOUR), Rate(40, _DAY)),
        # Includes wrong passwords and typing errors.
        Limit.EMAIL_CHANGE: (Rate(10, _HOUR), Rate(20, _DAY)),
        # An export reads all data of a user.
        Limit.EXPORT: (Rate(5, _HOUR), Rate(10, _DAY)),
        # Includes wrong passwords.
        Limit.DELETION: (Rate(10, _HOUR),),
        # More than a user's maximum number of sessions.
        Limit.SESSION_END: (Rate(200, 10 * _MINUTES),),
        # A school invites 200 pupils. A thief of a moderator's session must not send spam.
        Limit.INVITE: (Rate(200, _HOUR), Rate(500, _DAY)),
        # Each tab of a page gets one when it opens, and another every ten minutes.
        Limit.SESSION_TOKEN: (Rate(120, 10 * _MINUTES),),
        # A script deletes a thousand spam accounts in 17 minutes.
        Limit.ADMINISTER: (Rate(60, _MINUTES),),
    }
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One counter: how often `key` has used this limit."""

    limit: Limit
    key: tuple[str, ...]
