"""Credentials in requests: access tokens (RFC 6750), and ids and secrets of clients (RFC 6749, section 2.3)."""

from base64 import b64decode
from collections.abc import Sequence
from urllib.parse import unquote_plus

from litestar.types import HTTPScope

from domain.refusals import ErrorCode, Refusal
from entrypoints.http.problems import mark_bearer
from entrypoints.http.request import AnyRequest, UnsupportedMediaType, header_values


def bearer_token(scope: HTTPScope) -> str:
    """The token in the Authorization header (RFC 6750, section 2.1). Raises `token_missing` or `token_invalid`."""
    values = header_values(scope, b"authorization")
    scheme, _, token = values[0].partition(" ") if values else ("", "", "")
    token = token.strip(" ")
    if scheme.lower() != "bearer":
        raise Refusal(ErrorCode.TOKEN_MISSING, "Send an access token: Authorization: Bearer …")
    mark_bearer(scope)
    if len(values) != 1 or not token:
        raise Refusal(ErrorCode.TOKEN_INVALID, "The access token is not valid.")
    return token


async def client_credentials(request: AnyRequest) -> tuple[str, str]:
    """The id and the secret of a client: by HTTP Basic or in the form, but not in both. Raises `invalid_credentials`
    or `malformed`."""
    values = [value for value in request.headers.getall("authorization", []) if value]
    try:
        form = await request.form()
    except UnsupportedMediaType:
        return _basic(values)
    except Refusal:
        if not values:
            raise
        return _basic(values)  # do not tell a client without credentials what is wrong with its form
    if not form.get("client_secret"):
        return _basic(values)
    if values:
        refusal = "Authenticate in the Authorization header or in the form, not in both (RFC 6749, section 2.3)."
        raise Refusal(ErrorCode.MALFORMED, refusal, field="client_secret")
    return form.get("client_id", ""), form["client_secret"]


def _basic(values: Sequence[str]) -> tuple[str, str]:
    """Id and secret from the Authorization header (RFC 6749 section 2.3.1: each is form-encoded before they are
    joined)."""
    scheme, _, encoded = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    try:
        if scheme.lower() != "basic":
            raise ValueError("another scheme")
        client_id, _, secret = b64decode(encoded.strip(" "), validate=True).decode().partition(":")
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError:
        refusal = "Send the id and the secret of a client: Authorization: Basic …, or client_id and client_secret."
        raise Refusal(ErrorCode.INVALID_CREDENTIALS, refusal) from None
