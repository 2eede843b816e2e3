"""A client's connection, from its first byte to its end: what gunicorn's own leaves open.

Promises
  * A TLS hello on a plain port and plain HTTP on a TLS port are told apart before anything is parsed; a handshake is made in the
    connection's thread.
  * An answer that was cut off never looks like an ended one (RST), and one that was sent whole is not overtaken by a RST.
  * ``close`` never waits.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from gunicorn import http, util
from gunicorn.workers.gthread import TConn

from gateway import tls
from gateway.flights import HANDSHAKE, HEAD, Flight
from gateway.refusals import PlainHttpError, TlsHelloError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.access.connection import Connection as Known

# After the last answer on a connection what the client still sends is read and dropped, so that no RST overtakes the answer.
_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 16 * 1024 * 1024
# struct linger {1, 0}: closing sends a RST, so that a cut answer never looks like an ended one.
_RESET: Final = b"\1\0\0\0\0\0\0\0"


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A client connection, with its flight. ``certificates`` None: it is plain. ``known``: what a TLS handshake has told."""

    flight: Flight | None = None
    certificates: tls.Certificates | None = None
    known: Known | None = None
    broken = False
    data_ready: bool
    sock: socket.socket
    # Gives the connection's place to somebody else; called once.
    leave: Callable[[], None] | None = None

    def close(self, graceful: bool = False) -> None:  # noqa: ARG002 - gunicorn's signature
        """Never waits: the event loop calls it. The waiting has been done in :func:`linger`, by the thread."""
        if self.leave is not None:
            self.leave()
            self.leave = None
        if self.broken:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        else:
            tls.part(self.sock)
        util.close(self.sock)

    def init(self) -> None:
        if self.initialized:
            return
        first = self.sock.recv(1, socket.MSG_PEEK)
        if self.certificates is None:
            if first == tls.HELLO:
                raise TlsHelloError
            super().init()
        elif first not in (tls.HELLO, b""):
            raise PlainHttpError
        elif not first:
            raise http.errors.NoMoreData
        else:
            self._agree(self.certificates)

    def _agree(self, certificates: tls.Certificates) -> None:
        context = certificates.context
        self.sock = secured = tls.begin(self.sock, context)
        if self.flight is not None:
            self.flight.sock = secured
            self.flight.turn = HANDSHAKE
        secured.do_handshake()
        if self.flight is not None:
            self.flight.turn = HEAD
        self._context = context
        self.known = tls.known(secured)
        self.parser = http.get_parser(self.cfg, secured, self.client)
        self.initialized = True

    @property
    def is_outdated(self) -> bool:
        """Whether its client's certificate was believed by an authority's file that is another one by now."""
        if self.certificates is None or self.known is None or self.known.certificate is None:
            return False
        return self._context is not self.certificates.context

    @property
    def is_silent(self) -> bool:
        """Nothing has come yet."""
        return not self.initialized and not self.data_ready and not readable(self.sock, 0)

    def wait_for_data(self, timeout: float) -> bool:
        """As gunicorn's, without making an epoll instance for every connection."""
        if not self.data_ready:
            self.data_ready = readable(self.sock, int(timeout * 1000))
        return bool(self.data_ready)


def linger(sock: socket.socket) -> None:
    """End a connection without cutting off the answer: say that no more comes, and drop what the client still sends."""
    deadline = time.monotonic() + _LINGER_SECONDS
    dropped = 0
    with contextlib.suppress(OSError):
        tls.part(sock)
        tls.shut(sock, socket.SHUT_WR)
        while (
            dropped < _LINGER_BYTES and (left := deadline - time.monotonic()) > 0 and readable(sock, int(left * 1000))
        ):
            came = tls.drop(sock, 1024 * 1024)
            if not came:
                break
            dropped += came
    with contextlib.suppress(OSError):
        tls.shut(sock, socket.SHUT_RDWR)


def readable(sock: socket.socket, timeout_millis: int) -> bool:
    """Whether there is something to read, an end included, before the time is out."""
    poll = select.poll()
    try:
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(timeout_millis))
    except (OSError, ValueError):
        return False
