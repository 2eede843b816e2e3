"""A load balancer that sends every request, not every connection, to the next registry in turn.

A client that keeps its connection therefore speaks to another gateway with each request: nothing that a gateway only remembers can
help it. Heads and bodies pass unchanged, chunked ones and ``Expect: 100-continue`` included; the balancer adds and repairs nothing.

with RoundRobin(["127.0.0.1:5001", "127.0.0.1:5002"]) as balancer:
    ...  balancer.host; balancer.sent counts the requests to each
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

_PIECE_BYTES = 256 * 1024
_SECONDS = 60.0


class RoundRobin:
    def __init__(self, hosts: Sequence[str]) -> None:
        self.sent = dict.fromkeys(hosts, 0)
        self._turn = itertools.cycle(hosts)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.balancer = self
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def next(self) -> str:
        with self._lock:
            host = next(self._turn)
            self.sent[host] += 1
            return host

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    balancer: RoundRobin

    def handle_error(self, request, client_address):
        """Clients that hang up are no news."""


class _Connection(socketserver.StreamRequestHandler):
    server: _Server
    timeout = _SECONDS
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while head := _head(self.rfile):
            if not self._pass_on(head):
                return

    def _pass_on(self, head: bytes) -> bool:
        """One request and its answer; whether the connection goes on."""
        host, _, port = self.server.balancer.next().partition(":")
        with socket.create_connection((host, int(port)), _SECONDS) as gateway, gateway.makefile("rb") as answers:
            gateway.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            gateway.sendall(head)
            waits = b"100-continue" in (_field(head, b"expect") or b"").lower()
            answer = _head(answers) if waits else b""
            if waits and _status(answer) == 100:
                self.wfile.write(answer)
                answer = b""
            if not answer:
                # A registry may refuse, and close, before it has read all: then its answer is what counts.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    _copy_body(self.rfile, gateway.makefile("wb", 0), head, is_empty=_has_no_body(head))
                answer = _head(answers)
            if not answer:
                return False
            self.wfile.write(answer)
            is_empty = head.startswith(b"HEAD ") or _status(answer) in (204, 304)
            goes_on = _copy_body(answers, self.wfile, answer, is_empty=is_empty)
            self.wfile.flush()
        return goes_on and (_field(answer, b"connection") or b"").lower() != b"close" and not waits


def _head(stream: BinaryIO) -> bytes:
    """Up to and with the empty line; empty at the end of the stream."""
    lines = []
    while True:
        line = stream.readline(65536)
        if not line:
            return b""
        lines.append(line)
        if line in (b"\r\n", b"\n") and len(lines) > 1:
            return b"".join(lines)


def _field(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def _has_no_body(head: bytes) -> bool:
    return _field(head, b"content-length") is None and _field(head, b"transfer-encoding") is None


def _copy_body(source: BinaryIO, target: BinaryIO, head: bytes, *, is_empty: bool) -> bool:
    """False: it went on to the end of the connection, so nothing can follow it."""
    if is_empty:
        return True
    if (_field(head, b"transfer-encoding") or b"").lower() == b"chunked":
        _copy_chunks(source, target)
        return True
    length = _field(head, b"content-length")
    left = int(length) if length is not None else None
    while left is None or left:
        piece = source.read1(_PIECE_BYTES if left is None else min(_PIECE_BYTES, left))
        if not piece:
            # Cut off: whoever waits for the rest must see it cut off as well.
            return False
        target.write(piece)
        left = None if left is None else left - len(piece)
    return left is not None


def _copy_chunks(source: BinaryIO, target: BinaryIO) -> None:
    while True:
        line = source.readline(65536)
        target.write(line)
        size = int(line.split(b";")[0], 16)
        while size:
            piece = source.read1(min(_PIECE_BYTES, size))
            target.write(piece)
            size -= len(piece)
        if line.startswith(b"0") and int(line.split(b";")[0], 16) == 0:
            while (trailer := source.readline(65536)) not in (b"\r\n", b"\n", b""):
                target.write(trailer)
            target.write(b"\r\n")
            return
        target.write(source.readline(8))
