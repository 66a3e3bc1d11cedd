"""TOTP by pyotp, and QR codes by segno."""

import base64
import hmac
import io
import os
from datetime import datetime

import pyotp

from application.factors.ports import OneTimePasswords
from domain.factor import TOTP_DIGITS, TOTP_PERIOD, TOTP_WINDOW

_SECRET_LENGTH = 20
"""Bytes (RFC 4226 section 4 recommends 160 bits)."""
_PERIOD = int(TOTP_PERIOD.total_seconds())


class PyotpCodes(OneTimePasswords):
    """`issuer` is the name of the product, which authenticator apps show."""

    def __init__(self, *, issuer: str) -> None:
        self._issuer = issuer

    def new_secret(self) -> bytes:
        return os.urandom(_SECRET_LENGTH)

    def step(self, secret: bytes, code: str, *, now: datetime) -> int | None:
        given = "".join(code.split())
        if len(given) != TOTP_DIGITS or not (given.isascii() and given.isdigit()):
            return None
        codes, current = self._totp(secret), int(now.timestamp()) // _PERIOD
        matching = None
        # Compares with all, so that the time does not reveal which one matches.
        for step in range(current - TOTP_WINDOW, current + TOTP_WINDOW + 1):
            if hmac.compare_digest(codes.generate_otp(step), given):
                matching = step
        return matching

    def shown(self, secret: bytes) -> str:
        return base64.b32encode(secret).decode()

    def uri(self, secret: bytes, *, account: str) -> str:
        return self._totp(secret).provisioning_uri(name=account, issuer_name=self._issuer)

    def qr_code(self, uri: str) -> str:
        import segno  # only enrolments use it

        output = io.BytesIO()
        code = segno.make(uri, error="m", micro=False)
        # With a unit, it has a view box, by which a page can scale it.
        code.save(output, kind="svg", scale=4, unit="px", xmldecl=False, svgns=True)
        return output.getvalue().decode()

    def _totp(self, secret: bytes) -> pyotp.TOTP:
        return pyotp.TOTP(self.shown(secret), digits=TOTP_DIGITS, interval=_PERIOD)
