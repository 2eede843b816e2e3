"""Which copies were written, or read and found right, a moment ago, so that nobody reads them again; and who may read now.

A client that sends a blob which is here already makes every owner read its copy once: to heal one that has rotted is worth that,
and it costs neither the network nor a write. Many clients that send the same one cost no more than the first.

Promises: few copies are read at a time; beyond a number that wait nobody waits, and the copy counts as not proven. A proof is for
one file as it was, and for a while: another file of that name, or one that was written to, is read again.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Hashable

    from holdfast.clock import Clock
    from holdfast.digest import Digest

KEEP_SECONDS: Final = 600.0
_KEEP_COUNT: Final = 10_000
# Two readers keep a disk busy. Who waits holds a thread of the lane for copies, which has 128.
_AT_A_TIME: Final = 2
_WAITING: Final = 48
# How often whoever asked hears that it is not forgotten.
_STEP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Proof:
    seen: Hashable
    until: float


class Proofs:
    """Of one data directory. Safe for many threads."""

    def __init__(self, clock: Clock, *, at_a_time: int = _AT_A_TIME, waiting: int = _WAITING) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[Digest, _Proof] = OrderedDict()
        self._turns = threading.BoundedSemaphore(at_a_time)
        self._room = threading.BoundedSemaphore(at_a_time + waiting)

    def has(self, digest: Digest, seen: Hashable) -> bool:
        """``seen``: the copy as it is, equal only if nobody has changed it."""
        with self._lock:
            proof = self._known.get(digest)
            return proof is not None and proof.seen == seen and self._clock.monotonic() < proof.until

    def add(self, digest: Digest, seen: Hashable) -> None:
        """The bytes of this copy were hashed, and are those of the digest."""
        with self._lock:
            self._known[digest] = _Proof(seen, self._clock.monotonic() + KEEP_SECONDS)
            self._known.move_to_end(digest)
            if len(self._known) > _KEEP_COUNT:
                self._known.popitem(last=False)

    def turn(self) -> Generator[None, None, contextlib.AbstractContextManager[object] | None]:
        """Wait, yielding every second; what is held while a copy is read. None: too many wait already."""
        if not self._room.acquire(blocking=False):
            return None
        try:
            while not self._turns.acquire(timeout=_STEP_SECONDS):
                yield
        except BaseException:
            self._room.release()
            raise
        held = contextlib.ExitStack()
        held.callback(self._room.release)
        held.callback(self._turns.release)
        return held


def of_file(found: os.stat_result) -> tuple[int, ...]:
    """A file as it is."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
