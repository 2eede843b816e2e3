"""Token buckets that all worker processes of a gateway share: a table in memory that is mapped before they are forked.

A bucket is one 64-bit word: 16 bits that tell its owner from others, and 48 bits of the moment (microseconds since the table was
made) at which it will be full again. That is all a token bucket is ("generic cell rate algorithm"): a request moves the moment on
by one interval, and is refused while it lies further ahead than the burst is long.

Promises
  * One bucket counts for all processes: a limit does not grow with the number of workers.
  * No lock is shared between processes, so that one that is killed leaves nothing locked. A word is looked at again right before it
    is written; what two processes write within the same fraction of a microsecond may count once (``tests/unit`` measures it).
  * Memory is bounded. A bucket that is full again is as good as none, and is the first to be given away; only in a set without such
    a one is the one that will be full soonest given away.

Never: cuts anything; it answers a question at the beginning of a request.
"""

from __future__ import annotations

import mmap
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.clock import Clock

_BUCKETS: Final = 1 << 16
# Buckets among which one owner has its place.
_WAYS: Final = 8
_WORD_BYTES: Final = 8
_MOMENT_BITS: Final = 48
_MOMENTS: Final = (1 << _MOMENT_BITS) - 1
_SECOND: Final = 1_000_000
_TRIES: Final = 16
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
        self._home = lru_cache(_REMEMBERED)(self._hash)
        # Anonymous and shared: untouched pages cost nothing.
        self._words = memoryview(mmap.mmap(-1, _BUCKETS * _WORD_BYTES)).cast("Q")

    def take(self, wanted: Sequence[tuple[str, Pace]]) -> float:
        """One token of each owner's bucket, or of none. 0.0: taken; else the seconds until all of them would have one."""
        now = int((self._clock.monotonic() - self._began) * _SECOND) + 1
        with self._lock:
            for _ in range(_TRIES):
                moves, wait = self._plan(wanted, now)
                if wait > 0:
                    return wait / _SECOND
                if self._move(moves):
                    break
        return 0.0

    def _plan(self, wanted: Sequence[tuple[str, Pace]], now: int) -> tuple[list[tuple[int, int, int]], int]:
        """What to write where, if the same still stands there, and for how long not."""
        words, wait = self._words, 0
        moves: list[tuple[int, int, int]] = []
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
            moves.append((place, seen, mark << _MOMENT_BITS | (moment + pace.interval) & _MOMENTS))
        return moves, wait

    def _move(self, moves: list[tuple[int, int, int]]) -> bool:
        """False: somebody was quicker, and nothing has been written."""
        words = self._words
        for place, seen, _ in moves:
            if words[place] != seen:
                return False
        for place, _, word in moves:
            words[place] = word
        return True

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
