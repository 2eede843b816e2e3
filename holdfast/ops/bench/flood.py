"""Many small requests: N keep-alive connections in one epoll loop, one request under way on each, no pipelining.

The loop runs in processes of its own (``python -m holdfast.ops.bench.flood``), so that nothing of the parent's threads costs
it the interpreter lock. Parent and child speak lines of JSON: the plan goes in, ``ready`` comes out once every connection
stands, an empty line starts the clock, the tally comes out. A child lives ``seconds`` and a little at most; when its parent
is gone before the start it reads the end of its input and ends.
"""

from __future__ import annotations

import json
import selectors
import ssl
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import AnswerError
from holdfast.ops.bench.endpoint import Dialer, Endpoint
from holdfast.ops.bench.measure import Histogram, Tally

if TYPE_CHECKING:
    import socket
    from contextlib import ExitStack

_RECEIVE_BYTES: Final = 256 << 10
# A server that has said nothing for this long is stuck; the loop then gives up on what is under way.
_PATIENCE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process does. ``requests`` are whole request heads, taken in turn by each connection."""

    endpoint: Endpoint
    dialer: Dialer
    requests: tuple[str, ...]
    connections: int
    seconds: float
    expected_status: int = 200


def run(plan: Plan, processes: int, guard: ExitStack) -> Tally:
    """Run the plan in ``processes`` children, its connections divided among them; ``guard`` ends them whatever happens.

    Raises:
        AnswerError: a child could not connect, or died.
    """
    shares = [plan.connections // processes + (n < plan.connections % processes) for n in range(processes)]
    children = [_spawn(plan, share, guard) for share in shares if share]
    for child in children:
        _expect(child, "ready")
    began = time.perf_counter()
    for child in children:
        _tell(child, "\n")
    tally = Tally()
    for child in children:
        tally.merge(_tally_from(json.loads(_expect(child, "{"))))
    tally.seconds = min(time.perf_counter() - began, plan.seconds + _PATIENCE_SECONDS)
    for child in children:
        child.wait()
    return tally


def _spawn(plan: Plan, connections: int, guard: ExitStack) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "holdfast.ops.bench.flood"]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- ourselves
    guard.callback(_end, child)
    record = asdict(plan) | {"connections": connections}
    record["dialer"]["ca_file"] = str(plan.dialer.ca_file) if plan.dialer.ca_file else None
    _tell(child, json.dumps(record) + "\n")
    return child


def _end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe:
            pipe.close()


def _tell(child: subprocess.Popen[str], text: str) -> None:
    if child.stdin:
        child.stdin.write(text)
        child.stdin.flush()


def _expect(child: subprocess.Popen[str], start: str) -> str:
    line = child.stdout.readline().strip() if child.stdout else ""
    if not line.startswith(start):
        raise AnswerError(f"the load process ended early: {line or 'it said nothing'}", reason="load process")
    return line


def _tally_from(record: dict[str, Any]) -> Tally:
    counts = {int(bucket): count for bucket, count in record["latency"].items()}
    tally = Tally(latency=Histogram(counts, record["peak_seconds"]), moved_bytes=record["moved_bytes"])
    tally.failures.update(record["failures"])
    tally.reconnects = record["reconnects"]
    return tally


class _Lane:
    """One connection of the loop. ``began`` is when its request was sent."""

    __slots__ = ("began", "got", "next_request", "socket")

    def __init__(self, opened: socket.socket, first_request: int) -> None:
        self.socket = opened
        self.next_request = first_request
        self.began = 0.0
        self.got = b""


class Loop:
    """The child's half: all lanes of one process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = [text.encode("latin-1") for text in plan.requests]
        self._headless = plan.requests[0].startswith("HEAD ")
        self._success = str(plan.expected_status).encode()
        self._selector = selectors.DefaultSelector()
        self._waiting = 0
        self.tally = Tally()
        for number in range(plan.connections):
            lane = _Lane(self._open(), number)
            self._selector.register(lane.socket, selectors.EVENT_READ, lane)

    def _open(self) -> socket.socket:
        opened = self._plan.dialer.connect(self._plan.endpoint)
        opened.setblocking(False)
        return opened

    def run(self) -> Tally:
        """Ask until the time is over, then wait for what is under way."""
        ends_at = time.perf_counter() + self._plan.seconds
        lanes = [key.data for key in self._selector.get_map().values()]
        for lane in lanes:
            self._ask(lane)
        heard_at = time.perf_counter()
        while self._waiting:
            ready = self._selector.select(1.0)
            now = time.perf_counter()
            if ready:
                heard_at = now
            elif now - heard_at > _PATIENCE_SECONDS:
                self.tally.failures["timeout"] += self._waiting
                break
            for key, _ in ready:
                self._hear(key.data, ends_at)
        for lane in lanes:
            lane.socket.close()
        self._selector.close()
        return self.tally

    def _ask(self, lane: _Lane) -> None:
        request = self._requests[lane.next_request % len(self._requests)]
        lane.next_request += 1
        lane.got = b""
        lane.began = time.perf_counter()
        self._waiting += 1
        try:
            lane.socket.send(request)
        except OSError:
            # The reset shows again, and is counted, when the lane is read.
            return

    def _hear(self, lane: _Lane, ends_at: float) -> None:
        size_bytes = None
        # Until nothing is left: bytes that TLS has decrypted already do not wake the selector again.
        while size_bytes is None or len(lane.got) < size_bytes:
            try:
                data = lane.socket.recv(_RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError:
                data = b""
            if not data:
                self._lost(lane, ends_at)
                return
            lane.got = lane.got + data if lane.got else data
            size_bytes = response_bytes(lane.got, headless=self._headless)
        self._judge(lane, size_bytes)
        if time.perf_counter() < ends_at:
            self._ask(lane)

    def _judge(self, lane: _Lane, size_bytes: int) -> None:
        now = time.perf_counter()
        self._waiting -= 1
        if lane.got[9:12] == self._success:
            self.tally.latency.add(now - lane.began)
            self.tally.moved_bytes += size_bytes
        else:
            self.tally.fail(f"status {lane.got[9:12].decode('latin-1')}")

    def _lost(self, lane: _Lane, ends_at: float) -> None:
        """The server closed: legal before an answer has begun, a failure within one."""
        self._waiting -= 1
        self._selector.unregister(lane.socket)
        lane.socket.close()
        if lane.got:
            self.tally.fail("connection")
        try:
            lane.socket = self._open()
        except AnswerError as error:
            self.tally.fail(error.reason)
            return
        self.tally.reconnects += 1
        self._selector.register(lane.socket, selectors.EVENT_READ, lane)
        if time.perf_counter() < ends_at:
            self._ask(lane)


def response_bytes(got: bytes, *, headless: bool) -> int | None:
    """How long the response that starts ``got`` is; None while that cannot be told."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return None
    if headless:
        return end + 4
    head = got[: end + 2].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        return end + 4 + int(head[at + 17 : head.index(b"\r\n", at + 17)])
    # Chunked lists: no JSON holds this line by itself, so looking at the end is enough and cheap.
    return len(got) if got.endswith(b"\r\n0\r\n\r\n") else None


def main() -> None:
    """The child: plan, ready, go, tally."""
    record = json.loads(sys.stdin.readline())
    dialer = record["dialer"]
    plan = Plan(
        Endpoint(**record["endpoint"]),
        Dialer(dialer["timeout_seconds"], dialer["insecure"], Path(dialer["ca_file"]) if dialer["ca_file"] else None),
        tuple(record["requests"]),
        record["connections"],
        record["seconds"],
        record["expected_status"],
    )
    try:
        loop = Loop(plan)
    except AnswerError as error:
        print(error.message, flush=True)  # noqa: T201 -- the pipe to the parent
        return
    print("ready", flush=True)  # noqa: T201 -- the pipe to the parent
    if not sys.stdin.readline():
        return
    tally = loop.run()
    result = {
        "latency": tally.latency.counts,
        "peak_seconds": tally.latency.peak_seconds,
        "moved_bytes": tally.moved_bytes,
        "failures": tally.failures,
        "reconnects": tally.reconnects,
    }
    print(json.dumps(result), flush=True)  # noqa: T201 -- the pipe to the parent


if __name__ == "__main__":
    main()
