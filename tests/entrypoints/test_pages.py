"""The pages of links in mails, over HTTP: only pressing the button changes anything."""

import re
from datetime import UTC, datetime
from html import unescape
from urllib.parse import urljoin

from markupsafe import escape

from domain.outbox import EmailLink, LinkPurpose
from entrypoints.container import Container
from entrypoints.release import release
from entrypoints.settings import load
from tests.support.service import PASSWORD, Service, code, unique_email
from tests.support.sweeping import FORM, stored_rows

NEW_PASSWORD = "a long walk to the lighthouse"
LINK = re.compile(r"http://[^\s\"<>]+token=[^\s\"<>]+")
EVIL = [
    *(
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' autofocus onfocus=alert(1) x='",
        "</style><svg>",
    ),
    *(
        "{{7*7}}",
        "${7*7}",
        "{0.__class__}",
        "javascript:alert(1)",
        "\u202e\u2028\x85",
        "&lt;b&gt;",
        "%22%3E",
        "a" * 4000,
    ),
]


def link(service: Service, recipient: str, number: int = 1) -> str:
    body = service.mail(recipient, number).get_body(("plain",))
    assert body is not None
    match = LINK.search(body.get_content())
    assert match is not None
    return match[0]


def steps(page: str) -> list[str]:
    """The links and buttons of a page."""
    return [unescape(text) for text in re.findall(r'(?:<button|<a class="button" [^>]*)>([^<]*)<', page)]


def registered(service: Service) -> str:
    email = unique_email("page")
    service.client().post("/v1/register", json={"email": email, "password": PASSWORD})
    return email


# -- over HTTP -----------------------------------------------------------------------------------------


def test_viewing_a_link_changes_nothing(service: Service) -> None:
    email = registered(service)
    client = service.client()
    client.post("/v1/password/forgot", json={"email": email})
    service.mail(email, 2)
    mover, new = service.member(), unique_email("new")
    mover.post("/v1/email/change", json={"new_email": new, "password": PASSWORD})
    links = [link(service, email, 1), link(service, email, 2), link(service, new), link(service, mover.email)]
    before = stored_rows(service)
    for url in links:
        for method in ("GET", "HEAD", "GET", "OPTIONS"):
            answer = client.request(method, url + "&utm_source=mail&utm_source=twice")
            assert answer.status_code in {200, 204}
            assert "set-cookie" not in answer.headers
            assert (method == "GET") == bool(answer.content)
        for method in ("PUT", "PATCH", "DELETE"):
            assert code(client.request(method, url)) == "method_not_allowed"
    assert stored_rows(service) == before
    assert client.post("/v1/verify", json={"token": service.token(email, 1)}).status_code in {200, 400}


def test_page_never_repeats_an_invalid_token(service: Service) -> None:
    client = service.client()
    for path in ("/verify", "/reset", "/email", "/invitation"):
        plain = client.get(path, params={"token": "x"}).text
        for evil in EVIL:
            page = client.get(path, params={"token": evil})
            assert page.status_code == 200
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert page.text == plain
            form = {"token": evil, "new_password": "x" * 20, "confirm_password": "x" * 20, "password": "x" * 20}
            assert client.post(path, data=form).text == plain


def test_form_keeps_the_address_as_text_after_an_error(service: Service) -> None:
    client = service.client()
    for path in ("/verify", "/reset"):
        plain = client.post(path, data={"email": "x"}).text
        for evil in EVIL:
            page = client.post(path, data={"email": evil})
            assert page.status_code == 422
            match = re.search(r'name="email" type="email" value="([^"]*)"', page.text)
            assert match is not None
            assert unescape(match[1]) == evil
            assert not set("<>'\"") & set(match[1])
            assert page.text.replace(match[0], match[0].replace(f'"{match[1]}"', '"x"')) == plain


def test_page_runs_only_its_own_script(service: Service) -> None:
    client = service.client()
    mover, new = service.member(), unique_email("new")
    mover.post("/v1/email/change", json={"new_email": new, "password": PASSWORD})
    mover.post("/v1/password/forgot", json={"email": mover.email})
    reset = client.get(link(service, mover.email, 2))
    pages = [client.get(path) for path in ("/", "/verify?token=x", "/reset?token=x", "/reset", "/docs", "/dev/mail")]
    pages += [
        client.get("/email?token=x"),
        *(client.get(url) for url in (link(service, new), link(service, mover.email))),
    ]
    pages += [client.post(path, data={"token": "x"}) for path in ("/verify", "/reset", "/email")]
    for page in [*pages, reset]:
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert page.headers["x-robots-tag"] == "noindex, nofollow"
        # URLs in examples are text: there is no element in them that could load anything.
        shown = re.sub(r'<pre class="example">[^<]*</pre>', "", page.text) if page.url.path == "/docs" else page.text
        assert not re.search(r"<iframe|<object|<img|javascript:|\son\w+=|\sstyle=|\ssrc=|https?://", shown)
        assert set(re.findall(r"<form[^>]*>", page.text)) <= {
            '<form method="post" action="./verify">',
            '<form method="post" action="./reset">',
            '<form method="post" action="./email">',
        }
        has_script = page is reset or page.url.path == "/docs"
        assert ("<script>" in page.text) == has_script
        assert bool(re.search("script-src 'sha256-[A-Za-z0-9+/]{43}=';", policy)) == has_script


