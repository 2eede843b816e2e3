"""One hostile request, and what may come back: data only.

A row says what goes over the socket and which statuses and codes are right. ``answers`` has one set of statuses for every
answer that must come on the connection, in order; no set at all means that the connection may end without one, because nothing
on it was a request. Words in ``@`` are replaced when the row is sent: ``@upload@`` is a new upload of the row's own repository,
``@foreign@`` a new upload of another one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = "hostile/own"
OTHER = "hostile/other"
BLOB = bytes(range(256)) * 512
FOREIGN_BLOB = b"only the other repository links this"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


MISSING = sha256(b"nobody has pushed this")


Statuses: TypeAlias = tuple[frozenset[int], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """``codes`` are those allowed in the last answer when it is an error; ``ends``: the client sends no more after ``data``."""

    name: str
    data: bytes
    answers: Statuses
    codes: frozenset[str]
    ends: bool = False


def request(
    method: str | bytes,
    target: str | bytes,
    *headers: str | bytes,
    body: bytes | None = None,
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """Bytes of a request, not one of them checked. A body brings its length along unless a header frames it."""
    lines = [b"%s %s %s" % (_raw(method), _raw(target), version), b"Host: registry", *map(_raw, headers)]
    framed = any(line.lower().startswith((b"content-length", b"transfer-encoding")) for line in lines)
    if body is not None and not framed:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def rows(
    group: str, status: int | set[int] | None, codes: str, requests: Mapping[str, bytes], *, ends: bool = False
) -> list[Row]:
    """Rows of one kind. ``codes`` is a list in one string; one status, a choice of them, or none for "may just close"."""
    allowed = {status} if isinstance(status, int) else status
    answers = () if allowed is None else (frozenset(allowed),)
    return [Row(f"{group}: {name}", data, answers, frozenset(codes.split()), ends) for name, data in requests.items()]


def chunked(*pieces: bytes) -> bytes:
    """A well-formed chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
