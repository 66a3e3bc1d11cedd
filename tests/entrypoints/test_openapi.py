"""The OpenAPI document is valid and has what client generators need."""

import json
from collections.abc import Iterator
from typing import Any

import prance
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from entrypoints.http.openapi import TAGS
from entrypoints.http.problem_types import CATALOGUE
from tests.support.service import Service

OPERATIONS = {
    *("register", "verifyEmail", "resendVerification"),
    *("logIn", "refresh", "logOut", "logOutEverywhere", "listSessions", "endSession"),
    "issueSessionToken",
    *("getMe", "updateMe", "deleteMe", "exportMe", "listMyEvents"),
    *("requestPasswordReset", "resetPassword", "changePassword", "requestEmailChange", "confirmEmailChange"),
    *("listUsers", "getUser", "updateUser", "deleteUser", "logOutUser", "listUserEvents"),
    *("logInWithFactor", "beginPasskeyLogin", "logInWithPasskey", "beginStepUp", "stepUp"),
    *("listFactors", "renameFactor", "removeFactor", "replaceRecoveryCodes", "resetFactors"),
    *("beginPasskey", "addPasskey", "beginTotp", "addTotp"),
    *("invite", "listInvitations", "revokeInvitation", "acceptInvitation"),
    *("forwardAuth", "introspectToken", "revokeToken"),
    *("getLiveness", "getReadiness", "getJwks", "getServerMetadata", "getRelatedOrigins", "getMetrics"),
}
"""They name functions in generated clients: never rename one."""


@pytest.fixture
def openapi(service: Service) -> dict[str, Any]:
    document: dict[str, Any] = service.client().get("/openapi.json").json()
    return document


SECURITY: list[list[dict[str, list[str]]]] = [
    [],
    [{"bearer": []}],
    [{"basic": []}],
    [{"cookie": []}],
    [{"bearer": []}, {"cookie": []}],
]


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def body_schemas(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in operations(openapi):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield name, openapi["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[-1]]


def test_openapi_document_is_valid(openapi: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(openapi).validate()
    prance.ResolvingParser(spec_string=json.dumps(openapi), backend="openapi-spec-validator")


def test_openapi_operation_ids_are_stable(openapi: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(openapi)]
    assert len(ids) == len(set(ids))
    assert set(ids) == OPERATIONS


def test_openapi_operations_have_summary_tag_and_security(openapi: dict[str, Any]) -> None:
    assert {tag["name"] for tag in openapi["tags"]} == set(TAGS)
    for name, operation in operations(openapi):
        assert len(operation["tags"]) == 1, name
        assert operation["tags"][0] in TAGS, name
        assert " " in operation["summary"] or operation["summary"] in {"Liveness", "Readiness"}, name
        assert operation["summary"] != operation["operationId"]
        assert operation["security"] in SECURITY, name


def test_openapi_json_bodies_refuse_unknown_fields(openapi: dict[str, Any]) -> None:
    forms = {"POST /v1/introspect", "POST /v1/revoke"}
    bodies = dict(body_schemas(openapi))
    assert forms < set(bodies)
    for name, schema in bodies.items():
        assert name in forms or schema["additionalProperties"] is False, name


def test_openapi_optional_fields_have_no_default(openapi: dict[str, Any]) -> None:
    """With a default, openapi-typescript makes the field required."""
    for name, schema in body_schemas(openapi):
        assert not [field for field, field_schema in schema["properties"].items() if "default" in field_schema], name


def test_openapi_query_parameters_are_never_null(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        for parameter in operation.get("parameters", []):
            assert "null" not in json.dumps(parameter["schema"]), name


def test_openapi_problem_codes_are_those_of_the_catalogue(openapi: dict[str, Any]) -> None:
    assert openapi["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == list(CATALOGUE)


def test_openapi_refusals_describe_their_headers(openapi: dict[str, Any]) -> None:
    headers = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
    for name, operation in operations(openapi):
        for status, header in headers.items():
            if status in operation["responses"]:
                assert "schema" in operation["responses"][status]["headers"][header], name


def test_openapi_examples_fit_their_schemas(openapi: dict[str, Any]) -> None:
    document = Registry().with_resource("urn:openapi", DRAFT202012.create_resource(openapi))
    count = 0

    def check(reference: str, example: Any) -> None:
        nonlocal count
        count += 1
        Draft202012Validator({"$ref": f"urn:openapi{reference}"}, registry=document).validate(example)

    for name, schema in openapi["components"]["schemas"].items():
        if schema.get("type") == "object":
            assert schema["examples"], name
            for example in schema["examples"]:
                check(f"#/components/schemas/{name}", example)
    for name, operation in operations(openapi):
        for status, answer in operation["responses"].items():
            for content in answer.get("content", {}).values() if status >= "400" else ():
                assert content["examples"], name
                for code, example in content["examples"].items():
                    assert CATALOGUE[code].status == int(status)
                    check(content["schema"]["$ref"], example["value"])
    assert count > 200


def test_openapi_servers_names_the_public_url(service: Service, openapi: dict[str, Any]) -> None:
    assert [server["url"] for server in openapi["servers"]] == [service.url]


def test_openapi_keys_are_typed(openapi: dict[str, Any]) -> None:
    content = openapi["paths"]["/.well-known/jwks.json"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/PublicKeys"}
