"""Where the API listens. Standard library only: `make run` reads this before anything else is loaded."""

import errno
import re
import socket
from ipaddress import ip_address

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def listen_host(text: str) -> str:
    """An address or a name; an IPv6 address may stand in brackets, as in a URL (RFC 3986, section 3.2.2)."""
    host = text.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        name = False
    else:
        name = bool(_NAME.fullmatch(host))
    if not name:
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(
                "must be an address or a name, such as 127.0.0.1, 0.0.0.0 or ::, without a port"
            ) from None
    return host


def listens_everywhere(host: str) -> bool:
    """Whether a server that listens on `host` listens on every address of the machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def reachable_at(host: str) -> str:
    """Where this machine reaches a server that listens on `host`."""
    if not listens_everywhere(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def cannot_listen(host: str, port: int) -> str | None:
    """Why the service cannot listen there and which setting to change, or None."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            return f"LATCHKEY_PORT: cannot listen on {where}: {why}. Set LATCHKEY_PORT to another port."
    except UnicodeError:
        why = "not a host name"
    except OverflowError as error:
        return (
            f"LATCHKEY_PORT: cannot listen on {where}: {str(error).rstrip('.')}. Set LATCHKEY_PORT to another port."
        )
    else:
        return None
    return (
        f"LATCHKEY_HOST: cannot listen on {where}: {why}. Set LATCHKEY_HOST to an address of this machine,"
        " such as 127.0.0.1, or 0.0.0.0 for all of them."
    )
