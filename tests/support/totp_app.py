"""An authenticator app (RFC 6238) of a test."""

import time
from typing import Any

import pyotp

from tests.support.service import Client

PERIOD = 30


class TotpApp:
    """Gives the code of another time step each time, because each is accepted once: the previous step, the present
    one, then the next. After that it waits."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._totp = pyotp.TOTP(secret)
        now = time.time()
        # The previous step is accepted until the end of the present one.
        self._step = int(now // PERIOD) - (2 if PERIOD - now % PERIOD > 5 else 1)

    def code(self) -> str:
        self._step += 1
        earliest = (self._step - 1) * PERIOD
        time.sleep(max(0.0, earliest - time.time()))
        return self._totp.at(self._step * PERIOD)

    def code_in(self, seconds: float) -> str:
        """The code that it shows after these seconds."""
        return self._totp.at(int(time.time() + seconds))

    def last_code(self) -> str:
        """The same code again."""
        return self._totp.at(self._step * PERIOD)

    def wrong_code(self) -> str:
        """A code that no accepted time step has."""
        near = {self._totp.at((self._step + offset) * PERIOD) for offset in range(-3, 6)}
        return next(code for code in map("{:06}".format, range(20)) if code not in near)


def add_totp(client: Client, **more: str) -> tuple[TotpApp, dict[str, Any]]:
    """Add an authenticator app, and return it with the response."""
    options = client.post("/v1/factors/totp/options")
    assert options.status_code == 200, options.text
    app = TotpApp(options.json()["secret"])
    answer = client.post(
        "/v1/factors/totp", json={"challenge": options.json()["challenge"], "code": app.code(), **more}
    )
    assert answer.status_code == 201, answer.text
    return app, answer.json()