def test_refusal_of_a_page_is_a_page(service: Service) -> None:
    client = service.client()
    before = stored_rows(service)
    for path in ("/verify", "/reset", "/email", "/invitation"):
        for token in ("", "x", "x" * 3000, "é.é", "a.b.c"):
            page = client.post(path, data={"token": token})
            assert page.status_code == 400, page.text
            assert page.headers["content-type"].startswith("text/html")
            assert "This link is not valid" in page.text
        for body, media in ((b"token=x&token=y", FORM), (b"{}", "application/json"), (b"x" * 40_000, FORM)):
            page = client.post(path, content=body, headers={"Content-Type": media, "Accept": "text/html"})
            assert page.status_code in {400, 413, 415}
            assert page.headers["content-type"].startswith("text/html")
            assert steps(page.text) == ["Back to Latchkey"]
    for path in ("/verify", "/reset"):
        for form in ({}, {"other": "x"}, {"email": ""}, {"email": "<script>"}, {"email": "a@example.org, b@x.org"}):
            page = client.post(path, data=form or {"nothing": ""})
            assert page.status_code == 422, page.text
            assert 'role="alert"' in page.text
            assert "<script>" not in page.text
    missing = client.get("/dev/mail/none.eml", headers={"Accept": "text/html"})
    assert (missing.status_code, steps(missing.text)) == (404, ["Back to Latchkey"])
    assert stored_rows(service) == before


