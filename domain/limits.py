"""How often is too often: every limit there is, and what stands here is what runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from domain.origin import Origin


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
    """Wrong passwords from a network, whoever is meant."""
    LOGIN_ACCOUNT = "login_account"
    """Wrong passwords for an address or a username from everywhere."""
    MAIL = "mail"
    """Mails of a kind to a recipient that a network asked for."""
    MAIL_RECIPIENT = "mail_recipient"
    """Mails of a kind to a recipient that anybody asked for."""
    REGISTER = "register"
    """Registrations from a network."""
    LINK = "link"
    """Links that were not valid, at one endpoint, from a network."""
    CLIENT = "client"
    """Client credentials that were not valid, from a network."""


_MINUTES, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

RATES: Mapping[Limit, tuple[Rate, ...]] = MappingProxyType(
    {
        # Who mistypes needs three or four attempts.
        Limit.LOGIN: (Rate(10, 5 * _MINUTES),),
        # An office behind one address mistypes too; a list of stolen passwords is stopped after fifty lines.
        Limit.LOGIN_NETWORK: (Rate(50, 5 * _MINUTES),),
        # The last stop, against many networks (NIST SP 800-63B-4, 3.2.2: no more than 100, and an account has two
        # names). It could lock the owner out, so networks where the owner is logged in are exempt, and a reset of the
        # password clears it.
        Limit.LOGIN_ACCOUNT: (Rate(50, _DAY),),
        # Nobody needs a fourth link within the hour, and a stranger's mailbox is not to be filled.
        Limit.MAIL: (Rate(3, _HOUR), Rate(5, _DAY)),
        # Strangers from many networks must not keep the owner from a link. Whoever is refused here has one already
        # that is younger than twenty minutes, and works for ten more: a link to a new password lives for thirty.
        Limit.MAIL_RECIPIENT: (Rate(6, 20 * _MINUTES),),
        # A school registers its classes from one address; a machine would do more.
        Limit.REGISTER: (Rate(200, _HOUR),),
        # Links cannot be guessed (256 bits); this keeps anybody from trying, and from costing us the trial.
        Limit.LINK: (Rate(20, 10 * _MINUTES),),
        # Likewise for the secrets of services. A right one is not counted at all: it comes with every question.
        Limit.CLIENT: (Rate(20, 10 * _MINUTES),),
    }
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One count: how often this limit was used up by whoever `key` says."""

    limit: Limit
    key: tuple[str, ...]


def login_buckets(login: str, origin: Origin) -> tuple[tuple[Bucket, Bucket], Bucket]:
    """Those of the network, and the last stop. What is too long to be a name is counted by its beginning."""
    name, network = login[:254].lower(), origin.network
    from_there = Bucket(Limit.LOGIN, (name, network)), Bucket(Limit.LOGIN_NETWORK, (network,))
    return from_there, Bucket(Limit.LOGIN_ACCOUNT, (name,))


def mail_buckets(kind: str, recipient: str, origin: Origin) -> tuple[Bucket, Bucket]:
    return Bucket(Limit.MAIL, (kind, recipient, origin.network)), Bucket(Limit.MAIL_RECIPIENT, (kind, recipient))


def link_bucket(purpose: str, origin: Origin) -> Bucket:
    return Bucket(Limit.LINK, (purpose, origin.network))
