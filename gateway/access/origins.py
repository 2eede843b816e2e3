"""Web origins: which pages may ask, and where a login may return to (RFC 6454; the Fetch standard, "CORS protocol").

Promises: an address that a browser would read otherwise than we do (backslashes, control characters, a user before the host, no
host) is of no origin; so nothing that leads elsewhere passes for one of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 2048


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of an absolute http or https address, "" for anything else."""
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port is None or port == _PORTS[parts.scheme] else f":{port}")


@dataclass(frozen=True, slots=True)
class Origins:
    """A set of them. ``everybody``: "*" was among them."""

    known: frozenset[str] = frozenset()
    everybody: bool = False

    @classmethod
    def of(cls, texts: Iterable[str]) -> Origins:
        """Of addresses as an operator writes them; a path behind an origin says nothing."""
        written = [text.strip() for text in texts]
        return cls(frozenset(filter(None, map(origin_of, written))), "*" in written)

    def has(self, origin: str) -> bool:
        """Whether a page of this origin is named. ``origin`` as a browser sends it."""
        return bool(origin) and origin_of(origin) in self.known

    def leads_to(self, url: str) -> bool:
        """Whether an address is of a known origin."""
        return origin_of(url) in self.known
