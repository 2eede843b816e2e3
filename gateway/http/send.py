"""Response bodies that do not pass through Python: a stored file, or parts of it, by ``sendfile``.

A :class:`FileBody` is a WSGI iterable. Under gunicorn on a plain socket it yields one empty piece, which makes the server send the
head, and then has the kernel send the file; elsewhere (TLS, another server) it yields the bytes. A file that turns out shorter than
announced raises, so that the connection is closed hard and never ends cleanly (ARCHITECTURE, promise 4).
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Final

from gateway.affinity import roaming
from gateway.flights import CLIENT
from holdfast.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.flights import Flight
    from gateway.http.ranges import Span

# One system call sends at most this much, so that the count of bytes sent is never far behind.
_STEP_BYTES: Final = 64 * 1024 * 1024
_PIECE_BYTES: Final = 1024 * 1024


class FileBody:
    """Sends ``parts`` in order: bytes as they are, spans from the file. Owns ``descriptor``; ``done`` is called once at the end."""

    def __init__(
        self, descriptor: int, parts: Sequence[bytes | Span], environ: dict[str, Any], done: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._parts = parts
        self._done = done
        self._flight: Flight | None = environ.get("holdfast.flight")
        self._affinity = environ.get("holdfast.affinity")
        sock = environ.get("gunicorn.socket")
        self._socket = sock if type(sock) is socket.socket and self._flight is not None else None

    def __iter__(self) -> Iterator[bytes]:
        yield b""  # the head goes out before the kernel takes over
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            elif self._socket is not None:
                with roaming(self._affinity, part.length_bytes):
                    self._send(self._socket, part)
            else:
                with roaming(self._affinity, part.length_bytes):
                    yield from self._read(part)

    def close(self) -> None:
        """Called by the WSGI server, always and at the end. A second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._done()

    def _send(self, sock: socket.socket, span: Span) -> None:
        if self._flight is not None:
            self._flight.turn = CLIENT
        offset = span.first
        while offset <= span.last:
            sent = os.sendfile(sock.fileno(), self._descriptor, offset, min(span.last + 1 - offset, _STEP_BYTES))
            if not sent:
                raise CorruptError("a stored file became shorter while it was sent")
            offset += sent
            if self._flight is not None:
                self._flight.sent_bytes += sent

    def _read(self, span: Span) -> Iterator[bytes]:
        offset = span.first
        while offset <= span.last:
            piece = os.pread(self._descriptor, min(span.last + 1 - offset, _PIECE_BYTES), offset)
            if not piece:
                raise CorruptError("a stored file became shorter while it was sent")
            offset += len(piece)
            yield piece


class StreamBody:
    """Bytes that come from a node. The first piece is fetched before the head goes out, so that its failure is still an answer."""

    def __init__(self, pieces: Iterator[bytes | memoryview], size_bytes: int, done: Callable[[], None]) -> None:
        self._pieces = pieces
        self._left_bytes = size_bytes
        self._done = done
        self._first = bytes(next(pieces, b""))

    def __iter__(self) -> Iterator[bytes]:
        yield from self._counted(self._first)
        for piece in self._pieces:
            yield from self._counted(bytes(piece))
        if self._left_bytes:
            raise CorruptError("a node sent fewer bytes than it holds")

    def close(self) -> None:
        """Called by the WSGI server, always and at the end. A second call does nothing."""
        done, self._done = self._done, _nothing
        done()

    def _counted(self, piece: bytes) -> Iterator[bytes]:
        self._left_bytes -= len(piece)
        yield piece


def _nothing() -> None:
    """What is left to do after the end."""
