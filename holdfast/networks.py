"""Addresses and ranges of them, as rules and proxies write them.

Promises
  * One machine has one spelling: an IPv4 address that a socket or a header writes as IPv6 (``::ffff:192.0.2.1``) is the IPv4
    address, here and wherever ``plain`` has been.
  * A range is strict: an address with bits behind the prefix is a mistake, not a rounding.
  * What is no address is in no range.

Never: asks a name service; a host name is no address.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Of an IPv6 network a customer gets at least so much: all of it is one party.
_PARTY_BITS: Final = 64
_MAPPED_BITS: Final = 96
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_LONGEST: Final = 64
_REMEMBERED: Final = 8192


def address(text: str) -> Address | None:
    """None: no IP address. A zone (``%eth0``) belongs to the machine that wrote it, and is dropped."""
    if len(text) > _LONGEST:
        return None
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def network(text: str) -> Network:
    """One address, or a range in CIDR notation.

    Raises:
        ValueError: neither, or bits behind the prefix.
    """
    found = ipaddress.ip_network(text)
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        base = found.network_address.ipv4_mapped
        return ipaddress.IPv4Network((int(base or 0), found.prefixlen - _MAPPED_BITS))
    return found


@lru_cache(_REMEMBERED)
def plain(text: str) -> str:
    """An address in its one spelling; what is none stays as it is."""
    found = address(text)
    return text if found is None else str(found)


@lru_cache(_REMEMBERED)
def party(text: str) -> str:
    """Whom an address stands for when callers are counted: itself, and of IPv6 its whole /64."""
    found = address(text)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(found), _PARTY_BITS), strict=False))
    return text if found is None else str(found)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Any number of them; none holds no address."""

    networks: tuple[Network, ...] = ()
    _held: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Of its own: hashing many ranges at every question costs more than the answer.
        object.__setattr__(self, "_held", lru_cache(_REMEMBERED)(self._holds))

    @classmethod
    def of(cls, texts: Iterable[str]) -> Ranges:
        """Raises ValueError, as ``network``."""
        return cls(tuple(map(network, texts)))

    def __bool__(self) -> bool:
        return bool(self.networks)

    def holds(self, text: str) -> bool:
        """Whether this is an address in one of them."""
        return self._held(text)

    def _holds(self, text: str) -> bool:
        found = address(text)
        return found is not None and any(found in one for one in self.networks)
