"""Places: where a request goes, as scheme, host, port and target, taken apart once and strictly.

Promises: two places are the same origin exactly if scheme, host and port are equal; hosts are lower-case and without brackets.

Never: user names in a URL, fragments, control characters, schemes other than http and https. Nothing here asks a name service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from holdfast.addresses import is_host

_PORTS: Final = {"http": 80, "https": 443}
_MAX_CHARACTERS: Final = 8192
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f\\]")
# What may stand in a path and a query (RFC 3986), and escapes that are there already.
_SAFE: Final = "/:@!$&'()*+,;=-._~%?[]"


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Who is spoken to."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As in a ``Host`` header and in files with logins: without a port that is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Place:
    """An origin and a target there; ``target`` starts with a slash and may hold a query."""

    origin: Origin
    target: str = "/"

    def at(self, target: str) -> Place:
        """Another target of the same origin."""
        return replace(self, target=target)

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse(url: str) -> Place:
    """An absolute URL.

    Raises:
        ValueError: not one, or one of the forms that are refused.
    """
    if len(url) > _MAX_CHARACTERS or _UNFIT.search(url):
        raise ValueError("a URL with blanks, control characters or backslashes, or longer than 8192 characters")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("a URL that is neither http nor https")
    if "@" in parts.netloc:
        raise ValueError("a URL with a user name in it")
    # urlsplit has lowered the host and taken the brackets off.
    host = (parts.hostname or "").removesuffix(".")
    if not host or not is_host(host):
        raise ValueError("a URL without a host")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    path = quote(parts.path, safe=_SAFE) or "/"
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return Place(Origin(parts.scheme, host, port), path + query)


def resolve(here: Place, reference: str) -> Place:
    """A reference in an answer from ``here``, absolute or relative (RFC 3986, section 5).

    Raises:
        ValueError: as :func:`parse`.
    """
    if len(reference) > _MAX_CHARACTERS or _UNFIT.search(reference):
        raise ValueError("a reference with blanks, control characters or backslashes, or longer than 8192 characters")
    return parse(urljoin(str(here), reference))
