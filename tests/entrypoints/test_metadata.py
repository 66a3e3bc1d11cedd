"""RFC 8414 metadata, and the three public documents that browsers may read from any origin."""

from pathlib import Path

import httpx
import pytest

from adapters.tokens.key_files import make_key
from adapters.tokens.pem_keys import Algorithm
from tests.support.in_process import inside
from tests.support.service import PASSWORD, Service, code

METADATA = "/.well-known/oauth-authorization-server"


def test_metadata_lists_existing_endpoints(service: Service) -> None:
    client = service.client()
    answer = client.get(METADATA)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    methods = ["client_secret_basic", "client_secret_post"]
    assert answer.json() == {
        "issuer": service.url,
        "jwks_uri": f"{service.url}/.well-known/jwks.json",
        "introspection_endpoint": f"{service.url}/v1/introspect",
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": f"{service.url}/v1/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
        "access_token_signing_alg_values_supported": ["ES256"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "acr_values_supported": ["aal1", "aal2", "phr"],
        "response_types_supported": [],
        "grant_types_supported": [],
        "service_documentation": f"{service.url}/docs",
    }
    assert httpx.get(answer.json()["jwks_uri"]).json()["keys"]
    auth = service.program()
    for kind in ("introspection", "revocation"):
        endpoint = answer.json()[f"{kind}_endpoint"]
        assert httpx.post(endpoint, data={"token": "x"}, auth=auth).status_code == 200


@pytest.mark.anyio
async def test_metadata_is_served_for_a_public_url_with_a_path(service: Service) -> None:
    """For a proxy that strips the path, and at the well-known path of RFC 8414, section 3.1."""
    url = "https://example.org/team/accounts"
    async with inside(service, LATCHKEY_PUBLIC_URL=url) as client:
        for path in (METADATA, f"{METADATA}/team/accounts"):
            found = (await client.get(path)).json()
            assert (found["issuer"], found["jwks_uri"]) == (url, f"{url}/.well-known/jwks.json")
        for path in ("/team", "/accounts", "/team/accounts/x", "/team/accounts2", "/team%2faccounts"):
            assert (await client.get(METADATA + path)).status_code in {400, 404}
    assert code(service.client().get(f"{METADATA}/accounts")) == "not_found"


@pytest.mark.anyio
async def test_metadata_lists_the_algorithms_of_the_keys(service: Service, tmp_path: Path) -> None:
    for alg in (Algorithm.RS256, Algorithm.RS256, Algorithm.EDDSA, Algorithm.ES256):
        make_key(tmp_path, alg)
    async with inside(service, LATCHKEY_SIGNING_KEYS=str(tmp_path)) as client:
        document = (await client.get(METADATA)).json()
    for name in ("access_token", "id_token"):
        assert document[f"{name}_signing_alg_values_supported"] == ["ES256", "EdDSA", "RS256"]


@pytest.mark.anyio
@pytest.mark.parametrize("origins", ["", "https://app.example.org"])
async def test_public_documents_allow_any_origin(service: Service, origins: str) -> None:
    async with inside(service, LATCHKEY_CORS_ORIGINS=origins) as client:
        for path in (METADATA, "/.well-known/jwks.json", "/openapi.json"):
            for headers in ({}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}):
                answer = await client.get(path, headers=headers)
                assert (answer.status_code, answer.headers.get_list("access-control-allow-origin")) == (200, ["*"])
        own = await client.get("/v1/me", headers={"Origin": "https://elsewhere.example"})
        assert "access-control-allow-origin" not in own.headers


@pytest.mark.anyio
async def test_introspection_shows_the_audience_of_a_token(service: Service) -> None:
    auth, email = service.program(), service.user("member")
    async with inside(service, LATCHKEY_AUDIENCE="notes, https://api.example.org") as client:
        pair = (await client.post("/v1/login", json={"login": email, "password": PASSWORD})).json()
        said = await client.post("/v1/introspect", data={"token": pair["access_token"]}, auth=auth)
        me = await client.get("/v1/me", headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert said.json()["aud"] == [said.json()["iss"], "notes", "https://api.example.org"]
    assert me.status_code == 200
