"""Fields and schemas of second factors."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from litestar.params import PathParameter
from msgspec import UNSET, Struct, UnsetType

from application.factors.enrolment import EnrolledFactor
from domain.factor import LONGEST_FACTOR_NAME, Factor, FactorKind
from entrypoints.http.fields import RowId, Timestamp, documented

_NONCE = "ZGVja2NoYWlycyBvbiB0aGUgVGl0YW5pYyBhcmUgbmljZQ"
_CREDENTIAL_ID = "VHdvIGxpZ2h0aG91c2VzIGFuZCBhIGJvYXQ"

ChallengeText = Annotated[
    str, documented("Signed, works once and for five minutes.", "eyJwIjoibG9naW4iLC.aRxT0A.s1gn")
]
TotpCode = Annotated[str, documented("The current code of the authenticator app.", "492039")]
FactorName = Annotated[str, documented("A name for people.", "My phone", maxLength=LONGEST_FACTOR_NAME)]
AssertionJson = Annotated[
    dict[str, Any],
    documented(
        "`toJSON()` of the result of `navigator.credentials.get` (AuthenticationResponseJSON, WebAuthn Level 3).",
        {
            "id": _CREDENTIAL_ID,
            "rawId": _CREDENTIAL_ID,
            "type": "public-key",
            "response": {
                "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
                "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAA",
                "signature": "MEUCIQDEhRvoCg",
                "userHandle": "AZmjxH0efDqbUl8Oin1sQQ",
            },
            "clientExtensionResults": {},
        },
        additionalProperties=True,
    ),
]
# One of several alternatives in a body, without an example: that of the body shows the first alternative only.
OrRecoveryCode = Annotated[str, documented("Or an unused recovery code; case, hyphens and spaces do not matter.")]
OrTotp = Annotated[str, documented("Or the current code of the authenticator app.")]
OrPasskey = Annotated[
    dict[str, Any],
    documented("Or `toJSON()` of the result of `navigator.credentials.get`.", additionalProperties=True),
]
RegistrationJson = Annotated[
    dict[str, Any],
    documented(
        "`toJSON()` of the result of `navigator.credentials.create` (RegistrationResponseJSON, WebAuthn Level 3).",
        {
            "id": _CREDENTIAL_ID,
            "rawId": _CREDENTIAL_ID,
            "type": "public-key",
            "response": {
                "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0",
                "attestationObject": "o2NmbXRkbm9uZWdhdHRTdG10oA",
                "transports": ["internal"],
            },
            "clientExtensionResults": {"credProps": {"rk": True}},
        },
        additionalProperties=True,
    ),
]
RequestOptions = Annotated[
    dict[str, Any],
    documented(
        "PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3) for `navigator.credentials.get`.",
        {
            "challenge": _NONCE,
            "rpId": "accounts.example.org",
            "timeout": 300_000,
            "userVerification": "required",
            "allowCredentials": [],
        },
        additionalProperties=True,
    ),
]
CreationOptions = Annotated[
    dict[str, Any],
    documented(
        "PublicKeyCredentialCreationOptionsJSON (WebAuthn Level 3) for `navigator.credentials.create`.",
        {
            "challenge": _NONCE,
            "rp": {"id": "accounts.example.org", "name": "Example"},
            "user": {"id": "AZmjxH0efDqbUl8Oin1sQQ", "name": "ada", "displayName": "ada"},
            "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
            "timeout": 300_000,
            "authenticatorSelection": {"residentKey": "required", "userVerification": "required"},
            "attestation": "none",
        },
        additionalProperties=True,
    ),
]
FactorKinds = Annotated[
    list[str],
    documented(
        "Which factors are accepted: some of `passkey`, `totp` and `recovery_code`.", ["totp", "recovery_code"]
    ),
]
RecoveryCodes = Annotated[
    list[str],
    documented("Shown only here. Each works once.", ["MFRGGZDFMZTWQ2LKNNWG23TP", "OBYXE43UOV3HO6DZPIYTEMZU"]),
]
BackedUp = Annotated[bool | None, documented("Whether a passkey is synchronized to other devices.", True)]
FactorIdInPath = Annotated[UUID, PathParameter(description="The factor's id.")]


class FactorResponse(Struct, frozen=True, kw_only=True):
    """`backed_up` is whether a passkey is synchronized to other devices; null for an authenticator app."""

    id: RowId
    kind: FactorKind
    name: FactorName
    created_at: Annotated[datetime, Timestamp]
    last_used_at: Annotated[datetime | None, Timestamp]
    backed_up: BackedUp

    @classmethod
    def of(cls, factor: Factor, **more: Any) -> Self:
        return cls(
            id=factor.id,
            kind=factor.kind,
            name=factor.name,
            created_at=factor.created_at,
            last_used_at=factor.last_used_at,
            backed_up=None if factor.passkey is None else factor.passkey.backed_up,
            **more,
        )


class EnrolledFactorResponse(FactorResponse, frozen=True, kw_only=True):
    """A factor. With the first one of an account, also its recovery codes."""

    recovery_codes: RecoveryCodes | UnsetType = UNSET

    @classmethod
    def of_enrolled(cls, enrolled: EnrolledFactor) -> Self:
        codes = enrolled.recovery_codes
        return cls.of(enrolled.factor, recovery_codes=UNSET if codes is None else list(codes))


class RecoveryCodeCountResponse(Struct, frozen=True):
    left: Annotated[int, documented("Unused codes.", 9)]
    created_at: Annotated[datetime, Timestamp]
