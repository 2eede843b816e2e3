"""Slow readers: many clients that take a blob at a trickle, while a fast one asks for a manifest.

A reader is served when its answer is a 200 and it gets at least half of the bytes that its pace allows. The fast client opens
a new connection for every request, as somebody who comes along would; what it does not get within its patience is a failure.
"""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast.errors import AnswerError
from holdfast.ops.bench.http import Request
from holdfast.ops.bench.measure import Figure, Tally
from holdfast.ops.bench.registry import Client, Timing, scope_of
from holdfast.ops.bench.stage import Target, count, figure

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from holdfast.ops.bench.stage import Stage

_TICK_SECONDS: Final = 0.05
_PAUSE_SECONDS: Final = 0.02
# Small, so that the kernel does not read ahead what the reader has not asked for.
_RECEIVE_BUFFER_BYTES: Final = 64 << 10


@dataclass(slots=True)
class Reader:
    """One trickling download."""

    socket: socket.socket
    began: float
    got_bytes: int = 0
    head: bytes = b""
    ended: bool = False

    def sip(self, now: float, bytes_per_second: int) -> None:
        """Take what the pace allows by now."""
        allowed_bytes = int((now - self.began) * bytes_per_second) - self.got_bytes
        if self.ended or allowed_bytes < 1:
            return
        try:
            data = self.socket.recv(min(allowed_bytes, _RECEIVE_BUFFER_BYTES))
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        self.ended = not data
        self.got_bytes += len(data)
        if len(self.head) < 12:
            self.head += data[:12]

    def served(self, now: float, bytes_per_second: int, size_bytes: int) -> bool:
        due_bytes = min(size_bytes, (now - self.began) * bytes_per_second)
        return self.head[9:12] == b"200" and self.got_bytes >= due_bytes / 2


@dataclass(slots=True)
class Crowd:
    """All readers, sipped in turn by one thread until told to stop."""

    readers: list[Reader]
    bytes_per_second: int
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopped.wait(_TICK_SECONDS):
            now = time.perf_counter()
            for reader in self.readers:
                reader.sip(now, self.bytes_per_second)


def slow_readers(stage: Stage) -> Iterator[Figure]:
    """Does anybody who reads slowly keep somebody else from being answered?"""
    options = stage.options
    with stage.target.client() as client:
        manifests = stage.repository("manifests")
        stage.store_image(client, manifests, "latest")
        repository, blob = stage.stored_for_pulls(client, options.reader_size)
    impatient = replace(stage.target, dialer=replace(stage.target.dialer, timeout_seconds=options.patience_seconds))
    tally = Tally()
    with stage.watch.over() as sampling, ExitStack() as guard:
        stage.say(f"{options.readers} slow readers: connecting")
        began = time.perf_counter()
        target = f"/v2/{repository}/blobs/{blob.digest}"
        readers = _gather(stage, guard, target, scope_of(repository), tally)
        crowd = Crowd(readers, options.reader_bytes_per_second)
        thread = threading.Thread(target=crowd.run, name="bench-readers", daemon=True)
        thread.start()
        guard.callback(thread.join)
        guard.callback(crowd.stopped.set)
        crowd.stopped.wait(options.seconds / 3)
        stage.say(f"{options.readers} slow readers, and a fast client")
        _ask_until(began + options.seconds, impatient, manifests, tally)
        now = time.perf_counter()
        tally.seconds = now - began
        served = sum(r.served(now, options.reader_bytes_per_second, blob.size_bytes) for r in readers)
    case = f"fast client beside {options.readers}"
    yield figure("slow-readers", case, [tally], sampling, readers=options.readers, served=served)


def _gather(stage: Stage, guard: ExitStack, target: str, scope: str, tally: Tally) -> list[Reader]:
    place = stage.target
    header = place.authorizer.header(scope)
    request = Request("GET", target, (("Authorization", header),) if header else ())
    head = request.head(place.endpoint.authority)
    readers = []
    for _ in range(stage.options.readers):
        try:
            opened = place.dialer.connect(place.endpoint, _RECEIVE_BUFFER_BYTES)
        except AnswerError as error:
            tally.fail(f"reader: {error.reason}")
            continue
        guard.callback(opened.close)
        opened.sendall(head)
        opened.setblocking(False)
        readers.append(Reader(opened, time.perf_counter()))
    return readers


def _ask_until(ends_at: float, target: Target, repository: str, tally: Tally) -> None:
    while True:
        with target.client() as client:
            count(tally, partial(_come_along, client, repository))
        if time.perf_counter() >= ends_at:
            return
        time.sleep(_PAUSE_SECONDS)


def _come_along(client: Client, repository: str) -> Timing:
    """A request with its connection: being accepted is part of being answered."""
    began = time.perf_counter()
    timing = client.get_manifest(repository, "latest")
    return Timing(time.perf_counter() - began, timing.first_byte_seconds)
