"""Settings of the HTTP server: address, processes, proxies and origins."""

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

from entrypoints.listening import listen_host
from entrypoints.settings.reader import SettingsReader
from entrypoints.settings.setting import seconds, setting, whole_number, words

LONGEST_DRAIN = timedelta(minutes=10)
Network = IPv4Network | IPv6Network
_ORIGIN = re.compile(
    r"(?:https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])|(?!https?:|file:)[a-z][a-z0-9+.-]*://[A-Za-z0-9._~-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_WIDEST = {4: 8, 6: 16}
"""The shortest plausible prefix of a proxy network, by IP version."""
_OUR_OWN, _MAPPED = IPv6Network("fc00::/7"), IPv6Network("::ffff:0:0/96")


def origins(text: str) -> tuple[str, ...]:
    """Parse origins as browsers and web views of apps send them (RFC 6454 section 6.2): without a path and
    without the default port of the scheme. `null` is not allowed, because every sandboxed page has that origin."""
    origins_given = tuple(words(text))
    for origin in origins_given:
        named = _ORIGIN.fullmatch(origin)
        if named is None or int(named["port"] or 1) not in range(1, 65536):
            raise ValueError("must be a list of origins such as https://app.example.org or capacitor://localhost")
    return tuple(map(without_implied_port, origins_given))


def web_origins(text: str) -> tuple[str, ...]:
    """Parse origins of web pages."""
    given = origins(text)
    if not all(origin.startswith(("http://", "https://")) for origin in given):
        raise ValueError("must be a list of origins such as https://app.example.org")
    return given


def without_implied_port(origin: str) -> str:
    scheme, _, _ = origin.partition(":")
    return origin.removesuffix({"https": ":443", "http": ":80"}.get(scheme, "/"))


def hosts(text: str) -> tuple[str, ...]:
    names = tuple(words(text.lower()))
    for host in names:
        if not re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", host):
            raise ValueError("must be a list of names such as accounts.example.org, without scheme and port")
    return names


def bearer_token(text: str) -> str:
    """A bearer token (RFC 6750 section 2.1)."""
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]{16,}=*", text):
        raise ValueError(
            "must have at least 16 letters, digits or . _ ~ + / -, such as `openssl rand -hex 32` prints"
        )
    return text


def networks(text: str) -> tuple[Network, ...]:
    parsed = tuple(ip_network(word) for word in words(text))
    for network in parsed:
        if isinstance(network, IPv6Network) and (network.network_address.scope_id or network.subnet_of(_MAPPED)):
            raise ValueError(f"{network} cannot be a caller's address: omit zones, and write IPv4 as such")
    return parsed


def too_wide(network: Network) -> bool:
    """Whether clients on the internet may have addresses in the network; they could then forge X-Forwarded-For."""
    own = isinstance(network, IPv6Network) and network.subnet_of(_OUR_OWN)
    return network.prefixlen < _WIDEST[network.version] and not own


def _proxies_only(networks: tuple[Network, ...]) -> None:
    for network in networks:
        if too_wide(network):
            raise ValueError(f"trusts {network}, so clients could forge their IP addresses; list only the proxies")


def _cores(_: SettingsReader) -> int:
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True, repr=False)
class Server:
    host: str = setting(
        "HOST", "address that the API listens on", parse=listen_host, default="127.0.0.1", shown="127.0.0.1"
    )
    port: int = setting(
        "PORT",
        "port that the API listens on. In Kubernetes set `enableServiceLinks: false`: beside a Service named"
        " `latchkey`, service links such as `LATCHKEY_PORT=tcp://10.3.240.17:8000` look like settings (they are"
        " ignored)",
        parse=whole_number(1, 65535),
        default=8000,
    )
    processes: int = setting(
        "PROCESSES",
        "number of API processes",
        parse=whole_number(1, 256),
        default=_cores,
        development=1,
        shown="cores (1 in development)",
    )
    cors_origins: tuple[str, ...] = setting(
        "CORS_ORIGINS",
        "list of origins whose pages may call the API, with any scheme (`capacitor://localhost`)",
        parse=origins,
        default=(),
    )
    protected_origins: tuple[str, ...] = setting(
        "PROTECTED_ORIGINS",
        "list of origins whose pages a proxy protects by forward auth, and to which people return after signing in."
        " Browsers send the session cookie to the host of `LATCHKEY_PUBLIC_URL` only, at any port",
        parse=web_origins,
        default=(),
    )
    allowed_hosts: tuple[str, ...] = setting(
        "ALLOWED_HOSTS",
        "list of hosts that are served. Without it any Host is served, because nothing is built from it; in"
        " development, pages are served to the names of this machine only. Health checks are served to any host",
        parse=hosts,
        default=(),
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES",
        "list of addresses or networks whose `X-Forwarded-For` is trusted",
        parse=networks,
        check=_proxies_only,
        default=(),
    )
    metrics_token: str | None = setting(
        "METRICS_TOKEN",
        "bearer token that `/metrics` requires: `authorization: {credentials: …}` in Prometheus",
        parse=bearer_token,
        optional=True,
    )
    drain: timedelta = setting(
        "DRAIN_SECONDS",
        "seconds after SIGTERM for which `/health/ready` answers 503 while requests are still served. Behind a load"
        " balancer set a few probe intervals, and at least ten seconds less than the platform waits before it kills",
        parse=seconds(0, LONGEST_DRAIN),
        default=timedelta(),
    )
