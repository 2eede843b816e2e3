"""Where the registry is and how far it is trusted.

An :class:`Endpoint` exists only in valid form. :meth:`Dialer.connect` is the one door to a socket, so foreign network
errors of connecting are translated here.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from holdfast.errors import AnswerError, RequestInvalidError

if TYPE_CHECKING:
    from pathlib import Path

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Scheme, host and port of an HTTP server. Made by :func:`parse`."""

    host: str
    port: int
    tls: bool

    @property
    def authority(self) -> str:
        """The ``Host`` header: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse(url: str) -> Endpoint:
    """The endpoint of ``http(s)://host[:port]``, or of ``host[:port]`` (plain HTTP, as every client takes loopback).

    Raises:
        RequestInvalidError: another scheme, no host, a port that is none, or a path.
    """
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise RequestInvalidError(f"{url!r} is not a URL ({error}); write http://host:port") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise RequestInvalidError(f"{url!r} is not the URL of a registry; write http://host:port or https://host:port")
    if parts.path.strip("/") not in {"", "v2"} or parts.query or parts.username is not None:
        raise RequestInvalidError(f"{url!r} has more than scheme, host and port; names and passwords are options")
    return Endpoint(parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "https")


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens sockets. ``insecure`` skips certificate checks, ``ca_file`` replaces the system's authorities."""

    timeout_seconds: float = 30.0
    insecure: bool = False
    ca_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A client context; reading the authorities takes milliseconds, so there is one for all connections.

        Raises:
            RequestInvalidError: the CA file cannot be read or holds no certificate.
        """
        return _context(self.ca_file, self.insecure)

    def connect(self, endpoint: Endpoint, receive_buffer_bytes: int = 0) -> socket.socket:
        """A connected socket with the time-out set and Nagle's delay off.

        Raises:
            AnswerError: refused, unreachable, timed out, or the certificate does not pass.
        """
        context = self.context() if endpoint.tls else None
        plain = None
        try:
            plain = _dial(endpoint, self.timeout_seconds, receive_buffer_bytes)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(plain, server_hostname=endpoint.host) if context else plain
        except OSError as error:
            if plain is not None:
                plain.close()
            raise AnswerError(f"cannot connect to {endpoint.url}: {error}", reason="connect") from error


@lru_cache
def _context(ca_file: Path | None, insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is one of them
        raise RequestInvalidError(f"cannot use {ca_file} as CA file ({error}); give a PEM file") from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _dial(endpoint: Endpoint, timeout_seconds: float, receive_buffer_bytes: int) -> socket.socket:
    if not receive_buffer_bytes:
        return socket.create_connection((endpoint.host, endpoint.port), timeout_seconds)
    # A small receive buffer counts only when it is set before the handshake announces the window.
    family, kind, protocol, _, address = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        made.settimeout(timeout_seconds)
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made
