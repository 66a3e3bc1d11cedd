"""Variables that Kubernetes sets in a pod for each Service of its namespace, and Docker for a linked container.

For a Service named `latchkey` (or `latchkey-…`) they begin like our settings, and LATCHKEY_PORT is one of them:
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

import re
from collections.abc import Mapping

_NAME = re.compile(
    r"LATCHKEY_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)"
    r"|LATCHKEY_ENV_(?!FILE$)\w+"
)
_PORT = re.compile(r"LATCHKEY_(?:[A-Z0-9_]+_)?PORT")
_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://.*", re.IGNORECASE)
_CONTAINER = re.compile(r"/[\w.-]+/[\w.-]+")


def is_service_link(name: str, value: str) -> bool:
    return (
        bool(_NAME.fullmatch(name))
        or bool(_PORT.fullmatch(name) and _ADDRESS.fullmatch(value.strip()))
        or bool(name == "LATCHKEY_NAME" and _CONTAINER.fullmatch(value))
    )


def without_service_links(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not is_service_link(name, value)}
