"""Token buckets that all worker processes of a gateway share: a table in memory that is mapped before they are forked.

A bucket is one 64-bit word: 16 bits that tell its owner from others, and 48 bits of the moment (microseconds since the table was
made) at which it will be full again. That is all a token bucket is ("generic cell rate algorithm"): a request moves the moment on
by one interval, and is refused while it lies further ahead than the burst is long.

Promises
  * One bucket counts for all processes: a limit does not grow with the number of workers.
  * Nobody waits for a dead or a frozen process. The lock that they share is a record lock, which the kernel takes back from one
    that is killed; one that was stopped while it held it is passed over after some 50 ms, and what two of them then write at
    the same moment may count once.
  * Memory is bounded. A bucket that is full again is as good as none, and is the first to be given away; only in a set without such
    a one is the one that will be full soonest given away.

Never: cuts anything; it answers a question at the beginning of a request.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
import weakref
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.clock import Clock

_BUCKETS: Final = 1 << 16
# Buckets among which one owner has its place.
_WAYS: Final = 8
_WORD_BYTES: Final = 8
_MOMENT_BITS: Final = 48
_MOMENTS: Final = (1 << _MOMENT_BITS) - 1
_SECOND: Final = 1_000_000
# A holder has it for some microseconds, or until it has its core back: others give theirs away first, and then sleep a little.
_YIELDS: Final = 16
_NAPS: Final = 25
_NAP_SECONDS: Final = 0.002
_REMEMBERED: Final = 8192


@dataclass(frozen=True, slots=True)
class Pace:
    """So many a second, and at most so many at once.

    ``interval``: microseconds between two tokens; ``slack``: how far ahead the moment may lie at which the bucket will be full.
    """

    rate: float
    burst: int
    interval: int = field(init=False)
    slack: int = field(init=False)

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.burst < 1:
            raise ValueError("a rate above zero, and a burst of at least one")
        object.__setattr__(self, "interval", max(1, round(_SECOND / self.rate)))
        object.__setattr__(self, "slack", (self.burst - 1) * self.interval)


class Buckets:
    """Made before the fork; shared by threads and by the processes that inherit it. ``key``: random bytes, so that nobody can
    choose whose bucket is shared.
    """

    def __init__(self, clock: Clock, key: bytes) -> None:
        self._clock = clock
        self._key = key
        self._began = clock.monotonic()
        self._lock = threading.Lock()
        # Record locks belong to a process, so that the descriptor that all of them inherit serves each of them.
        self._file = os.memfd_create("holdfast-buckets")
        weakref.finalize(self, os.close, self._file)
        self._home = lru_cache(_REMEMBERED)(self._hash)
        # Anonymous and shared: untouched pages cost nothing.
        self._words = memoryview(mmap.mmap(-1, _BUCKETS * _WORD_BYTES)).cast("Q")

    def take(self, wanted: Sequence[tuple[str, Pace]]) -> float:
        """One token of each owner's bucket, or of none. 0.0: taken; else the seconds until all of them would have one."""
        with self._alone():
            now = int((self._clock.monotonic() - self._began) * _SECOND) + 1
            moves, wait = self._plan(wanted, now)
            if wait > 0:
                return wait / _SECOND
            for place, word in moves:
                self._words[place] = word
        return 0.0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread and no other process looks or writes meanwhile, unless that one is frozen."""
        with self._lock:
            locked = self._lock_file()
            try:
                yield
            finally:
                if locked:
                    fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _lock_file(self) -> bool:
        for tried in range(_YIELDS + _NAPS):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if tried < _YIELDS:
                    os.sched_yield()
                else:
                    time.sleep(_NAP_SECONDS)
            else:
                return True
        return False

    def _plan(self, wanted: Sequence[tuple[str, Pace]], now: int) -> tuple[list[tuple[int, int]], int]:
        """What to write where, and for how long not."""
        words, wait = self._words, 0
        moves: list[tuple[int, int]] = []
        for owner, pace in wanted:
            place, mark = self._home(owner)
            seen = words[place]
            if seen >> _MOMENT_BITS != mark:
                place, seen = self._find(place, mark, now)
            moment = seen & _MOMENTS if seen >> _MOMENT_BITS == mark else now
            if moment < now:
                moment = now
            elif moment - pace.slack - now > wait:
                wait = moment - pace.slack - now
            moves.append((place, mark << _MOMENT_BITS | (moment + pace.interval) & _MOMENTS))
        return moves, wait

    def _hash(self, owner: str) -> tuple[int, int]:
        """The first place of an owner's set, and the owner's mark."""
        digest = int.from_bytes(blake2b(owner.encode(errors="surrogatepass"), digest_size=8, key=self._key).digest())
        return digest % (_BUCKETS // _WAYS) * _WAYS, digest >> _MOMENT_BITS or 1

    def _find(self, first: int, mark: int, now: int) -> tuple[int, int]:
        """The place of a bucket in its set, or one to be given away, and what stands there."""
        found = self._words[first : first + _WAYS].tolist()
        for index, word in enumerate(found):
            if word >> _MOMENT_BITS == mark:
                return first + index, word
        index = min(range(_WAYS), key=lambda at: max(found[at] & _MOMENTS, now))
        return first + index, found[index]
