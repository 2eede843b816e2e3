"""Since when something has been seen to be nobody's.

Promises: what counts is this process's monotonic clock from its own first look, with its stamp unchanged since; no wall
clock, and nothing of a former process, so that a collector that was paused or restarted only ever waits longer. So much is
remembered and no more: memory does not grow with what is stored. The rest gets its turn when this has gone.

Never here: I/O.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.clock import Clock

MOST: Final = 200_000  # about 40 MB


class Marks:
    """For one thread. A walk is ``begin``, ``see`` for each thing that nobody needs, ``end``. Names tell things from each other.

    ``age`` alone changes nothing.
    """

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

    def see(self, name: str, stamp: str) -> float | None:
        """For how many seconds earlier walks have seen it with this stamp; None: none has."""
        age_seconds = self.age(name, stamp)
        if len(self._seen) < self._most:
            key, now = _key(name), self._clock.monotonic()
            self._seen[key] = (stamp, now if age_seconds is None else self._marked[key][1])
        else:
            self._is_full = True
        return age_seconds

    def age(self, name: str, stamp: str) -> float | None:
        """As ``see`` answers."""
        known, since = self._marked.get(_key(name), ("", 0.0))
        return None if known != stamp else self._clock.monotonic() - since

    def end(self) -> None:
        """What was not seen in this walk is linked again, or gone."""
        self._marked, self._seen = self._seen, {}


def _key(name: str) -> int:
    """128 bits, a third of the memory that a digest takes."""
    return int.from_bytes(blake2b(name.encode(), digest_size=16).digest())
