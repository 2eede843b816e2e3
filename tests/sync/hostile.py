"""An upstream that does to its clients what it is told to, byte by byte.

def script(call):                              called for each request, in a thread of its own
    call.answer(200, b"body", ETag="x")        a plain answer, Content-Length added
    call.raw(b"HTTP/1.1 200 OK\\r\\n...")      anything else
    call.hang_up()                             closes at once, with what was written so far on the wire
Hostile(script).seen                           what was asked: (method, target, headers in lower case)
Hostile(script).bodies                         and what came with it
Hostile(script, reads_bodies=False)            the script reads bodies itself, by call.read_body()
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Self


@dataclass(frozen=True)
class Call:
    """One request and what can be done with it."""

    method: str
    target: str
    headers: dict[str, str]
    handler: BaseHTTPRequestHandler
    over: threading.Event
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        lines = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.raw(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + (b"" if self.method == "HEAD" else body))

    def read_body(self, limit_bytes: int | None = None) -> bytes:
        """The request's body, or as much of it."""
        length = int(self.headers.get("content-length", 0))
        return self.handler.rfile.read(length if limit_bytes is None else min(limit_bytes, length))

    def raw(self, data: bytes) -> None:
        # A client that has had enough hangs up; that is its right.
        with contextlib.suppress(OSError):
            self.handler.wfile.write(data)

    def try_raw(self, data: bytes) -> bool:
        """As :meth:`raw`; false once the client is gone."""
        try:
            self.handler.wfile.write(data)
        except OSError:
            return False
        return not self.over.is_set()

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.handler.connection.shutdown(socket.SHUT_RDWR)
        self.handler.close_connection = True

    def stall(self) -> None:
        """Say nothing until the test is over."""
        self.over.wait(60)
        self.hang_up()


class Hostile:
    """Serves from the moment it is made until its block ends."""

    def __init__(
        self, script: Callable[[Call], None], tls: ssl.SSLContext | None = None, *, reads_bodies: bool = True
    ) -> None:
        self.script = script
        self.reads_bodies = reads_bodies
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.over = threading.Event()
        # Ports of the clients whose connections are open.
        self.connected: set[int] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hostile = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self, method: str = "", part: str = "") -> list[dict[str, str]]:
        """The headers of the requests with this method whose target holds this part."""
        return [h for m, target, h in self.seen if m.startswith(method) and part in target]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    hostile: Hostile

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.hostile.connected.add(self.client_address[1])

    def finish(self) -> None:
        self.server.hostile.connected.discard(self.client_address[1])
        super().finish()

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def __getattr__(self, name: str) -> Any:
        # The standard library looks for do_GET, do_HEAD and so on.
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def handle_any(self) -> None:
        hostile = self.server.hostile
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0))) if hostile.reads_bodies else b""
        hostile.seen.append((self.command, self.path, headers))
        hostile.bodies.append(body)
        hostile.script(Call(self.command, self.path, headers, self, hostile.over, body))
