"""A way to a registry that breaks off in the middle of what is sent.

with Cutting(peer.host) as way:
    way.cut_after(1_000_000)       the next connection that sends so much is broken off there, on both sides
    way.url                        in front of the registry
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Cutting:
    """Serves from the moment it is made until its block ends."""

    PIECE_BYTES = 64 * 1024

    def __init__(self, host: str) -> None:
        name, _, port = host.rpartition(":")
        self.behind = (name, int(port))
        self._lock = threading.Lock()
        self._cuts: list[int] = []
        self.broken = 0
        # What went on to the registry, of all connections.
        self.sent_bytes = 0
        self.over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.way = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def cut_after(self, size_bytes: int) -> None:
        with self._lock:
            self._cuts.append(size_bytes)

    def count(self, size_bytes: int) -> None:
        with self._lock:
            self.sent_bytes += size_bytes

    def is_cut(self, sent_bytes: int) -> bool:
        """Whether a connection that has sent so much is to break; the cut is used up then."""
        with self._lock:
            if self._cuts and sent_bytes >= self._cuts[0]:
                self._cuts.pop(0)
                self.broken += 1
                return True
            return False


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    way: Cutting


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        way, sent_bytes = self.server.way, 0
        with socket.create_connection(way.behind) as behind, contextlib.suppress(OSError):
            while not way.over.is_set():
                ready, _, _ = select.select([self.request, behind], [], [], 0.2)
                for one in ready:
                    data = one.recv(Cutting.PIECE_BYTES)
                    if not data:
                        return
                    (behind if one is self.request else self.request).sendall(data)
                    if one is self.request:
                        sent_bytes += len(data)
                        way.count(len(data))
                if way.is_cut(sent_bytes):
                    return
