"""Since when a copy has been seen to be nobody's.

Promises: what counts is this process's monotonic clock from its own first look, with the copy's stamp unchanged since; no wall
clock, and nothing of a former process, so that a collector that was paused or restarted only ever waits longer. So many copies are
remembered and no more: memory does not grow with what is stored. The others get their turn when these have gone.

Never here: I/O.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.rpc.node import ListedBlob

MOST: Final = 200_000  # about 40 MB


class Marks:
    """For one thread. A walk is ``begin``, ``see`` for each copy that nobody links, ``end``."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._marked: dict[int, tuple[str, float]] = {}
        self._seen: dict[int, tuple[str, float]] = {}
        self._is_full = False

    @property
    def waiting(self) -> int:
        """How many are remembered."""
        return len(self._marked)

    @property
    def is_full(self) -> bool:
        """Whether the last walk saw more than are remembered."""
        return self._is_full

    def begin(self) -> None:
        self._seen, self._is_full = {}, False

    def see(self, copy: ListedBlob) -> float:
        """For how many seconds it has been seen so; 0.0 for a new one."""
        key, now = _key(copy.digest), self._clock.monotonic()
        stamp, since = self._marked.get(key, ("", now))
        if stamp != copy.stamp:
            since = now
        if len(self._seen) < self._most:
            self._seen[key] = (copy.stamp, since)
        else:
            self._is_full = True
        return now - since

    def knows(self, copy: ListedBlob) -> bool:
        """Whether a walk before this one saw it, with this stamp."""
        return self._marked.get(_key(copy.digest), ("", 0.0))[0] == copy.stamp

    def end(self) -> None:
        """What was not seen in this walk is linked again, or gone."""
        self._marked, self._seen = self._seen, {}


def _key(digest: Digest) -> int:
    """128 bits, a third of the memory that a digest takes."""
    return int.from_bytes(blake2b(str(digest).encode(), digest_size=16).digest())
