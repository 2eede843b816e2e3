"""An upstream with faults: slow on purpose, it cuts, stalls and refuses where it was told to, each fault once.

with Faulty().serving() as stock:
    stock.image("team/app", "v1", layer)
    stock.plan(layer, Cut(0.1), Cut(0.5, answers=(429, 500)), Stall(0.7, seconds=2.0))
    stock.given[digest_of(layer)]                  # bytes of it that were written so far, over all answers
"""

from __future__ import annotations

import socket
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.sync.peers import digest_of
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from tests.sync.hostile import Call

_PIECE_BYTES = 32 << 10
# What a peer that was killed or paused has not read yet lies in buffers; with large ones nobody could tell what it cost.
_BUFFER_BYTES = 32 << 10


@dataclass(frozen=True)
class Cut:
    """The connection is closed at this share of the blob. ``answers``: what the next requests for it get in place of bytes."""

    share: float
    answers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stall:
    """Nothing comes for so long at this share of the blob."""

    share: float
    seconds: float


@dataclass
class Faulty(Stock):
    """``rate_bytes``: per second and answer. ``is_down``: connections are closed without an answer."""

    rate_bytes: int = 4 << 20
    is_down: bool = False
    plans: dict[str, deque[Cut | Stall]] = field(default_factory=dict)
    answers: defaultdict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, blob: bytes, *faults: Cut | Stall) -> None:
        self.plans[digest_of(blob)] = deque(sorted(faults, key=lambda fault: fault.share))

    def _answer(self, call: Call) -> None:
        if self.is_down:
            call.hang_up()
        else:
            super()._answer(call)

    def _give(self, call: Call, digest: str, data: bytes) -> None:
        with self.lock:
            refusal = self.answers[digest].popleft() if self.answers[digest] else 0
        if refusal:
            call.answer(refusal, b"", **({"Retry_After": "1"} if refusal == 429 else {}))
            return
        call.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        start = int(call.headers.get("range", "bytes=0-")[6:-1])
        ranged = f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}\r\n" if start else ""
        call.raw(f"HTTP/1.1 {206 if start else 200} X\r\nContent-Length: {len(data) - start}\r\n{ranged}\r\n".encode())
        if call.method != "HEAD":
            self._send(call, digest, data, start)

    def _send(self, call: Call, digest: str, data: bytes, at_bytes: int) -> None:
        while at_bytes < len(data):
            if self.is_down or self._meets_a_fault(call, digest, at_bytes / len(data)):
                call.hang_up()
                return
            piece = data[at_bytes : at_bytes + _PIECE_BYTES]
            if not call.try_raw(piece):
                return
            at_bytes += len(piece)
            with self.lock:
                self.given[digest] += len(piece)
            call.over.wait(len(piece) / self.rate_bytes)

    def _meets_a_fault(self, call: Call, digest: str, share: float) -> bool:
        """True: to be cut here."""
        plan = self.plans.get(digest)
        with self.lock:
            if not plan or plan[0].share > share:
                return False
            fault = plan.popleft()
            if isinstance(fault, Cut):
                self.answers[digest].extend(fault.answers)
                return True
        call.over.wait(fault.seconds)
        return False
