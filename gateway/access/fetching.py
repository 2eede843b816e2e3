"""Requests to services that vouch for users: issuers, token services.

Promises
  * https, checked against the authority given (or the system's); http to this machine's own loopback only, unless the caller has
    said otherwise of its one address.
  * Bounded: an answer has a size and a time, all of it together; redirects are not followed, proxies not used.
  * Whatever goes wrong on the way is an IssuerUnreachableError, and names the host, never what was sent.

Never: logs, remembers, tries again.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from holdfast.errors import IssuerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from holdfast.clock import Clock

# Of all that is asked for here; sets of keys have a few KiB.
LONGEST_BYTES: Final = 512 * 1024
_PATIENCE_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 5.0
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """``kind``: of the body, as its sender says. Nothing else of the head is of use here."""

    status: int
    kind: str
    body: bytes = field(repr=False)


class Fetcher:
    """Shared by threads; each request has a connection of its own. ``insecure``: http is allowed everywhere.
    ``patience_seconds``: for all of an answer.
    """

    def __init__(
        self,
        clock: Clock,
        authority: str = "",
        *,
        insecure: bool = False,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        """``authority``: certificates in PEM; "" for those of the system. Raises ValueError: it holds none."""
        self._clock = clock
        self._insecure = insecure
        self._patience_seconds = patience_seconds
        self._context = _context(authority)

    def get(self, url: str) -> Reply:
        """Raises IssuerUnreachableError."""
        return self.ask("GET", url, {"Accept": "application/json"})

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Whatever the service answers. Raises IssuerUnreachableError: nothing in time, too much, or at no address to ask."""
        place = require_address(url, insecure=self._insecure)
        deadline = self._clock.monotonic() + self._patience_seconds
        connection = self._connection(place)
        try:
            with contextlib.closing(connection), _cut_after(self._patience_seconds, connection):
                connection.request(method, _target(place), body, dict(headers))
                with connection.getresponse() as answer:
                    return Reply(answer.status, answer.getheader("Content-Type", ""), self._read(answer, deadline))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise IssuerUnreachableError(f"{place.hostname} does not answer: {_reason(error)}") from error

    def _connection(self, place: SplitResult) -> http.client.HTTPConnection:
        host = place.hostname or ""
        if place.scheme == "https":
            return http.client.HTTPSConnection(host, place.port, timeout=_SILENCE_SECONDS, context=self._context)
        return http.client.HTTPConnection(host, place.port, timeout=_SILENCE_SECONDS)

    def _read(self, answer: http.client.HTTPResponse, deadline: float) -> bytes:
        """Piece by piece: a service that drips a byte a second would never be silent."""
        pieces: list[bytes] = []
        size = 0
        while piece := answer.read1(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > LONGEST_BYTES:
                raise http.client.HTTPException("its answer is too long")
            if self._clock.monotonic() > deadline:
                raise TimeoutError("it takes too long")
        if answer.length:
            raise http.client.IncompleteRead(b"")
        return b"".join(pieces)


@contextlib.contextmanager
def _cut_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Nothing else ends a head that comes byte by byte: the library reads it in one go, and each byte is in time."""

    def cut() -> None:
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def require_address(url: str, *, insecure: bool) -> SplitResult:
    """Raises IssuerUnreachableError: it is no address, or one that is not asked."""
    try:
        place = urlsplit(url)
        _ = place.port
    except ValueError as error:
        raise IssuerUnreachableError("the service has an address that is none") from error
    if not place.hostname or "@" in place.netloc or not url.isascii() or not url.isprintable() or " " in url:
        raise IssuerUnreachableError("the service has an address that is none")
    is_plain = place.scheme == "http" and (insecure or _is_loopback(place.hostname))
    if place.scheme != "https" and not is_plain:
        raise IssuerUnreachableError(f"{place.hostname} is not asked: what vouches for users is reached by https alone")
    return place


@functools.cache
def _context(authority: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError("it holds no certificate in PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _target(place: SplitResult) -> str:
    path = place.path or "/"
    return f"{path}?{place.query}" if place.query else path


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason or 'no reason given'})"
    if isinstance(error, ValueError):
        return "what would be sent is no HTTP"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) if type(error) is http.client.HTTPException else "its answer is no HTTP, or ends early"
