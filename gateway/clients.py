"""Where a request comes from: the one place that decides it, before anything else looks.

    REMOTE_ADDR        the client's address, in one spelling
    wsgi.url_scheme    http or https, as the client sees it
    HTTP_HOST          the name that the client asked for

Access log, audit log, conditions, throttles, limits and address rules read these and nothing else.

Promises
  * Without trusted proxies no header moves any of them, and X-Forwarded-For is taken off the request.
  * From a trusted proxy X-Forwarded-For is read from the right, where proxies append, up to the first address that is no trusted
    proxy: what a client has written itself stands further left, and is never reached. If all are proxies it is the leftmost.
  * Something that is no address, met on the way, ends it: the address is that of the connection.

Never: RFC 7239's ``Forwarded``. A proxy that appends to one of the two headers passes the other one on as the client wrote it; so
one is read, and it is the one that proxies write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from holdfast.networks import Ranges, address, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST")
_SCHEMES: Final = frozenset({"http", "https"})
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
# Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711.
_WITH_PORT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5})", re.ASCII)
# More proxies than anybody has in a row; what a client writes may be longer.
_MOST_HOPS: Final = 32
_LONGEST_HOP: Final = 100
_REMEMBERED: Final = 8192


@dataclass(frozen=True, slots=True)
class Clients:
    """``proxies``: those whose word about their clients counts."""

    proxies: Ranges = Ranges()  # noqa: RUF009 - frozen

    @classmethod
    def behind(cls, proxies: Iterable[str]) -> Clients:
        """Raises ValueError: one is no range."""
        return cls(Ranges.of(proxies))

    def settle(self, environ: dict[str, Any]) -> None:
        """Put the truth into a WSGI environment."""
        peer = environ["REMOTE_ADDR"] = plain(environ.get("REMOTE_ADDR") or "")
        if not self.proxies or not self.proxies.holds(peer):
            for name in _FORWARDED:
                environ.pop(name, None)
            return
        environ["REMOTE_ADDR"] = self.origin(peer, environ.get("HTTP_X_FORWARDED_FOR", ""))
        scheme = _first(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        if scheme in _SCHEMES:
            environ["wsgi.url_scheme"] = scheme
        host = _first(environ.get("HTTP_X_FORWARDED_HOST", ""))
        if _HOST.fullmatch(host):
            environ["HTTP_HOST"] = host

    def origin(self, peer: str, forwarded_for: str) -> str:
        """Who asks ``peer``, a trusted proxy, by what is said in its header."""
        found = peer
        hops = forwarded_for.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:] if forwarded_for.strip() else []
        for hop in reversed(hops):
            # Longer than any address is none, and not worth remembering.
            said = _hop(hop.strip()) if len(hop) <= _LONGEST_HOP else None
            if said is None:
                return peer
            found = said
            if not self.proxies.holds(found):
                break
        return found


@lru_cache(_REMEMBERED)
def _hop(text: str) -> str | None:
    """The address in one entry; None: there is none."""
    written = _WITH_PORT.fullmatch(text)
    found = address(written[1] or written[2] if written else text)
    return None if found is None else str(found)


def _first(text: str) -> str:
    return text.partition(",")[0].strip()
