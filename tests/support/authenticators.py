"""Virtual authenticators of Chromium."""

from typing import Any

from selenium.webdriver import Chrome

_USUAL = {
    **{"protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": True},
    **{"hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True},
}


class Authenticators:
    """Those of a person, in the browser of this driver."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self._authenticators: list[str] = []

    def cdp(self, command: str, **parameters: object) -> dict[str, Any]:
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(command, parameters)
        return answer

    def add_authenticator(self, **options: object) -> str:
        """By default one that is part of the device, as in a laptop or a phone."""
        self.cdp("WebAuthn.enable", enableUI=False)
        added = self.cdp("WebAuthn.addVirtualAuthenticator", options=_USUAL | options)
        self._authenticators.append(added["authenticatorId"])
        return self._authenticators[-1]

    def set_user_present(self, present: bool) -> None:
        """Whether the person touches the authenticators at the requests to come."""
        for authenticator in self._authenticators:
            self.cdp("WebAuthn.setAutomaticPresenceSimulation", authenticatorId=authenticator, enabled=present)

    def remove_authenticators(self) -> None:
        while self._authenticators:
            self.cdp("WebAuthn.removeVirtualAuthenticator", authenticatorId=self._authenticators.pop())