def test_page_of_an_invalid_link_offers_a_new_one(service: Service) -> None:
    """Also for a GET; the page of a used link shows no password form."""
    client, email = service.client(), registered(service)
    client.post("/v1/password/forgot", json={"email": email})
    url = link(service, email, 2)
    form = {"token": service.token(email, 2), "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    assert "new_password" in client.get(url).text
    assert steps(client.post("/reset", data=form).text) == ["Sign in"]
    for page in (client.get(url), client.post("/reset", data=form)):
        assert "This link is not valid" in page.text
        assert "new_password" not in page.text
        assert steps(page.text) == ["Send me a link"]
        assert 'action="./reset"' in page.text
    assert 'action="./verify"' in client.get("/verify?token=x").text


def test_page_of_an_expired_link_offers_a_new_one(service: Service) -> None:
    client = service.client()
    links = Container(settings=load(service.environ)).links()
    email = registered(service)
    client.post("/v1/password/forgot", json={"email": email})
    user = links.verify(service.token(email, 2), LinkPurpose.RESET).subject
    for purpose, path in (
        ("verify", "verify"),
        ("reset", "reset"),
        ("email", "email"),
        ("restore", "email"),
        ("invite", "invitation"),
    ):
        issued_at = datetime.now(UTC) - LinkPurpose(purpose).lifetime
        token = links.sign(EmailLink(purpose=LinkPurpose(purpose), subject=user, version=0, issued_at=issued_at))
        form = {"token": token, "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
        for page, status in (
            (client.get(f"/{path}", params={"token": token}), 200),
            (client.post(path, data=form), 400),
        ):
            assert page.status_code == status
            assert "<h1>This link has expired</h1>" in page.text
            assert steps(page.text) == ["Back to Latchkey" if path in {"email", "invitation"} else "Send me a link"]
            assert email not in page.text


def test_request_for_a_new_link_gets_the_same_response_for_every_address(service: Service) -> None:
    client, waiting, verified = service.client(), registered(service), service.user("verified")
    service.mail(waiting)
    for path in ("/verify", "/reset"):
        asked = [client.post(path, data={"email": who}) for who in (waiting, verified, unique_email("unknown"))]
        assert {page.status_code for page in asked} == {200}
        assert len({page.text for page in asked}) == 1
        assert "Check your mailbox" in asked[0].text
    assert "/verify?token=" in link(service, waiting, 2)
    assert client.get(link(service, waiting, 2)).status_code == 200


def test_reset_page_suits_password_managers_and_assistive_technology(service: Service) -> None:
    client, email = service.client(), service.user("manager")
    client.post("/v1/password/forgot", json={"email": email})
    url = link(service, email)
    page = client.get(url).text
    assert re.search(rf'<input id="username"[^>]* value="{email}" autocomplete="username" readonly>', page)
    for name in ("new_password", "confirm_password"):
        [field] = re.findall(rf'<input id="{name}"[^>]*>', page)
        assert 'type="password" autocomplete="new-password" minlength="15" maxlength="256"' in field
        assert " required" in field
        assert " value=" not in field
        assert "aria-invalid" not in field
    token = service.token(email)
    wrong = {"new_password": "short", "confirm_password": "short"}
    page = client.post("/reset", data={"token": token, **wrong}).text
    assert "<title>Error: " in page
    assert re.search(r'<input id="new_password"[^>]* aria-invalid="true" aria-describedby="error hint">', page)
    assert re.search(r'<p class="bad" id="error" role="alert">[^<]*15 characters', page)
    assert f'value="{email}"' in page
    assert "short" not in page
    # Only a valid link shows the address.
    assert email not in client.get(url + "x").text
    assert email not in client.post("/reset", data={"token": token + "x", **wrong}).text


def test_page_of_an_email_link_describes_its_effect(service: Service) -> None:
    client, new = service.member(), unique_email("new")
    client.post("/v1/email/change", json={"new_email": new, "password": PASSWORD})
    words = {
        link(service, new): "Use this e-mail address?",
        link(service, client.email): "Was this not you?",
        f"{service.url}/email?token=x": "This link is not valid",
        f"{service.url}/email": "This link is not valid",
        f"{service.url}/email?token={service.token(new)}x": "This link is not valid",
    }
    for url, heading in words.items():
        page = client.get(url).text
        assert f"<h1>{heading}</h1>" in page
        assert len(steps(page)) == 1
    other = registered(service)
    for path in ("/verify", "/reset"):
        assert client.post(path, data={"token": service.token(new), "new_password": "x"}).status_code in {400, 422}
    assert client.post("/email", data={"token": service.token(other)}).status_code == 400
    assert client.get("/v1/me").json()["email"] == client.email


def test_links_of_pages_are_below_the_path_of_the_public_url(isolated_service: Service) -> None:
    """A proxy strips the path; the home page works with and without a trailing slash."""
    outside = "https://example.org/accounts"
    isolated_service.environ["LATCHKEY_PUBLIC_URL"] = outside
    isolated_service.start_api()
    client = isolated_service.client()
    for asked in (
        "",
        "/",
        "/reset",
        "/verify?token=x",
        "/email?token=x",
        "/docs",
        "/dev/mail",
        "/problems/not_found",
    ):
        page = client.get(asked or "/", headers={"Accept": "text/html"})
        led = [
            urljoin(outside + asked, unescape(link))
            for link in re.findall(r'(?:href|action)="([^"#][^"]*)"', page.text)
        ]
        assert led
        for url in led:
            assert url.startswith(f"{outside}/"), (asked, url)
            # The account is for people who have signed in.
            expected = 303 if url == f"{outside}/account" else 200
            assert client.get(url.removeprefix(outside)).status_code == expected, (asked, url)
    well_known = "/.well-known/change-password"
    location = client.get(well_known).headers["location"]
    assert urljoin(outside + well_known, location) == f"{outside}/account/password"


def test_browser_gets_a_page_for_an_unknown_path(service: Service) -> None:
    client = service.client()
    for method, path, status in (("GET", "/nothing/here", 404), ("PUT", "/reset", 405)):
        page = client.request(method, path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert steps(page.text) == ["Back to Latchkey"]
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src")
        assert code(client.request(method, path)) in {"not_found", "method_not_allowed"}
    assert "GET" in page.headers["allow"]
    assert code(client.get("/v1/nothing", headers={"Accept": "text/html"})) == "not_found"


def test_home_page_shows_name_and_links(service: Service) -> None:
    client = service.client()
    page = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f"Latchkey {release()}" in page.text
    assert client.get("/").text == page.text
    links = re.findall(r'href="(/[^"]*)"', page.text)
    assert {"/docs", "/openapi.json", "/health/ready", "/dev/mail", "/reset", "/sign-in", "/register"} <= set(links)
    for found in links:
        assert client.get(found).status_code == (303 if found == "/account" else 200)
    head = client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    about = client.get("/", headers={"Accept": "application/json"}).json()
    assert about == {"name": "Latchkey", "version": release(), "docs": "docs", "openapi": "openapi.json"}


def test_site_serves_icon_robots_and_well_known_paths(service: Service) -> None:
    client = service.client()
    response = client.get("/.well-known/change-password")
    assert (response.status_code, response.headers["location"]) == (302, "../account/password")
    page = client.get("/.well-known/change-password", follow_redirects=True)
    assert page.url.params["return_to"] == "/account/password"
    for path in ("/favicon.ico", "/favicon.svg"):
        icon = client.get(path)
        assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
    assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"
    for path in ("/.well-known/change-password", "/favicon.ico", "/robots.txt"):
        assert client.head(path).status_code == client.get(path).status_code
        assert client.head(path).content == b""


def test_browser_keeps_the_style_sheet_under_its_digest(service: Service) -> None:
    client = service.client()
    names = {
        re.findall(r'<link rel="stylesheet" href="([^"]+)">', client.get(path).text)[0]
        for path in ("/", "/reset", "/docs", "/sign-in")
    }
    [name] = {urljoin(service.url + "/", name) for name in names}
    sheet = client.get(name)
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert sheet.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert len(sheet.content) <= 12 * 1024
    assert not re.search(r"url\(|@import|animation|transition", sheet.text)
    other = client.get("/style/0123456789abcdef0123.css")
    assert (other.text, other.headers["cache-control"]) == (sheet.text, "no-store")


def test_script_of_a_page_is_small(service: Service) -> None:
    """Every page that asks for a passkey carries it again."""
    [script] = re.findall(r"<script>(.*?)</script>", service.client().get("/sign-in").text, re.DOTALL)
    assert len(script.encode()) <= 4 * 1024


def test_script_shows_the_passkey_form_before_what_follows_is_drawn(service: Service) -> None:
    page = service.client().get("/sign-in").text
    assert page.index("data-passkey") < page.index("<script>") < page.index("No account yet?")


def test_pages_and_mails_show_the_product_name_and_link_to_it(isolated_service: Service) -> None:
    name, back = 'Ada "&" <b>Söhne</b>', "https://app.example.org/#/home"
    isolated_service.environ |= {"LATCHKEY_NAME": name, "LATCHKEY_PRODUCT_URL": back}
    isolated_service.start_api()
    isolated_service.start_worker()
    client, email = isolated_service.client(), registered(isolated_service)
    pages = [
        client.get(path) for path in ("/", "/reset", "/verify?token=x", "/docs", "/dev/mail", "/problems/not_found")
    ]
    pages += [
        client.post("/verify", data={"token": isolated_service.token(email)}),
        client.post("/email", data={"token": "x"}),
    ]
    pages += [client.post("/reset", data={"email": email})]
    for page in pages:
        assert f'<p class="mark">{escape(name)}</p>' in page.text
        assert name not in page.text
        assert f"· {escape(name)}</title>" in page.text
    for page in pages[-3:]:
        assert f'href="{escape(back)}"' in page.text
    mail = isolated_service.mail(email)
    assert mail["subject"] == f"Verify your e-mail address for {name}"
    [sender] = mail["from"].addresses
    assert sender.display_name == name
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        assert (name if kind == "plain" else escape(name)) in body.get_content()
        assert back in body.get_content()
    refused = client.post("/v1/register", json={"email": email, "password": "söhne ada söhne!"})
    assert refused.json()["errors"][0]["code"] == "context"


def test_page_shows_the_seconds_to_wait_and_offers_a_retry(isolated_service: Service) -> None:
    isolated_service.environ["LATCHKEY_RATE_LIMITS"] = "on"
    isolated_service.start_api()
    client = isolated_service.client()
    junk = [client.post("/verify", data={"token": f"x{number}"}) for number in range(30)]
    asked = [client.post("/reset", data={"email": "ada@example.org"}) for _ in range(30)]
    for page, retry in ((junk[-1], "./verify?token=x29"), (asked[-1], "./reset")):
        assert page.status_code == 429
        assert page.headers["content-type"].startswith("text/html")
        assert f"{page.headers['retry-after']} seconds" in page.text
        assert f'<a class="button" href="{retry}">Try again</a>' in page.text
        assert steps(page.text) == ["Try again"]
    evil = client.post("/verify", data={"token": EVIL[1]})
    assert evil.status_code == 429
    assert "<img" not in evil.text


def test_form_that_is_shown_again_names_the_seconds_to_wait(isolated_service: Service) -> None:
    isolated_service.environ["LATCHKEY_RATE_LIMITS"] = "on"
    isolated_service.start_api()
    client = isolated_service.client()
    wrong = {"login": "ada@example.org", "password": "wrong"}
    refused = [client.post("/sign-in", data=wrong) for _ in range(11)][-1]
    assert refused.status_code == 429
    assert f"({refused.headers['retry-after']} seconds)." in refused.text
    assert '<input id="password"' in refused.text
