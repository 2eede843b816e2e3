"""Where requests may lead, as rules without I/O.

    who                             may be
    the upstream itself             wherever its operator put it; it may not move to another zone while we run
    a redirect's target             public, or in a zone in which the upstream itself is; never http after https
    the realm of a token service    the upstream's own host or registrable domain, or allowed by name; http only if the upstream is

Addresses are judged as they are about to be connected to, after the name service has answered, so that a name that changes its
mind (DNS rebinding) is judged anew each time. CVE-2026-33540 and CVE-2026-2376 are what this module is for.
"""

from __future__ import annotations

import ipaddress
import threading
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Final

from publicsuffixlist import PublicSuffixList

from holdfast.errors import UpstreamWrongError
from syncworker.upstream import place as places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncworker.upstream.place import Origin, Place

# Token services on a host that shares no registrable domain with their registry, by the registry's host.
KNOWN_REALMS: Final[Mapping[str, frozenset[str]]] = {"registry-1.docker.io": frozenset({"auth.docker.io"})}
# Where clouds hand out credentials to whoever asks from inside. No registry lives there, whatever zone the upstream is in.
_METADATA: Final = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")))
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Zone(Enum):
    """What an address is good for."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    METADATA = "a cloud's metadata service"
    OTHER = "reserved"


def zone_of(text: str) -> Zone:
    """The zone of a numerical address. IPv4 inside IPv6 is judged as what it leads to.

    Raises:
        ValueError: no address.
    """
    address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
    if address in _METADATA:
        return Zone.METADATA
    if address.is_loopback:
        # First: ::1 lies in a range that is reserved as a whole.
        return Zone.LOOPBACK
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        return Zone.OTHER
    if address.is_link_local:
        return Zone.LINK_LOCAL
    if address.is_global:
        return Zone.PUBLIC
    return Zone.PRIVATE if address.is_private else Zone.OTHER


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


class Guard:
    """Says which of a host's addresses may be connected to. One for each upstream; shared by its threads."""

    def __init__(self, home: Origin) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._zones: frozenset[Zone] | None = None

    def admit(self, host: str, addresses: Sequence[str]) -> list[str]:
        """Those of ``addresses`` that may be connected to, in their order.

        Raises:
            UpstreamWrongError: none of them.
        """
        zones = {address: zone_of(address) for address in addresses}
        with self._lock:
            if host == self._home.host and self._zones is None and zones:
                # A name that leads outside and inside at once counts as outside: else whoever answers for the name could open
                # our network to the redirects of a public upstream.
                found = frozenset(zones.values())
                self._zones = frozenset({Zone.PUBLIC}) if Zone.PUBLIC in found else found
            own = self._zones or frozenset()
        allowed = [a for a, zone in zones.items() if zone is Zone.PUBLIC or zone in own]
        if host != self._home.host:
            allowed = [a for a in allowed if zones[a] is not Zone.METADATA]
        if addresses and not allowed:
            kinds = ", ".join(sorted({zone.value for zone in zones.values()}))
            raise UpstreamWrongError(
                f"{host} leads to an address that is {kinds}, where the upstream {self._home.authority} is not; "
                "if its operator moved it there, restart the worker",
                {"upstream": self._home.authority},
            )
        return allowed


def hop(home: Origin, here: Place, location: str) -> Place:
    """Where a redirect from ``here`` leads.

    Raises:
        UpstreamWrongError: to something that is no web address, or from https to http.
    """
    try:
        there = places.resolve(here, location)
    except ValueError as error:
        raise UpstreamWrongError(f"a redirect to {error}", {"upstream": home.authority}) from error
    if here.origin.scheme == "https" and there.origin.scheme != "https":
        raise UpstreamWrongError("a redirect from https to http", {"upstream": home.authority})
    return there


def realm(home: Origin, text: str, allowed: frozenset[str] = frozenset()) -> Place:
    """The token service that a challenge of ``home`` names.

    ``allowed`` are further hosts whose token services may see the credentials for this upstream.

    Raises:
        UpstreamWrongError: it is not the upstream's.
    """
    try:
        there = places.parse(text)
    except ValueError as error:
        raise UpstreamWrongError(f"a token realm that is {error}", {"upstream": home.authority}) from error
    if there.origin.scheme != "https" and home.scheme != "http":
        raise UpstreamWrongError("a token realm without https", {"upstream": home.authority})
    host = there.origin.host
    if not (is_kin(home.host, host) or host in allowed or host in KNOWN_REALMS.get(home.host, ())):
        raise UpstreamWrongError(
            f"the token realm is at {host}, which does not belong to {home.host}; no credentials go there "
            "unless tokenHosts names it",
            {"upstream": home.authority},
        )
    return there


def is_kin(one: str, other: str) -> bool:
    """Whether two hosts are the same or below the same registrable domain. Addresses are kin to themselves only."""
    if one == other:
        return True
    if _is_address(one) or _is_address(other):
        return False
    domain = _suffixes().privatesuffix(one)
    return domain is not None and domain == _suffixes().privatesuffix(other)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@cache
def _suffixes() -> PublicSuffixList:
    # Read on first use: the list takes a fifth of a second to parse. A top-level domain that is not listed (".internal") is
    # taken for a public one, so that registry.internal and token.internal are strangers to each other.
    return PublicSuffixList()
