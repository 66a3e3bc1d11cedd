"""How often is too often: every budget there is. What stands here is what runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `times` in any stretch of time that is as long as `per`."""

    times: int
    per: timedelta


class Limit(StrEnum):
    """What is counted. Names are counted as they are compared: in lower case."""

    LOGIN = "login"
    """Wrong passwords for an address or a username from a network."""
    LOGIN_NETWORK = "login_network"
    """Wrong passwords from a network, for any account."""
    LOGIN_ACCOUNT = "login_account"
    """Wrong passwords for an address or a username from everywhere."""
    LOGIN_HOME = "login_home"
    """Wrong passwords for an address or a username from networks where its user is logged in."""
    LOGIN_TOTAL = "login_total"
    """Passwords, right or wrong, for an address or a username from a network."""
    MAIL = "mail"
    """Mails of a kind to a mailbox that a network asked for."""
    MAIL_NETWORK = "mail_network"
    """Mails that a network asked for, to whatever mailboxes."""
    MAIL_RECIPIENT = "mail_recipient"
    """Mails of a kind to a mailbox, whichever network asked for them."""
    MAIL_DAY = "mail_day"
    """Mails of all kinds to a mailbox, whichever network asked for them."""
    MAIL_HOME = "mail_home"
    """Links to a mailbox, beyond the last two, for networks where its user is logged in."""
    MAIL_LAST = "mail_last"
    """Links to a new password to a mailbox, beyond those of the day."""
    NOTICE = "notice"
    """Notices to a mailbox about actions that required the password."""
    MAIL_FIRST = "mail_first"
    """Registrations of an address, beyond the mails of the day."""
    REGISTER = "register"
    """Registrations from a network."""
    LINK = "link"
    """Links that were not valid, at one endpoint, from a network."""
    LINK_USE = "link_use"
    """Uses of genuine links of one purpose for one subject."""
    CLIENT = "client"
    """Client credentials that were not valid, from a network."""
    REFRESH = "refresh"
    """Renewals of a session. Each process counts its own."""
    PASSWORD_CHANGE = "password_change"
    """Successful changes of a user's password."""
    RENAME = "rename"
    """Changes of a user's username."""
    EMAIL_CHANGE = "email_change"
    """Changes of address that a user asks for."""
    EXPORT = "export"
    """Exports of a user."""
    DELETION = "deletion"
    """Attempts of a user to delete the account."""
    SESSION_END = "session_end"
    """Sessions that one session ends."""
    ADMINISTER = "administer"
    """Changes of other users by a moderator or an admin."""


SPENT_BY_USER = frozenset(
    {Limit.RENAME, Limit.EMAIL_CHANGE, Limit.EXPORT, Limit.DELETION, Limit.ADMINISTER},
)
"""Counted for each user who calls, before the call is looked at."""

SPENT_BY_SESSION = frozenset({Limit.SESSION_END})
"""The same for each session. A thief of one session must not use up the limit that the owner needs to end it."""

_MINUTES, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

RATES: Mapping[Limit, tuple[Rate, ...]] = MappingProxyType(
    {
        # Who mistypes needs three or four attempts.
        Limit.LOGIN: (Rate(10, 5 * _MINUTES),),
        # An office behind one address mistypes too; a list of stolen passwords is stopped after fifty lines.
        Limit.LOGIN_NETWORK: (Rate(50, 5 * _MINUTES),),
        # NIST SP 800-63B-4, 3.2.2: no more than 100 wrong passwords an account. An account has two names, which must
        # not be seen to belong together, so each has half: 30 from everywhere, and 20 that are kept for networks
        # where the owner is logged in. Strangers can use up the 30 and lock the owner out elsewhere, who then comes
        # in by a link: a reset of the password clears both.
        Limit.LOGIN_ACCOUNT: (Rate(30, _DAY),),
        Limit.LOGIN_HOME: (Rate(20, _DAY),),
        # A probe that logs in every minute needs 60. Wrong ones are stopped at 50 a day, so others in the network
        # cannot use up what right ones need.
        Limit.LOGIN_TOTAL: (Rate(120, _HOUR),),
        # A user does not need a fourth link within the hour, and the limit protects mailboxes of others.
        Limit.MAIL: (Rate(3, _HOUR), Rate(5, _DAY)),
        # A school registers 200 pupils within an hour, and some ask again. More would keep others waiting.
        Limit.MAIL_NETWORK: (Rate(300, _HOUR), Rate(1500, _DAY)),
        # Strangers from many networks must not keep the owner from a link. A user who is refused here has one already
        # that is younger than twenty minutes, and works for ten more: a link to a new password lives for thirty.
        Limit.MAIL_RECIPIENT: (Rate(6, 20 * _MINUTES),),
        # What people cause for themselves on a bad day, and no more than a nuisance by strangers.
        Limit.MAIL_DAY: (Rate(20, _DAY),),
        # A refusal here means that the address was registered within the last two hours. Its owner takes that account
        # over by a reset link, of which there is one in twenty minutes.
        Limit.MAIL_FIRST: (Rate(1, 2 * _HOUR),),
        # As many as a network may ask for anyway.
        Limit.MAIL_HOME: (Rate(3, _HOUR), Rate(5, _DAY)),
        # When the day's mails are used up, the promise of MAIL_RECIPIENT still holds: one link in twenty minutes.
        Limit.MAIL_LAST: (Rate(1, 20 * _MINUTES),),
        # The first tells the owner what to do; an attacker with the password could cause one with each login.
        Limit.NOTICE: (Rate(5, _HOUR), Rate(10, _DAY)),
        # A school registers its classes from one address; a machine would do more.
        Limit.REGISTER: (Rate(200, _HOUR),),
        # Links cannot be guessed (256 bits); this stops attempts.
        Limit.LINK: (Rate(20, 10 * _MINUTES),),
        # People try several passwords until one is accepted, and click a link more than once.
        Limit.LINK_USE: (Rate(60, _HOUR),),
        # Secrets of services cannot be guessed either. A right one is not counted: it comes with every question.
        Limit.CLIENT: (Rate(20, 10 * _MINUTES),),
        # Every ten minutes as a rule; tabs and workers of one session may do so side by side.
        Limit.REFRESH: (Rate(60, _MINUTES),),
        # Only an attacker who wants to lock the owner out changes a password more often.
        Limit.PASSWORD_CHANGE: (Rate(3, _HOUR), Rate(5, _DAY)),
        # A user may try many names until one is free. Each accepted one is stored as an event.
        Limit.RENAME: (Rate(20, _HOUR), Rate(40, _DAY)),
        # Wrong passwords and typing errors included.
        Limit.EMAIL_CHANGE: (Rate(10, _HOUR), Rate(20, _DAY)),
        # An export reads everything there is about a user.
        Limit.EXPORT: (Rate(5, _HOUR), Rate(10, _DAY)),
        # Wrong passwords included.
        Limit.DELETION: (Rate(10, _HOUR),),
        # More than the sessions that a user may have.
        Limit.SESSION_END: (Rate(200, 10 * _MINUTES),),
        # A script that removes a thousand accounts of spammers takes a quarter of an hour.
        Limit.ADMINISTER: (Rate(60, _MINUTES),),
    }
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One counter: how often `key` has used this limit."""

    limit: Limit
    key: tuple[str, ...]
