"""The rate limit buckets of each action."""

from uuid import UUID

from domain.challenge import Challenge
from domain.client_info import ClientInfo
from domain.outbox import EmailLink, LinkPurpose, MailKind
from domain.rate_limits import Bucket, Limit


def login_buckets(name: str, client_info: ClientInfo) -> tuple[Bucket, ...]:
    """The buckets of wrong passwords from this network. Of a name, the first 254 characters count."""
    return Bucket(Limit.LOGIN, (_named(name), client_info.network)), Bucket(
        Limit.LOGIN_NETWORK, (client_info.network,)
    )


def account_bucket(name: str) -> Bucket:
    return Bucket(Limit.LOGIN_ACCOUNT, (_named(name),))


def known_network_bucket(name: str) -> Bucket:
    return Bucket(Limit.LOGIN_HOME, (_named(name),))


def total_bucket(name: str, client_info: ClientInfo) -> Bucket:
    return Bucket(Limit.LOGIN_TOTAL, (_named(name), client_info.network))


def mail_buckets(kind: str, recipient: str, client_info: ClientInfo) -> tuple[Bucket, ...]:
    return (*mail_network_buckets(kind, recipient, client_info), *mail_recipient_buckets(kind, recipient))


def mail_network_buckets(kind: str, recipient: str, client_info: ClientInfo) -> tuple[Bucket, Bucket]:
    network = client_info.network
    return Bucket(Limit.MAIL, (kind, mailbox(recipient), network)), Bucket(Limit.MAIL_NETWORK, (network,))


def mail_recipient_buckets(kind: str, recipient: str) -> tuple[Bucket, Bucket]:
    """Only requests for exactly this address count in the first bucket, so a user whom it refuses has been sent the
    links of the requests before."""
    return Bucket(Limit.MAIL_RECIPIENT, (kind, recipient)), Bucket(Limit.MAIL_DAY, (mailbox(recipient),))


def mail_reserves(kind: str, recipient: str) -> tuple[Bucket | None, Bucket | None]:
    """The reserves for a recipient whose buckets are full: one for networks where the user is logged in, the other
    for all networks. None if the mail has no such reserve.

    Each address has its own reserves, because strangers can request any number of sub-addresses. A link from the
    reserve of a sub-address goes only to a user who has verified it, so that strangers cannot multiply the mails."""
    home, last = Bucket(Limit.MAIL_HOME, (recipient,)), Bucket(Limit.MAIL_LAST, (recipient,))
    if kind == MailKind.RESET:
        return home, last
    return None if is_sub_address(recipient) else home, None


def registration_reserve(address: str) -> tuple[Bucket, ...]:
    """The reserve for a registration when the daily mail limit is used up, perhaps by a stranger's requests.

    Sub-addresses have no reserve, because a mailbox has any number of them."""
    return () if is_sub_address(address) else (Bucket(Limit.MAIL_FIRST, (address,)),)


def email_change_reserve(new_email: str) -> Bucket:
    """The reserve for a change of a verified address when the daily limit of a mailbox is used up."""
    return Bucket(Limit.MAIL_CHANGE, (mailbox(new_email),))


def invitation_bucket(email: str) -> Bucket:
    """Strangers do not reach this: only moderators invite."""
    return Bucket(Limit.MAIL_INVITATION, (mailbox(email),))


def notice_bucket(recipient: str) -> Bucket:
    return Bucket(Limit.NOTICE, (mailbox(recipient),))


def link_bucket(purpose: str, client_info: ClientInfo) -> Bucket:
    return Bucket(Limit.LINK, (purpose, client_info.network))


def link_use_bucket(link: EmailLink) -> Bucket:
    return Bucket(Limit.LINK_USE, (link.purpose, str(link.subject)))


def invitation_use_bucket(invitation_id: UUID) -> Bucket:
    return Bucket(Limit.LINK_USE, (LinkPurpose.INVITE, str(invitation_id)))


def factor_buckets(user_id: UUID, client_info: ClientInfo) -> tuple[Bucket, Bucket]:
    """Strangers do not reach these: a code is asked for only after the right password."""
    return Bucket(Limit.FACTOR, (str(user_id), client_info.network)), Bucket(Limit.FACTOR_DAY, (str(user_id),))


def challenge_bucket(challenge: Challenge) -> Bucket:
    return Bucket(Limit.CHALLENGE, (challenge.digest.hex(),))


def user_bucket(limit: Limit, user_id: UUID) -> Bucket:
    return Bucket(limit, (str(user_id),))


def recovery_buckets(email: str, username: str | None, client_info: ClientInfo) -> tuple[Bucket, ...]:
    """The buckets that the use of a reset link clears. The reader of the mail is the owner: they can log in at once
    despite earlier wrong passwords, and request new links in place of the old ones, which stop working."""
    names = (email,) if username is None else (email, username)
    guesses = [
        (login_buckets(name, client_info)[0], account_bucket(name), known_network_bucket(name)) for name in names
    ]
    mails = (
        mail_network_buckets(MailKind.RESET, email, client_info)[0],
        *mail_recipient_buckets(MailKind.RESET, email),
        *filter(None, mail_reserves(MailKind.RESET, email)),
    )
    return (*(bucket for some in guesses for bucket in some), *mails)


def mailbox(address: str) -> str:
    """The address without its sub-address (RFC 5233): both reach the same mailbox."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def is_sub_address(address: str) -> bool:
    return address != mailbox(address)


def _named(name: str) -> str:
    return name.strip()[:254].lower()
