"""Where a process listens or is reached, as text: ``host:port``, ``[v6]:port`` or ``unix:/path``.

Promises: strict, pure; whether an address stays on this machine is judged by its text alone. Whatever is not understood
counts as beyond it.

Never: asks a name service. A host name, ``localhost`` included, may lead anywhere.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

UNIX: Final = "unix:"

_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HostPort:
    """A TCP address. ``host`` is a name or an IP address, without brackets.

    Raises:
        ValueError: neither a host name nor an IP address, or no port.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("a port outside 0 to 65535")
        if _ip(self.host) is None and not _is_name(self.host):
            raise ValueError("neither an IP address nor a host name before the port")

    @property
    def is_loopback(self) -> bool:
        """In 127.0.0.0/8, or ::1."""
        address = _ip(self.host)
        return address is not None and address.is_loopback

    @property
    def is_wildcard(self) -> bool:
        """All addresses of a machine, which nobody can connect to from elsewhere."""
        address = _ip(self.host)
        return address is not None and address.is_unspecified

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(text: str) -> HostPort:
    """``host:port``; an IPv6 address stands in brackets.

    Raises:
        ValueError: any other form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port):
        raise ValueError("no port after a colon")
    if host.startswith("[") and host.endswith("]"):
        inside = host[1:-1]
        if ":" not in inside:
            raise ValueError("brackets around something other than an IPv6 address")
        return HostPort(inside, int(port))
    if ":" in host:
        raise ValueError("an IPv6 address without brackets")
    return HostPort(host, int(port))


def stays_here(address: str) -> bool:
    """Whether no byte sent to this address can leave the machine: a Unix socket, or loopback by number."""
    if address.startswith(UNIX):
        return True
    try:
        return parse_host_port(address).is_loopback
    except ValueError:
        return False


def is_host(text: str) -> bool:
    """Whether this is an IP address (without brackets) or a host name."""
    return _ip(text) is not None or _is_name(text)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_name(text: str) -> bool:
    labels = text.removesuffix(".").split(".")
    # Digits and dots alone are an IPv4 address with a mistake in it.
    return len(text) <= 253 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
