"""HTTP/1.1 for a load generator: one keep-alive connection, one request at a time.

Invariants
    * After an exchange the connection either stands at the start of the next response, or it is closed and the next
      exchange opens a new one.
    * A body is held in memory only when the caller asks for it (:meth:`Connection.exchange`), up to 16 MiB;
      :meth:`Connection.download` counts (and hashes, if asked) through one reused buffer.
    * Foreign errors leave as :class:`AnswerError` with a short ``reason`` to count by.

Not here: redirects, credentials, pipelining, compression.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import AnswerError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from holdfast.ops.bench.endpoint import Dialer, Endpoint

DOWNLOAD_BUFFER_BYTES: Final = 1 << 20
_HEAD_LIMIT_BYTES: Final = 64 << 10
_BODY_LIMIT_BYTES: Final = 16 << 20
_RECEIVE_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class FileBody:
    """A request body that is a whole file, sent by ``sendfile`` (read and encrypted under TLS)."""

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``target`` starts with a slash; ``Host`` and ``Content-Length`` are added."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | FileBody = b""

    def head(self, authority: str) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {authority}", "User-Agent: holdfast-bench"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.method not in {"GET", "HEAD"}:
            size_bytes = self.body.size_bytes if isinstance(self.body, FileBody) else len(self.body)
            lines.append(f"Content-Length: {size_bytes}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. ``headers`` have lower-case names; times count from the moment the request began to be sent."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes
    body_bytes: int
    first_byte_seconds: float
    seconds: float


class Connection:
    """Not shared between threads. Opened on first use, reopened when the server closed it between two requests."""

    def __init__(self, endpoint: Endpoint, dialer: Dialer) -> None:
        self._endpoint = endpoint
        self._dialer = dialer
        self._socket: socket.socket | None = None
        self._pending = bytearray()
        self._buffer = memoryview(bytearray())
        self.reconnects = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._pending.clear()

    def exchange(self, request: Request) -> Answer:
        """Send, and hold the whole body of the answer.

        Raises:
            AnswerError: no connection, no or a broken answer, or a body past 16 MiB.
        """
        held = bytearray()

        def hold(part: memoryview) -> None:
            held.extend(part)
            if len(held) > _BODY_LIMIT_BYTES:
                raise AnswerError("the body is larger than a list or manifest can be", reason="body too large")

        return self._run(request, hold, held)

    def download(self, request: Request, see: Callable[[memoryview], object] | None = None) -> Answer:
        """Send, and count the body; ``see`` is shown each part and must not keep it.

        Raises:
            AnswerError: as :meth:`exchange`.
        """
        return self._run(request, see or _ignore, None)

    def _run(self, request: Request, see: Callable[[memoryview], object], held: bytearray | None) -> Answer:
        reused = self._socket is not None
        try:
            try:
                return self._once(request, see, held)
            except _ClosedBetweenError:
                if not reused:
                    raise
                # Legal at any time between two requests (RFC 9112, 9.6), so it is no failure of the registry.
                self.close()
                self.reconnects += 1
                return self._once(request, see, held)
        except TimeoutError as error:
            self.close()
            raise AnswerError(f"{request.method} {request.target}: no answer in time", reason="timeout") from error
        except OSError as error:
            self.close()
            raise AnswerError(f"{request.method} {request.target}: {error}", reason="connection") from error
        except BaseException:
            # Also on Ctrl-C: half a response must not be taken for the start of the next one.
            self.close()
            raise

    def _once(self, request: Request, see: Callable[[memoryview], object], held: bytearray | None) -> Answer:
        if self._socket is None:
            self._socket = self._dialer.connect(self._endpoint)
        began = time.perf_counter()
        self._send(self._socket, request)
        status, headers, first = self._read_head()
        count = _Counter(see)
        if request.method != "HEAD" and status not in {204, 304}:
            self._read_body(headers, count)
        if headers.get("connection", "").lower() == "close":
            self.close()
        ended = time.perf_counter()
        return Answer(status, headers, bytes(held or b""), count.total_bytes, first - began, ended - began)

    def _send(self, connected: socket.socket, request: Request) -> None:
        head = request.head(self._endpoint.authority)
        try:
            if isinstance(request.body, FileBody):
                connected.sendall(head)
                with request.body.path.open("rb") as file:
                    connected.sendfile(file, 0, request.body.size_bytes)
            else:
                connected.sendall(head + request.body)
        except (BrokenPipeError, ConnectionResetError):
            # A server may refuse in mid-body and close: its answer is worth more than our broken pipe.
            return

    def _read_head(self) -> tuple[int, dict[str, str], float]:
        first = 0.0
        while True:
            end = self._pending.find(b"\r\n\r\n")
            if end >= 0:
                break
            if len(self._pending) > _HEAD_LIMIT_BYTES:
                raise AnswerError("the response header does not end", reason="broken header")
            self._receive_more()
            first = first or time.perf_counter()
        status, headers = parse_head(bytes(self._pending[:end]))
        del self._pending[: end + 4]
        if 100 <= status < 200:
            return self._read_head()
        return status, headers, first or time.perf_counter()

    def _receive_more(self) -> None:
        if self._socket is None:
            raise _ClosedBetweenError("not connected")
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            kind = OSError if self._pending else _ClosedBetweenError
            raise kind("the server closed the connection before the answer was complete")
        self._pending += data

    def _read_body(self, headers: dict[str, str], count: _Counter) -> None:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            self._read_chunks(count)
        elif "content-length" in headers:
            self._read_length(int(headers["content-length"]), count)
        else:
            raise AnswerError("the answer has neither Content-Length nor chunks", reason="no length")

    def _read_length(self, size_bytes: int, count: _Counter) -> None:
        count.take(memoryview(self._pending)[:size_bytes])
        ready = min(size_bytes, len(self._pending))
        del self._pending[:ready]
        remaining = size_bytes - ready
        if not remaining or self._socket is None:
            return
        if not self._buffer:
            self._buffer = memoryview(bytearray(DOWNLOAD_BUFFER_BYTES))
        receive_into = self._socket.recv_into
        while remaining:
            got = receive_into(self._buffer, min(remaining, DOWNLOAD_BUFFER_BYTES))
            if not got:
                raise AnswerError(f"the body ended {remaining} bytes early", reason="short body")
            count.take(self._buffer[:got])
            remaining -= got

    def _read_chunks(self, count: _Counter) -> None:
        while True:
            size_bytes = int(self._read_line().split(b";", 1)[0], 16)
            if size_bytes == 0:
                while self._read_line():
                    pass
                return
            self._read_length(size_bytes, count)
            self._read_line()

    def _read_line(self) -> bytes:
        while (end := self._pending.find(b"\r\n")) < 0:
            self._receive_more()
        line = bytes(self._pending[:end])
        del self._pending[: end + 2]
        return line


class _ClosedBetweenError(OSError):
    """The connection went away before the first byte of an answer."""


@dataclass(slots=True)
class _Counter:
    see: Callable[[memoryview], object]
    total_bytes: int = 0

    def take(self, part: memoryview) -> None:
        self.total_bytes += len(part)
        self.see(part)
        part.release()


def _ignore(_: memoryview) -> None:
    """Counting is enough."""


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of a response head without its closing empty line.

    Raises:
        AnswerError: not HTTP/1.x.
    """
    start, *lines = head.decode("latin-1").split("\r\n")
    words = start.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise AnswerError(f"not an HTTP/1.1 answer: {start[:80]!r}", reason="broken header")
    pairs = (line.partition(":") for line in lines)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}
