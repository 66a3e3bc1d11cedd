"""Mail templates: hostile input stays text, both bodies say the same, and nothing is loaded remotely."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import cache
from uuid import UUID

import pytest

from adapters.mail.addresses import Sender
from adapters.mail.jinja_composer import JinjaComposer
from adapters.mail.message import message_bytes
from application.mail.ports import Composer
from domain.client_info import ClientInfo
from domain.factor import ChangeKind, EarlierChange
from domain.outbox import LinkPurpose, MailKind, OutboxMail, RenderedMail
from tests.support.mail_reader import Reader
from tests.support.translations import ENGLISH, TRANSLATIONS

ORIGIN = "https://id.example.org/accounts"
SEALED = "eyJ1.c2ln-natu_re"
ASKED = datetime(2026, 11, 23, 1, 4, 5, tzinfo=UTC)
PAGES = {
    MailKind.VERIFY: "verify",
    MailKind.RESET: "reset",
    MailKind.CONFIRM_EMAIL: "email",
    MailKind.EMAIL_CHANGE_ASKED: "email",
    MailKind.EMAIL_CHANGED: "email",
    MailKind.EMAIL_RESTORED: "reset",
    MailKind.PASSWORD_NEEDED: "reset",
    MailKind.ACCOUNT_CLOSED: "email",
    MailKind.UNDO_INSTEAD: "email",
    **{kind: "email" for kind in MailKind if kind.has_undo_point},
}
COMFORT = {
    **{kind: "there is nothing to do" for kind in MailKind if kind.has_undo_point},
    MailKind.EMAIL_CHANGE_ASKED: "there is nothing to do",
    MailKind.EMAIL_CHANGED: "there is nothing to do",
    MailKind.EMAIL_RESTORED: "the old password no longer works",
    MailKind.PASSWORD_NEEDED: "It was removed",
    MailKind.ACCOUNT_CLOSED: "there is nothing to do",
    MailKind.UNDO_INSTEAD: "there is nothing to do",
}
"""What each mail says about doing nothing; another person may have requested it."""
BUTTONS = "Verify my e-mail address:|Choose a new password:|Use this address:|This was not me:"
HOSTILE = [
    '"><img src=x onerror=alert(1)>@example.com',
    "</a></p><script>alert(1)</script>@example.com",
    "{{7*7}}{% raw %}{#@example.com",
    "${7*7}#{7*7}<%= 7*7 %>%(product)s@example.com",
    "{0.__class__}{product}@example.com",
    "javascript:alert(1)//@example.com",
    "ada@example.com\r\nBcc: eve@example.com",
]


@pytest.fixture(scope="module", params=[JinjaComposer], ids=["jinja"])
def composer(request: pytest.FixtureRequest) -> Composer:
    made: Composer = request.param(ORIGIN + "/", translations=TRANSLATIONS, product="Ada & Sons")
    return made


def mail(kind: MailKind, recipient: str = "ada@example.com") -> OutboxMail:
    change_id = UUID(int=8) if kind.has_undo_point else None
    return OutboxMail.queued(kind, recipient, id=UUID(int=7), now=ASKED, change_id=change_id)


def compose(
    composer: Composer, kind: MailKind, recipient: str = "ada@example.com", link: str = SEALED
) -> RenderedMail:
    return composer.compose(mail(kind, recipient), link if kind.purpose else None)


@pytest.mark.parametrize("kind", MailKind)
def test_every_kind_of_mail_composes(composer: Composer, kind: MailKind) -> None:
    letter = compose(composer, kind)
    assert (letter.id, letter.recipient, letter.written_at) == (UUID(int=7), "ada@example.com", ASKED)
    assert "Ada & Sons" in letter.subject
    for body in (" ".join(letter.text.split()), " ".join(Reader(letter.html).words)):
        assert "ada@example.com" in body
        assert "23 November 2026 at 01:04 UTC" in body
        assert "Ada & Sons" in body
        assert "{" not in body


LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def bodies(letter: RenderedMail) -> tuple[str, str]:
    return " ".join(letter.text.split()), " ".join(Reader(letter.html).words)


@pytest.mark.parametrize("kind", MailKind)
def test_mail_shows_time_device_and_ip_address(composer: Composer, kind: MailKind) -> None:
    client_info = ClientInfo(ip="203.0.113.7", user_agent=LINUX)
    for body in bodies(
        composer.compose(replace(mail(kind), client_info=client_info), SEALED if kind.purpose else None)
    ):
        assert "23 November 2026 at 01:04 UTC" in body
        assert "Firefox on Linux" in body
        assert "203.0.113.7" in body


@pytest.mark.parametrize("agent", [*HOSTILE, "<b>Firefox/1.0</b> {{7*7}} Linux", "\u202eFirefox/ Windows"])
def test_mail_never_shows_a_raw_user_agent(composer: Composer, agent: str) -> None:
    client_info = ClientInfo(ip="203.0.113.7", user_agent=agent)
    letter = composer.compose(replace(mail(MailKind.PASSWORD_CHANGED), client_info=client_info), SEALED)
    usual = composer.compose(
        replace(mail(MailKind.PASSWORD_CHANGED), client_info=replace(client_info, user_agent=LINUX)), SEALED
    )
    assert Reader(letter.html).tags == Reader(usual.html).tags
    for body in bodies(letter):
        assert agent not in body
        assert "Device: " in body


def test_mail_says_unknown_device_only_if_there_was_a_request(composer: Composer) -> None:
    for body in bodies(
        composer.compose(replace(mail(MailKind.PASSWORD_CHANGED), client_info=ClientInfo(ip="::1")), SEALED)
    ):
        assert "Device: unknown" in body
    for body in bodies(compose(composer, MailKind.PASSWORD_CHANGED)):
        assert "Device" not in body
        assert "IP address" not in body


NAMES = [
    'Ada "&" Sons',
    "<b>Paper</b>",
    "Größe & Café ☕",
    "{product} {{7*7}} %s",
    "=?utf-8?q?x?=",
    "O'Neill, Inc.",
    "猫" * 100,
]


@cache
def composer_of(product: str) -> JinjaComposer:
    """One for all kinds of mails, because the first use of each template compiles it."""
    return JinjaComposer(ORIGIN, translations=TRANSLATIONS, product=product)


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_product_name_stays_text_in_every_mail(kind: MailKind, name: str) -> None:
    letter, usual = compose(composer_of(name), kind), compose(composer_of("Paper"), kind)
    page, plain = Reader(letter.html), Reader(usual.html)
    assert (page.tags, page.attributes, page.links) == (plain.tags, plain.attributes, plain.links)
    assert letter.subject == usual.subject.replace("Paper", name)
    assert letter.text == usual.text.replace("Paper", name)
    assert "".join(name.split()) in "".join(page.words)
    message = message_from_bytes(message_bytes(letter, Sender(name, "no-reply@example.org")), policy=policy.default)
    assert message["subject"] == letter.subject
    [address] = message["from"].addresses
    # Python's parser leaves the blanks between encoded words, which are not displayed (RFC 2047, section 6.2).
    assert "".join(address.display_name.split()) == "".join(name.split())
    assert address.addr_spec == "no-reply@example.org"


@pytest.mark.parametrize("kind", MailKind)
def test_mail_links_to_the_product(kind: MailKind) -> None:
    composer = JinjaComposer(
        ORIGIN, translations=TRANSLATIONS, product="Paper", product_url="https://app.example.org/#/home"
    )
    letter = composer.compose(mail(kind), SEALED if kind.purpose else None)
    assert "Paper: https://app.example.org/#/home" in letter.text.splitlines()
    assert Reader(letter.html).links[-1] == "https://app.example.org/#/home"


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize(
    "template",
    [
        "https://app.example.org/{purpose}?token={token}",
        "https://app.example.org/#/account/{purpose}/{token}",
        "https://app.example.org/mail?t={token}&for={purpose}",
    ],
)
def test_link_follows_the_url_template(kind: MailKind, template: str) -> None:
    assert kind.purpose is not None
    letter = JinjaComposer(ORIGIN, translations=TRANSLATIONS, link_url=template).compose(mail(kind), SEALED)
    link = template.replace("{purpose}", kind.purpose).replace("{token}", SEALED)
    assert link in letter.text.splitlines()
    assert link in Reader(letter.html).links


@pytest.mark.parametrize("kind", MailKind)
def test_composing_twice_gives_the_same_mail(composer: Composer, kind: MailKind) -> None:
    assert compose(composer, kind) == compose(composer, kind)


@pytest.mark.parametrize("kind", PAGES)
def test_both_bodies_have_the_link_and_its_lifetime(composer: Composer, kind: MailKind) -> None:
    letter = compose(composer, kind)
    link = f"{ORIGIN}/{PAGES[kind]}?token={SEALED}"
    page = Reader(letter.html)
    another = [f"{ORIGIN}/reset"] if kind in {MailKind.EMAIL_RESTORED, MailKind.PASSWORD_NEEDED} else []
    assert re.findall(r"https?://\S+", letter.text) == [link, *another]
    assert set(page.links) == {link, *another}
    assert link in page.words
    assert kind.purpose is not None
    for body in (letter.text, " ".join(page.words)):
        assert ("works until" if kind is MailKind.UNDO_INSTEAD else ENGLISH.duration(kind.purpose.lifetime)) in body
        assert COMFORT.get(kind, "nothing will happen") in body


def test_mail_about_a_delayed_reset_says_until_when(composer: Composer) -> None:
    letter = composer.compose(replace(mail(MailKind.RESET_WAITS), until=ASKED + timedelta(days=7)), None)
    for body in bodies(letter):
        assert "Until 30 November 2026 at 01:04 UTC" in body
        assert "the password stays as it is, and still works" in body
        assert f"{ORIGIN}/reset" in body
        assert "token=" not in body


def test_confirmation_mail_says_that_the_old_address_can_undo(composer: Composer) -> None:
    for body in bodies(compose(composer, MailKind.CONFIRM_EMAIL)):
        assert "The owner of the previous address can undo the change for 7 days." in body


def test_restored_account_mail_does_not_say_that_the_password_stays(composer: Composer) -> None:
    letter = compose(composer, MailKind.EMAIL_RESTORED)
    for body in (" ".join(letter.text.split()), " ".join(Reader(letter.html).words)):
        assert "ada@example.com is its e-mail address." in body
        assert "Any passkeys, authenticator app and recovery codes are those from before." in body
        assert "Someone asked" not in body
        assert "ignore this mail" not in body
        assert "stays as it is" not in body


@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind.purpose is None])
def test_a_notice_contains_no_token(composer: Composer, kind: MailKind) -> None:
    letter = compose(composer, kind)
    assert "token=" not in letter.text + letter.html
    links = set(Reader(letter.html).links)
    assert set(re.findall(r"https?://\S+", letter.text)) == links
    assert links <= {f"{ORIGIN}/reset"}


@pytest.mark.parametrize("kind", MailKind)
def test_a_missing_or_unexpected_link_is_an_error(composer: Composer, kind: MailKind) -> None:
    with pytest.raises(ValueError, match=kind):
        composer.compose(mail(kind), None if kind.purpose else SEALED)


@pytest.mark.parametrize("kind", MailKind)
def test_text_and_html_bodies_say_the_same(composer: Composer, kind: MailKind) -> None:
    letter = compose(composer, kind)
    seen = " ".join(Reader(letter.html).words)
    for sentence in re.split(r"(?<=[.:?])\s+", " ".join(letter.text.replace("--", "").split())):
        told = re.sub(rf"^(Ada & Sons|https?://\S+|{BUTTONS}) ?", "", sentence)
        assert told.removesuffix(":") in seen or "https://" in told


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_escaped(composer: Composer, kind: MailKind, hostile: str) -> None:
    letter, harmless = compose(composer, kind, hostile), compose(composer, kind)
    page, usual = Reader(letter.html), Reader(harmless.html)
    assert hostile in letter.text
    assert "".join(hostile.split()) in "".join(page.words)
    assert (page.tags, page.attributes, page.links) == (usual.tags, usual.attributes, usual.links)
    assert letter.subject == harmless.subject
    assert letter.text.replace(hostile, "ada@example.com") == harmless.text


CHANGES = {
    ChangeKind.PASSKEY_ADDED: (MailKind.FACTOR_ADDED, "A passkey was added", "A passkey was added"),
    ChangeKind.TOTP_ADDED: (
        MailKind.FACTOR_ADDED,
        "An authenticator app was added",
        "An authenticator app was added",
    ),
    ChangeKind.RECOVERY_CODES_REPLACED: (MailKind.FACTOR_ADDED, "Your recovery codes", "earlier ones no longer work"),
    ChangeKind.PASSKEY_REMOVED: (MailKind.FACTOR_REMOVED, "A passkey was removed", "A passkey was removed"),
    ChangeKind.TOTP_REMOVED: (MailKind.FACTOR_REMOVED, "An authenticator app was removed", "app was removed"),
    ChangeKind.RECOVERY_CODE_USED: (MailKind.RECOVERY_CODE_USED, "A recovery code", "It will not work again."),
    ChangeKind.FACTORS_RESET: (MailKind.FACTORS_RESET, "were removed", "An administrator removed every passkey"),
    ChangeKind.PASSWORD_CHANGED: (MailKind.PASSWORD_CHANGED, "was changed", "The password of your account"),
    ChangeKind.SESSION_STOLEN: (MailKind.SESSION_STOLEN, "was signed out", "Someone may have copied the session"),
    ChangeKind.NEW_DEVICE: (MailKind.NEW_DEVICE, "New sign-in", "from a new device or network"),
    ChangeKind.PASSKEY_CLONED: (MailKind.NEW_DEVICE, "may have been copied", "its use counter went backwards"),
}


@pytest.mark.parametrize("change", ChangeKind)
def test_mail_says_what_happened_after_the_undo_point(composer: Composer, change: ChangeKind) -> None:
    kind, subject, words = CHANGES[change]
    letter = composer.compose(replace(mail(kind), change=change), SEALED)
    assert subject in letter.subject
    for body in bodies(letter):
        assert words in body
        assert "This link restores the passkeys" in body
        assert "It works for 7 days." in body


@pytest.mark.parametrize("kind", [MailKind.PASSWORD_CHANGED, MailKind.SESSION_STOLEN])
def test_notice_of_the_previous_release_links_to_the_reset_page(composer: Composer, kind: MailKind) -> None:
    letter = composer.compose(replace(mail(kind), change_id=None), None)
    assert set(Reader(letter.html).links) == {f"{ORIGIN}/reset"}
    assert re.findall(r"https?://\S+", letter.text) == [f"{ORIGIN}/reset"]
    for body in bodies(letter):
        assert "7 days" not in body


@pytest.mark.parametrize("link", ['"><script>', "a&b=c#d?e", "a b\r\nc", "{{7*7}}", "\u2028"])
def test_hostile_link_stays_one_parameter(composer: Composer, link: str) -> None:
    letter = compose(composer, MailKind.VERIFY, link=link)
    (address,) = set(Reader(letter.html).links)
    assert re.fullmatch(re.escape(f"{ORIGIN}/verify?token=") + r"[A-Za-z0-9%._~-]+", address)
    assert address in letter.text.splitlines()


@pytest.mark.parametrize("kind", MailKind)
def test_mail_fetches_runs_and_tracks_nothing(composer: Composer, kind: MailKind) -> None:
    letter = compose(composer, kind)
    page = Reader(letter.html)
    assert not page.tags & {"img", "script", "link", "iframe", "object", "embed", "form", "video", "base", "svg"}
    assert not page.attributes & {"src", "srcset", "background", "action", "data", "poster", "ping"}
    assert not {name for name in page.attributes if name.startswith("on")}
    assert not re.search(r"url\(|@import|expression\(", letter.html)
    assert all(link.startswith(ORIGIN) for link in page.links)
    assert "prefers-color-scheme: dark" in letter.html


@pytest.mark.parametrize(
    ("lifetime", "words"),
    [
        (LinkPurpose.VERIFY.lifetime, "24 hours"),
        (LinkPurpose.RESET.lifetime, "30 minutes"),
        (LinkPurpose.EMAIL.lifetime, "30 minutes"),
        (LinkPurpose.RESTORE.lifetime, "7 days"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=2), "2 days"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(minutes=1), "1 minute"),
    ],
)
def test_lifetimes_are_formatted(lifetime: timedelta, words: str) -> None:
    assert ENGLISH.duration(lifetime) == words


def test_mail_after_an_undo_names_earlier_changes_with_their_links(composer: Composer) -> None:
    earlier = (
        EarlierChange(id=UUID(int=1), kind=ChangeKind.PASSKEY_ADDED, changed_at=ASKED - timedelta(days=3)),
        EarlierChange(id=UUID(int=2), kind=ChangeKind.FACTORS_RESET, changed_at=ASKED - timedelta(days=2)),
        EarlierChange(id=UUID(int=3), kind=None, changed_at=ASKED - timedelta(days=1)),
    )
    links = ["first", "second", "third"]
    letter = composer.compose(replace(mail(MailKind.EMAIL_RESTORED), earlier=earlier), SEALED, links)
    for body in bodies(letter):
        assert "A passkey was added to your account on 20 November 2026 at 01:04 UTC." in body
        assert "All second factors were removed from your account by an administrator on 21 November 2026" in body
        assert "The e-mail address of your account was changed to another one on 22 November 2026" in body
    urls = [f"{ORIGIN}/reset?token={SEALED}", *(f"{ORIGIN}/email?token={link}" for link in links)]
    assert [url for url in re.findall(r"https?://\S+", letter.text) if "token" in url] == urls
    assert [url for url in dict.fromkeys(Reader(letter.html).links) if "token" in url] == urls


def test_mail_after_an_undo_says_until_when_the_reset_link_waits(composer: Composer) -> None:
    waiting = replace(mail(MailKind.EMAIL_RESTORED), until=ASKED + timedelta(days=7), has_password=False)
    for body in bodies(composer.compose(waiting, None)):
        assert "Until 30 November 2026 at 01:04 UTC" in body
        assert "Until then the account has no password." in body
        assert f"{ORIGIN}/reset" in body
        assert "token=" not in body


def test_mail_about_a_delayed_reset_does_not_speak_of_a_missing_password(composer: Composer) -> None:
    letter = composer.compose(replace(mail(MailKind.RESET_WAITS), until=ASKED, has_password=False), None)
    for body in bodies(letter):
        assert "the password stays as it is" not in body
        assert "Until then the account has no password." in body
