"""Every invalid request gets the right problem document, never a 500, and changes nothing."""

import json
import secrets
import time
from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest

from domain.role import Role
from tests.support.service import PASSWORD, Client, Service, code, unique_email
from tests.support.sweeping import (
    FORM,
    SAMPLES,
    Call,
    calls,
    malformed_bodies,
    raw,
    request_line,
    statuses,
    stored_rows,
)

JSON = {"Content-Type": "application/json"}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "MKCOL", "SEARCH", "PURGE"]
PAGES = {path: {"GET", "POST"} for path in ("/verify", "/reset", "/email", "/invitation")}
PAGES |= {path: {"GET"} for path in ("/docs", "/openapi.json", "/dev/mail", "/metrics")}


class Sweep:
    """An admin, a service client and an anonymous client that call every route, and unexpected responses to them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.admin = Client(service)
        self._admin = service.user("admin", role=Role.ADMIN)
        self._fresh_until = 0.0
        self.stay_fresh()
        self.anonymous = Client(service)
        self.program = Client(service)
        self.program.auth = service.program()
        known = calls(self.anonymous.get("/openapi.json").json())
        self.calls = [call for call in known if call.caller or not call.cookie]
        member = service.user("member")
        [user] = self.admin.get("/v1/users", params={"query": member}).json()["items"]
        self.member_id: str = user["id"]
        self.surprises: list[str] = []

    def stay_fresh(self) -> None:
        """Calls that require a recent authentication check it before they read the body."""
        if time.monotonic() > self._fresh_until:
            self.admin.log_in(self._admin)
            self._fresh_until = time.monotonic() + 60

    @property
    def calls_with_body(self) -> list[Call]:
        return [call for call in self.calls if call.fields is not None]

    def client(self, call: Call) -> Client:
        if call.client:
            return self.program
        return self.admin if call.caller else self.anonymous

    def send(self, call: Call, content: bytes | Iterator[bytes] | None, query: str = "") -> httpx.Response:
        path = call.at(self.member_id) + (f"?{query}" if query else "")
        answer = self.client(call).request(call.method, path, content=content, headers={"Content-Type": call.media})
        if answer.status_code not in call.statuses:
            self.surprises.append(f"{call}: {answer.status_code} is not documented")
        return answer

    def expect(self, answer: httpx.Response, status: int, name: str, why: object) -> None:
        if answer.status_code != status or code(answer) != name:
            self.surprises.append(f"{request_line(answer)}: {why}: {answer.status_code} {answer.text[:200]}")


@pytest.fixture(scope="module")
def prepared(shared_service: Service) -> Iterator[Sweep]:
    made = Sweep(shared_service)
    yield made
    made.admin.close()
    made.anonymous.close()
    made.program.close()


@pytest.fixture
def sweep(prepared: Sweep) -> Iterator[Sweep]:
    """Checks after the test that no response surprised and that the database is unchanged."""
    prepared.stay_fresh()
    before = stored_rows(prepared.service)
    yield prepared
    surprises, prepared.surprises = prepared.surprises, []
    assert surprises == []
    assert stored_rows(prepared.service) == before
    assert prepared.anonymous.get("/health/ready").status_code == 200


def test_malformed_body_is_refused_by_every_call(sweep: Sweep) -> None:
    assert len(sweep.calls_with_body) >= 9
    for call in sweep.calls_with_body:
        bodies = list(malformed_bodies(call))
        assert len(bodies) > 30
        for what, body in bodies:
            sweep.expect(sweep.send(call, body), 400, "malformed", what)


def errors_of(answer: httpx.Response) -> list[tuple[str, str]]:
    """The invalid fields, and the error of each."""
    document = answer.json()
    assert {error["code"] for error in document["errors"]} == {"malformed"}
    errors = [(error["field"], error["message"]) for error in document["errors"]]
    assert document["detail"] == "; ".join(f"{field}: {rule}" if field else rule for field, rule in errors)
    return errors


def test_problem_names_each_bad_field_and_its_error(sweep: Sweep) -> None:
    login, form, roles = "/v1/login", {"Content-Type": FORM}, "must be one of member, moderator, admin"
    required = [("login", "is required"), ("password", "is required")]
    surrogate, user = "The body contains invalid Unicode: a lone surrogate.", f"/v1/users/{sweep.member_id}"

    def posted(content: bytes, path: str = login) -> httpx.Response:
        return sweep.anonymous.post(path, content=content, headers=JSON)

    def patched(content: bytes) -> httpx.Response:
        return sweep.admin.patch(user, content=content, headers=JSON)

    cases = [
        (sweep.anonymous.post(login, headers=JSON), required),
        (sweep.anonymous.post(login), required),
        (sweep.admin.request("DELETE", "/v1/me"), [("password", "is required")]),
        (sweep.admin.request("PATCH", user), [("", "A JSON body is required.")]),
        (posted(b"{}"), required),
        (posted(b'"\\ud800"'), [("", surrogate)]),
        (posted(b'{"login": "\\ud800x"}'), [("", surrogate)]),
        (posted(b'{"login": "x'), [("", "The body ends before its JSON is complete.")]),
        (posted(b"{'login': 1}"), [("", "The body is not JSON: object keys must be strings at byte 1.")]),
        (posted(b'{"login": "\xff"}'), [("", "The body is not UTF-8.")]),
        (posted(b"[]"), [("", "The body must be a JSON object.")]),
        (posted(b'{"login": "x", "login": "y"}'), [("login", "is given twice")]),
        (posted(b'{"login": 1, "password": null}'), [("login", "must be a string"),
                                                     ("password", "must be a string")]),
        (posted(b'{"login": [], "x": 1, "y": {}}'), [("login", "must be a string"), ("password", "is required"),
                                                     ("x", "unknown field"), ("y", "unknown field")]),
        (posted(b'{"login": "\\u0000", "password": "\\u0000"}'), [("login", "must not contain NUL"),
                                                                ("password", "must not contain NUL")]),
        (posted(b'{"email": "a", "password": "b", "username": 1}', "/v1/register"),
         [("username", "must be a string or null")]),
        (posted(b'{"login": "a", "password": "b", "<script>": 1}'), [("", "unknown field")]),
        (patched(b'{"role": "king", "disabled": "yes"}'), [("role", roles), ("disabled", "must be true or false")]),
        (patched(b'{"role": 1, "disabled": 0}'), [("role", roles), ("disabled", "must be true or false")]),
        (sweep.admin.get(f"/v1/users?query={'x' * 300}"), [("query", "must have at most 254 characters")]),
        (sweep.admin.get("/v1/users?limit=0"), [("limit", "must be at least 1")]),
        (sweep.admin.get("/v1/users?limit=201&role=king"), [("role", roles), ("limit", "must be at most 200")]),
        (sweep.admin.get("/v1/users?limit=x"), [("limit", "must be a whole number")]),
        (sweep.admin.get("/v1/users?x=1&limit=1&limit=1&%3Cy%3E=2"),
         [("x", "unknown parameter"), ("", "unknown parameter"), ("limit", "is given twice")]),
        (sweep.admin.get("/v1/forward-auth?role=king"), [("role", roles)]),
        (sweep.admin.get("/v1/forward-auth?role=null"), [("role", "must not be null")]),
        (sweep.admin.get("/v1/users?role=null&cursor=null"),
         [("role", "must not be null"), ("cursor", "must not be null")]),
        (sweep.admin.get("/v1/me/events?cursor=null"), [("cursor", "must not be null")]),
        (sweep.program.post("/v1/introspect", headers=form), [("token", "is required")]),
    ]  # fmt: skip
    for answer, problems in cases:
        sweep.expect(answer, 400, "malformed", problems)
        assert sorted(errors_of(answer)) == sorted(problems)
    unreadable = sweep.admin.get("/v1/users?query=%00")
    sweep.expect(unreadable, 400, "malformed", "NUL")
    assert unreadable.json()["detail"].startswith("The URL must not contain ")


def test_a_problem_names_at_most_32_fields(sweep: Sweep) -> None:
    body = json.dumps({f"x{number}": number for number in range(2000)})
    answer = sweep.anonymous.post("/v1/login", content=body, headers=JSON)
    sweep.expect(answer, 400, "malformed", "many")
    assert len(errors_of(answer)) == 32
    answer = sweep.anonymous.get("/health/live?" + "&".join(f"x{number}" for number in range(2000)))
    sweep.expect(answer, 400, "malformed", "many")
    assert len(errors_of(answer)) == 32


def test_refusals_do_not_mention_python_types(sweep: Sweep) -> None:
    for call in sweep.calls_with_body:
        for what, body in malformed_bodies(call):
            answer = sweep.send(call, body)
            text = answer.json()["detail"] + "".join(error["message"] for error in answer.json().get("errors", []))
            for word in ("`", "str,", "int ", "got", "Object", "Expected", "codec", "Input data", "recursion"):
                assert word not in text, (str(call), what, text)


def test_registration_reports_every_bad_field(sweep: Sweep) -> None:
    bad = {"email": "nobody", "username": "x", "password": "short"}
    answer = sweep.anonymous.post("/v1/register", json=bad)
    sweep.expect(answer, 422, "email_invalid", bad)
    found = [(error["field"], error["code"]) for error in answer.json()["errors"]]
    assert found == [("email", "email_invalid"), ("username", "username_invalid"), ("password", "too_short")]
    answer = sweep.anonymous.post("/v1/register", json={**bad, "email": unique_email()})
    sweep.expect(answer, 422, "username_invalid", bad)
    assert [error["field"] for error in answer.json()["errors"]] == ["username", "password"]


def test_body_over_32_kib_is_too_large_with_and_without_a_length(sweep: Sweep) -> None:
    for call in sweep.calls_with_body:
        body = call.encoded()
        body += b" " * (33 * 1024 - len(body))
        sweep.expect(sweep.send(call, body), 413, "too_large", "length said")

        def pieces(body: bytes = body) -> Iterator[bytes]:
            for start in range(0, len(body), 1000):
                yield body[start : start + 1000]

        sweep.expect(sweep.send(call, pieces()), 413, "too_large", "in chunks")


def test_body_of_exactly_32_kib_is_accepted(sweep: Sweep) -> None:
    body = json.dumps({"refresh_token": "nobody-has-this-token"}).encode()
    answer = sweep.anonymous.post("/v1/refresh", content=body.ljust(32 * 1024), headers=JSON)
    assert code(answer) == "token_invalid"


NOT_JSON: list[list[str]] = [
    *([], [""], ["text/plain"], ["text/json"], ["application/x-www-form-urlencoded"], ["application/xml"], ["*/*"]),
    *(["multipart/form-data; boundary=x"], ["text/plain; application/json"], ["; application/json"]),
    *(["application/jsonp"], ["application/json, text/plain"], ["application/merge-patch+json"], ["json"]),
    *(["application/json" * 500], ["application/json", "application/json"], ["application/json", "text/plain"]),
    ["text/plain", "application/json"],
]


def test_body_needs_the_right_content_type(sweep: Sweep) -> None:
    for call in sweep.calls_with_body:
        client = sweep.client(call)
        others = [types for types in NOT_JSON if types != [FORM]] if call.form else NOT_JSON
        for content_types in [*others, ["application/json" if call.form else FORM], [call.media, call.media]]:
            headers = [("Content-Type", content_type) for content_type in content_types]
            url = sweep.service.url + call.at(sweep.member_id)
            request = httpx.Request(call.method, url, content=call.encoded(), headers=headers)
            if "authorization" in client.headers:
                request.headers["authorization"] = client.headers["authorization"]
            answer = client.send(request)
            sweep.expect(answer, 415, "unsupported_media_type", content_types)
            assert answer.json()["detail"] == f"Send {call.media}."


def test_json_media_type_is_accepted_in_every_valid_form(sweep: Sweep) -> None:
    for media_type in (
        *("application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"'),
        *(
            "application/json; charset=utf8",
            "application/json; charset=latin-1",
            "application/json;",
        ),
        *("application/json; profile=x; v=1", "application/JSON ;charset", "application/json; odata=verbose"),
    ):
        answer = sweep.anonymous.post(
            "/v1/refresh", content=b'{"refresh_token": "x"}', headers={"Content-Type": media_type}
        )
        sweep.expect(answer, 401, "token_invalid", media_type)


def test_forms_are_accepted_by_pages_only(sweep: Sweep) -> None:
    for page in ("/verify", "/reset"):
        for media_type in ("application/json", "text/plain", "multipart/form-data; boundary=x", ""):
            answer = sweep.anonymous.post(page, content=b'{"token": "x"}', headers={"Content-Type": media_type})
            sweep.expect(answer, 415, "unsupported_media_type", media_type)
        for body in (b"token=a%00b", b"token=" + b"x" * 33 * 1024, b"\xff\xfe=%ff", b"&" * 2000, b"token", b""):
            answer = sweep.anonymous.post(
                page, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
            )
            assert 400 <= answer.status_code < 500, (page, body[:20], answer.text)


def test_unknown_query_parameter_is_malformed(sweep: Sweep) -> None:
    for call in sweep.calls:
        body = None if call.fields is None else call.encoded()
        queries = ["unknown=1", "access_token=x", "callback=f", "_method=DELETE", "unknown", "=", "limit=1&limit=1"]
        for query in [*queries, "unknown=%00", "%00=a", "unknown=%ff", "%ed%a0%80", "limit=1&lim%69t=1"]:
            sweep.expect(sweep.send(call, body, query), 400, "malformed", query)


def test_list_parameters_have_one_valid_form(sweep: Sweep) -> None:
    limits = ["0", "201", "-1", "x", "\u0663", "", "9" * 24, "1_0", "%201", "1.5", "0x10", "NaN", "true"]
    cursors = ["", "%ff", "../../x", "AAAA", "A" * 65, "A" * 21 + "B", "A" * 22 + "==", "*"]
    queries = [f"limit={value}" for value in limits] + [f"cursor={value}" for value in cursors]
    queries += [f"role={value}" for value in ("", "king", "ADMIN", "admin,member")]
    queries += [f"query={value}" for value in ("x" * 255, "%00", "%ff", "%ed%a0%80", "%c0%af", "a&query=b")]
    for query in [*queries, "query[]=a", "sort=password_hash", "filter=password_hash", "offset=1", "Limit=1"]:
        sweep.expect(sweep.admin.get(f"/v1/users?{query}"), 400, "malformed", query)


def test_search_query_has_no_wildcards_or_syntax(sweep: Sweep) -> None:
    for query in ("'%20OR%201=1--", "%25", "_", "\\", "%5c", "%5c%25", "%E2%80%AE", "ı", "*", "%EF%BB%BF"):
        answer = sweep.admin.get(f"/v1/users?query={query}")
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None}), query


def test_id_has_one_valid_form(sweep: Sweep) -> None:
    plain = sweep.member_id
    assert sweep.admin.get(f"/v1/users/{plain}").status_code == 200
    spellings = ["x", "0", "-1", "null", "me", "../x", "%2e%2e%2f", "%2e%2e", "..%2f..%2fhealth", "%", "%zz"]
    spellings += [plain.upper(), f"{{{plain}}}", f"urn:uuid:{plain}", plain.replace("-", ""), str(UUID(plain).int)]
    spellings += [
        f"%20{plain}",
        f"{plain}%20",
        f"{plain}%0a",
        f"{plain};x=1",
        f"{plain}.json",
        f"{plain},{plain}",
        f"{plain}\\",
    ]
    spellings += [plain[:-1], plain + "0", plain.replace("-", "", 1), "-" + plain.replace("-", ""), "١" + plain[1:]]
    for call in (call for call in sweep.calls if "{" in call.path):
        body = None if call.fields is None else call.encoded()
        for spelling in spellings:
            path = call.at(spelling)
            request = f"{call.method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
            request += f"Authorization: {sweep.admin.headers['Authorization']}\r\n".encode()
            request += f"Content-Type: application/json\r\nContent-Length: {len(body or b'')}\r\n\r\n".encode()
            status_codes = statuses(raw(sweep.service, request + (body or b"")))
            assert len(status_codes) == 1, (str(call), spelling)
            assert set(status_codes) <= {400, 404, 405}, (str(call), spelling, status_codes)


UNKNOWN = [
    *(
        "/v1",
        "/v2/me",
        "/admin",
        "/.git/config",
        "/.env",
        "/schema",
        "/schema/openapi.json",
        "/debug",
    ),
    *("/v1/ME", "/v1/me;x", "/v1/me%20", "/v1/m%c3%a9", "/v1/users/x/y", "/static/x", "/v1/me.json", "/v1/%2e%2e/me"),
]
NO_MAIL = ["x", ".eml", "x.eml", "..eml", "%2e%2e", "x.eml%0a", "%2e%2e.eml", "...eml", "x%20.eml", "\u00e9.eml"]


def test_an_unknown_route_is_not_found(sweep: Sweep) -> None:
    for path in UNKNOWN:
        for method in ("GET", "POST", "DELETE"):
            sweep.expect(sweep.admin.request(method, path), 404, "not_found", method)
    for name in NO_MAIL:
        sweep.expect(sweep.anonymous.get(f"/dev/mail/{name}"), 404, "not_found", "Mail not found")


def test_path_with_invalid_utf8_nul_or_encoded_slash_is_malformed(sweep: Sweep) -> None:
    paths = [
        "/v1/%ff",
        "/v1/users/%ed%a0%80",
        "/v1/me%00",
        "/v1/%c0%ae",
        "/%00",
        "/verify%00?token=x",
        "/v1%2fme",
        "/v1%5Cme",
    ]
    for path in [*paths, "/dev/mail/..%2f..%2fsecret_key", "/dev/mail/..%5csecret_key"]:
        for method in ("GET", "POST"):
            sweep.expect(sweep.admin.request(method, path), 400, "malformed", method)


def test_no_form_of_a_path_bypasses_the_guard(sweep: Sweep) -> None:
    paths = ["//v1/users", "/v1//users", "/v1/%75sers", "/v1/users/", "/./v1/users", "/x/../v1/users", "/v1/users%3f"]
    for path in [*paths, "/v1/users#x", "/v1/users%23", "/%76%31/users", "///v1/users//"]:
        answer = raw(sweep.service, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert statuses(answer) in ([400], [401], [404]), path


def test_unsupported_method_is_405_with_the_allowed_ones(sweep: Sweep) -> None:
    routes = {path: set(methods) for path, methods in PAGES.items()}
    for call in sweep.calls:
        routes.setdefault(call.at(sweep.member_id), set()).add(call.method)
    for path, there in routes.items():
        there |= {"HEAD"} if "GET" in there else set()
        if path != "/v1/forward-auth":
            there.add("OPTIONS")
            assert set(sweep.admin.options(path).headers["allow"].split(", ")) == there
        for method in {*METHODS, "OPTIONS"} - there:
            answer = sweep.admin.request(method, path)
            if method == "HEAD":
                assert (answer.status_code, answer.content) == (405, b""), path
            else:
                sweep.expect(answer, 405, "method_not_allowed", there)
            assert set(answer.headers["allow"].split(", ")) == there, (path, method)


def test_a_header_does_not_change_the_method(sweep: Sweep) -> None:
    path = f"/v1/users/{sweep.member_id}"
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert sweep.admin.get(path, headers={name: "DELETE"}).status_code == 200
        sweep.expect(sweep.admin.post(path, headers={name: "DELETE"}), 405, "method_not_allowed", name)


def test_no_other_header_replaces_a_token(sweep: Sweep) -> None:
    for name, value in (
        ("X-Original-URL", "/health/live"),
        ("X-Rewrite-URL", "/health/live"),
        ("X-Api-Version", "0"),
        ("Accept", "application/vnd.latchkey.v0+json"),
        ("Cookie", "verified=1; role=admin"),
        ("X-User-ID", "1"),
        ("X-Auth-Role", "admin"),
        ("X-Forwarded-For", "127.0.0.1"),
    ):
        sweep.expect(sweep.anonymous.get("/v1/users", headers={name: value}), 401, "token_missing", name)


def test_range_and_encoding_headers_change_nothing(sweep: Sweep) -> None:
    client = sweep.anonymous
    for path in ("/openapi.json", "/.well-known/jwks.json", "/docs"):
        plain = client.get(path)
        for headers in (
            {"Range": "bytes=0-1"},
            {"Range": "bytes=" + "0-0," * 500 + "0-0"},
            {"Accept-Encoding": "gzip"},
        ):
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.content) == (200, plain.content)
            assert not {"content-encoding", "content-range"} & set(answer.headers)
            assert answer.headers["content-type"] == plain.headers["content-type"]


def test_token_is_checked_before_the_body(sweep: Sweep) -> None:
    guarded = [call for call in sweep.calls if call.caller or call.client]
    assert {call.path for call in guarded if call.mutates} >= {
        "/v1/logout",
        "/v1/password/change",
        "/v1/users/{user_id}",
    }
    for call in guarded:
        for body, headers in (
            (b"not JSON", JSON),
            (b"x", {"Content-Type": "text/plain"}),
            (b"x" * 33 * 1024, JSON),
            (None, {}),
        ):
            answer = sweep.anonymous.request(call.method, call.at(sweep.member_id), content=body, headers=headers)
            sweep.expect(answer, 401, "invalid_credentials" if call.client else "token_missing", headers)
        answer = sweep.anonymous.request(call.method, call.at(sweep.member_id), params={"unknown": "1"})
        sweep.expect(answer, 401, "invalid_credentials" if call.client else "token_missing", "unknown parameter")


def authorizations(access: str, refresh: str, link: str) -> Iterator[str]:
    head, payload, signature = access.split(".")
    for scheme in (
        "Basic",
        "Digest",
        "Negotiate",
        "Token",
        "JWT",
        "Bearer:",
        "Bearer,",
        "Bear",
        "BearerX",
        "Bearer=",
        "",
    ):
        yield f"{scheme} {access}"
    yield from (
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "bearer\t",
        "Bearer null",
        "Bearer undefined",
        "Bearer ''",
        access,
    )
    for between in ("\t", " \t", "%20", "+", "=", ":", "\xa0", ",", " Bearer "):
        yield f"Bearer{between}{access}"
    for wrapped in (
        f'"{access}"',
        f"<{access}>",
        f"token={access}",
        f"access_token={access}",
        f"'{access}'",
        f"{access}=",
        f"{access}==",
    ):
        yield f"Bearer {wrapped}"
    for behind in (
        " ",
        ",",
        ", Basic eA==",
        ";",
        "; q=1",
        f" {access}",
        f",{access}",
        ".",
        ".x",
        "\t",
        "#",
        "\x01",
        "\x7f",
        "\x80",
        "\xff",
        "é",
    ):
        if behind.strip(" \t"):
            yield f"Bearer {access}{behind}"
    yield from (
        f"Bearer {token}"
        for token in (refresh, link, "a.b.c", "..", "...", ".", "*", "user:1", "{latchkey}:complete")
    )
    yield from (
        f"Bearer {head}.{payload}",
        f"Bearer {head}..{signature}",
        f"Bearer .{payload}.{signature}",
        f"Bearer {payload}.{head}.{signature}",
    )
    yield from (
        f"Bearer {head}.{payload}.{signature}.{signature}.{signature}",
        f"Bearer {head}.{payload}.",
        f"Bearer {access[:-1]}",
    )
    for at in range(0, len(access), 7):
        swapped = "A" if access[at] != "A" else "B"
        yield f"Bearer {access[:at]}{swapped}{access[at + 1 :]}"
    for at in range(1, len(access), 29):
        yield f"Bearer {access[:at]}"
        yield f"Bearer {access[:at]} {access[at:]}"
        yield f"Bearer {access[:at]}\n{access[at:]}"
    for size in (8, 64):
        yield "Bearer " + "x" * size * 1024
        yield f"Bearer {access}" + "x" * size * 1024
        yield "Bearer " + "." * size * 1024
        yield "x" * size * 1024
    for number in range(0x20):
        yield f"Bearer {chr(number)}{access}"
        yield f"Bearer {access[:9]}{chr(number)}{access[9:]}"
    for _ in range(100):
        yield f"Bearer {secrets.token_urlsafe(secrets.randbelow(200))}"
        yield secrets.token_bytes(40).decode("latin-1")


def test_only_a_valid_authorization_is_accepted(service: Service) -> None:
    client = service.member()
    client.post("/v1/password/forgot", json={"email": client.email})
    tokens = client.pair["access_token"], client.pair["refresh_token"], service.token(client.email)
    before, answered = stored_rows(service), 0
    values = list(authorizations(*tokens))
    assert len(values) > 400
    for value in values:
        request = b"GET /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: "
        status_codes = statuses(raw(service, request + value.encode("latin-1") + b"\r\n\r\n"))
        assert all(400 <= status < 500 for status in status_codes), (value[:100], status_codes)
        answered += len(status_codes)
    assert answered > 400
    assert stored_rows(service) == before
    assert client.get("/v1/me").status_code == 200


def test_authorization_scheme_is_case_insensitive(sweep: Sweep) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        header = {"Authorization": f"{scheme} {sweep.admin.pair['access_token']}"}
        assert sweep.anonymous.get("/v1/me", headers=header).status_code == 200


def test_two_authorization_headers_are_refused(sweep: Sweep) -> None:
    right = ("Authorization", sweep.admin.headers["Authorization"])
    for other in (right, ("Authorization", "Basic eA=="), ("authorization", "Bearer x")):
        for headers in ([right, other], [other, right]):
            answer = sweep.anonymous.get("/v1/me", headers=headers)
            assert code(answer) in {"token_invalid", "token_missing"}


def test_token_outside_the_authorization_header_is_ignored(sweep: Sweep) -> None:
    token = sweep.admin.pair["access_token"]
    for headers in (
        {"Cookie": f"access_token={token}"},
        {"X-Access-Token": token},
        {"Proxy-Authorization": f"Bearer {token}"},
    ):
        sweep.expect(sweep.anonymous.get("/v1/me", headers=headers), 401, "token_missing", headers)
    sweep.expect(sweep.anonymous.get(f"/v1/me?access_token={token}"), 401, "token_missing", "in the query")


def test_each_kind_of_token_works_for_its_own_purpose_only(service: Service) -> None:
    email = unique_email("diagonal")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    client.log_in(email)
    client.post("/v1/password/forgot", json={"email": email})
    service.mail(email, 2)
    links = {}
    for number in (1, 2):
        body = service.mail(email, number).get_body(("plain",))
        assert body is not None
        links["reset" if "/reset?" in body.get_content() else "verify"] = service.token(email, number)
    tokens = {**links, "refresh": client.pair["refresh_token"], "access": client.pair["access_token"]}
    assert len(tokens) == 4

    def other_uses(kind: str, token: str) -> Iterator[tuple[str, httpx.Response]]:
        if kind != "verify":
            yield "link_invalid", client.post("/v1/verify", json={"token": token})
        if kind != "reset":
            passwords = {"new_password": "a passphrase of a thief", "confirm_password": "a passphrase of a thief"}
            yield "link_invalid", client.post("/v1/password/reset", json={"token": token, **passwords})
        if kind != "refresh":
            yield "token_invalid", client.renew(token)
        if kind != "access":
            yield "token_invalid", client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})

    before = stored_rows(service)
    for kind, token in tokens.items():
        for expected, answer in other_uses(kind, token):
            assert code(answer) == expected, kind
    for form in ({"token": links["reset"]}, {"token": tokens["access"]}):
        assert client.post("/verify", data=form).status_code == 400
    assert (
        client.post(
            "/reset", data={"token": links["verify"], "new_password": "x", "confirm_password": "x"}
        ).status_code
        == 400
    )
    assert stored_rows(service) == before
    assert client.post("/v1/verify", json={"token": links["verify"]}).status_code == 200
    assert client.get("/v1/me").status_code == 200
    assert client.renew().status_code == 200


def test_reset_accepts_no_user_field_and_no_invalid_link(sweep: Sweep) -> None:
    for victim in ({"user_id": sweep.member_id}, {"email": "victim@example.org"}):
        body = {name: SAMPLES[name] for name in ("token", "new_password", "confirm_password")}
        sweep.expect(sweep.anonymous.post("/v1/password/reset", json={**body, **victim}), 400, "malformed", victim)
    for token in ("", " ", "x", "." * 600, "a.b.c", "é.é"):
        body = {"token": token, "new_password": PASSWORD, "confirm_password": PASSWORD}
        sweep.expect(sweep.anonymous.post("/v1/password/reset", json=body), 400, "link_invalid", token)
        sweep.expect(sweep.anonymous.post("/v1/verify", json={"token": token}), 400, "link_invalid", token)


BODY = b'{"refresh_token":"x"}'
POST = b"POST /v1/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GET = b"GET /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
SMUGGLED = b"GET /v1/users HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKS = b"15\r\n" + BODY + b"\r\n0\r\n\r\n"


BROKEN = {
    "a length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + SMUGGLED,
    "chunks and a length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + CHUNKS + SMUGGLED,
    "two lengths": POST + b"Content-Length: 21\r\nContent-Length: 4\r\n\r\n" + BODY,
    "a list of lengths": POST + b"Content-Length: 21, 21\r\n\r\n" + BODY,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + BODY,
    "a signed length": POST + b"Content-Length: +21\r\n\r\n" + BODY,
    "a length in hex": POST + b"Content-Length: 0x15\r\n\r\n" + BODY,
    "an endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKS,
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS + SMUGGLED,
    "chunked in disguise": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS + SMUGGLED,
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS + SMUGGLED,
    "a folded header": GET + b"X-Folded: a\r\n b: c\r\n\r\n",
    "a folded first header": b"GET /v1/me HTTP/1.1\r\n Host: x\r\n\r\n",
    "bare line feeds": GET.replace(b"\r\n", b"\n") + b"\n",
    "bare returns": GET.replace(b"\r\n", b"\r") + b"\r",
    "a bare line feed in a header": GET + b"X-A: b\nX-C: d\r\n\r\n",
    "a bare return in a header": GET + b"X-A: b\rX-C: d\r\n\r\n",
    "a NUL in a header": GET + b"X-A: b\0c\r\n\r\n",
    "a NUL in a name": GET + b"X\0A: b\r\n\r\n",
    "no name": GET + b": b\r\n\r\n",
    "no colon": GET + b"nonsense\r\n\r\n",
    "a header of 64 KB": GET + b"X-Long: " + b"x" * 65_536 + b"\r\n\r\n",
    "a name of 64 KB": GET + b"X" * 65_536 + b": x\r\n\r\n",
    "64 KB of headers": GET + b"X-Many: x\r\n" * 6000 + b"\r\n",
    "an address of 64 KB": b"GET /" + b"x" * 65_536 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a query of 64 KB": b"GET /v1/me?" + b"x" * 65_536 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "two hosts": GET + b"Host: evil.example\r\n\r\n",
    "the same host twice": GET + b"Host: x\r\n\r\n",
    "no host": b"GET /v1/me HTTP/1.1\r\n\r\n",
    "a host with a user": b"GET /health/live HTTP/1.1\r\nHost: good:80@evil\r\n\r\n",
    "a host with a path": b"GET /health/live HTTP/1.1\r\nHost: good/evil\r\n\r\n",
    "a host with a blank": b"GET /health/live HTTP/1.1\r\nHost: good evil\r\n\r\n",
    "an absolute address": b"GET http://evil.example/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a proxy's connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "no slash": b"GET v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "two slashes": b"GET //evil.example/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "no version": b"GET /v1/me\r\n\r\n",
    "an unknown version": b"GET /v1/me HTTP/9.9\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": b"FETCH /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a method in lower case": b"get /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a method of 64 KB": b"G" * 65_536 + b" / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a raw NUL in the address": b"GET /v1/me?\0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an upgrade": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n",
    "an upgrade to h2c": GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
    "a bad chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a huge chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "a chunk extension of 64 KB": POST + b"Transfer-Encoding: chunked\r\n\r\n15;" + b"x" * 65_536 + b"\r\n" + BODY,
    "a body that never comes": POST + b"Content-Length: 100\r\n\r\n" + BODY,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
    "a mail": b"EHLO x\r\n",
    "noise": bytes(range(256)) * 8,
    "nothing": b"",
    "blank lines": b"\r\n" * 100,
}


def test_a_request_that_breaks_the_protocol_is_refused_or_dropped(sweep: Sweep) -> None:
    for what, request in BROKEN.items():
        status_codes = statuses(raw(sweep.service, request, timeout=0.5))
        assert all(400 <= status < 500 for status in status_codes), (what, status_codes)
        assert len(status_codes) <= 1, f"{what}: a second request was smuggled in"


def test_url_or_headers_of_20_kb_are_too_large(sweep: Sweep) -> None:
    long = "x" * 20_000
    for path in (f"/{long}", f"/health/live?{long}"):
        sweep.expect(sweep.anonymous.get(path), 414, "too_large", path[:20])
    for headers in ([("X-Long", long)], [("X-Many", "x" * 100)] * 200):
        sweep.expect(sweep.anonymous.get("/health/live", headers=headers), 431, "too_large", str(headers)[:20])
    assert sweep.anonymous.get("/health/live", headers={"X-Long": "x" * 8000}).status_code == 200
