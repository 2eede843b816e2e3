"""The HTTP proxy of the environment, as every client honours it: ``HTTPS_PROXY`` with ``NO_PROXY``, in capitals or not.

    what is asked                 how
    https                         by CONNECT through the proxy, so that it sees names and no content
    http                          directly; a proxy would see everything, logins included
    this machine                  directly, whatever is set (localhost and loopback, as Go's clients do)
    what NO_PROXY names           directly: ``*``, hosts and all below them, addresses, each with a port or without; networks

Pure: the environment is an argument, and nothing is connected to.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from holdfast.addresses import is_host
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it is, and what goes into ``Proxy-Authorization``; empty: nothing."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxy, if there is one, and what does not go through it."""

    proxy: Proxy | None = None
    exempt: tuple[str, ...] = ()

    def towards(self, host: str, port: int) -> Proxy | None:
        """The proxy for https to this host; None: connect directly."""
        if self.proxy is None or _is_here(host) or any(_covers(entry, host, port) for entry in self.exempt):
            return None
        return self.proxy


DIRECT: Final = Proxies()


def of(environment: Mapping[str, str]) -> Proxies:
    """What the environment says.

    Raises:
        ConfigError: a proxy of another kind, or no URL.
    """
    url = environment.get("https_proxy") or environment.get("HTTPS_PROXY") or ""
    if not url.strip():
        return DIRECT
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    entries = exempt.replace(",", " ").lower().split()
    return Proxies(_parsed(url.strip()), tuple(entries))


def _parsed(url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port or _PORT
    except ValueError as error:
        raise ConfigError("HTTPS_PROXY is no URL; write it as http://host:port") from error
    if parts.scheme != "http" or not is_host(host):
        # Its text may hold a password.
        raise ConfigError("HTTPS_PROXY is no HTTP proxy; write it as http://host:port")
    if parts.username is None:
        return Proxy(host, port)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host, port, "Basic " + base64.b64encode(login.encode()).decode())


def _is_here(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and (":" not in name or name.endswith("]")):
        if int(wanted) != port:
            return False
        entry = name.strip("[]")
    domain = entry.removeprefix("*").removeprefix(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
