"""TLS of the gateway's connections: certificates that are followed, handshakes, and ends that can be told from cuts.

Promises
  * New files act on new connections within about two seconds, without a restart. While the files do not fit together (one of them
    is replaced already, or half written) the last good ones stay, and the log says so once for each state of the files.
  * A handshake runs in the connection's own thread; :mod:`gateway.flights` ends one that takes too long.
  * An answer that is whole is followed by TLS's own goodbye, one that is cut is not.

Invariants: what is known of a connection is read once, after its handshake.

Never: lets a connection without a handshake through, waits for a client's goodbye.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Final

from holdfast.access.connection import Connection as Known
from holdfast.certs.client import client_certificate
from holdfast.certs.facts import facts_of
from holdfast.certs.files import read
from holdfast.certs.serving import server_context
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.certs.serving import ServerFiles

log = logging.getLogger("holdfast.gateway")

_PERIOD_SECONDS: Final = 1.0
# What a TLS record holds at most (RFC 8446, section 5.1).
_RECORD_BYTES: Final = 16 * 1024
# The first byte of a TLS record that opens a handshake (RFC 8446, section 5.1).
HELLO: Final = b"\x16"


class Socket(ssl.SSLSocket):
    """One that is asked for no more than TLS gives at once: Python makes room for all that it is asked for, each time."""

    def recv(self, buflen: int = _RECORD_BYTES, flags: int = 0) -> bytes:
        return super().recv(min(buflen, _RECORD_BYTES), flags)


class Certificates:
    """What the gateway shows now, and whom it believes. ``start`` follows the files in a thread of its own."""

    def __init__(self, files: ServerFiles) -> None:
        """Raises ConfigError: the files cannot be used."""
        self._files = files
        self._stamp = files.stamp()
        self.context = server_context(files)
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._follow, name="certificates", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """Take the files if they have changed and are good; else say once what is wrong with them."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.context = server_context(self._files)
            shown = facts_of(read(self._files.certificate))
        except ConfigError as error:
            log.error("the new certificate is not taken, the old one stays", extra={"reason": error.message})  # noqa: TRY400 - the reason says all
            return
        log.info("took the new certificate", extra={"subject": shown.subject, "ends": shown.ends.isoformat()})

    def _follow(self) -> None:
        while not self._stopping.wait(_PERIOD_SECONDS):
            self.look()


def begin(sock: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The same connection, whose handshake is still to come; ``sock`` is not to be used any more."""
    context.sslsocket_class = Socket
    return context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)


def known(sock: ssl.SSLSocket) -> Known:
    """What there is to know of a connection after its handshake."""
    cipher = sock.cipher()
    der = sock.getpeercert(binary_form=True)
    made = Known(sock.version() or "", cipher[0] if cipher else "")
    if der is None:
        return made
    try:
        return Known(made.version, made.cipher, client_certificate(der))
    except ValueError:
        return Known(made.version, made.cipher, None, is_unreadable=True)


def pending(sock: socket.socket) -> bool:
    """Whether decrypted bytes wait that no poll of the socket would show."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def part(sock: socket.socket) -> None:
    """Say that no more comes, in TLS's own words where it is spoken. Waits for nothing."""
    if isinstance(sock, ssl.SSLSocket):
        with contextlib.suppress(OSError, ValueError):
            sock.setblocking(False)
            sock.unwrap()  # sends our goodbye, and would wait for theirs


def shut(sock: socket.socket, how: int) -> None:
    """As ``socket.shutdown``; an SSLSocket's own would forget from another thread's hands that it was one."""
    socket.socket.shutdown(sock, how)


def drop(sock: socket.socket, size_bytes: int) -> int:
    """Read bytes as they came, encrypted ones too, to forget them; how many. Raises OSError: none are there."""
    return len(socket.socket.recv(sock, size_bytes, socket.MSG_DONTWAIT))
