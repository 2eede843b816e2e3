"""A walk over all copies at a pace at which pushes and pulls hardly notice it.

What one thread computes the others of its process wait for, and a cycle over a million copies computes for half a minute.

Promises: after each few milliseconds of a walk there is a rest several times as long. What is short is not slowed down.
Never here: what is done with a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.rpc.node import ListedBlob
    from storagenode.collecting.collector import Copies

# Two of three milliseconds are everybody else's.
_REST: Final = 2.0
_WORK_SECONDS: Final = 0.002
# The walk may have waited itself, and what it has waited is no work.
_MOST_SECONDS: Final = 0.05


class Paced:
    """These copies, listed at that pace. ``pause`` waits for so many seconds. For one thread."""

    def __init__(self, copies: Copies, clock: Clock, pause: Callable[[float], object]) -> None:
        self._copies = copies
        self._clock = clock
        self._pause = pause
        self._since_seconds = clock.monotonic()

    @property
    def activity(self) -> int:
        return self._copies.activity

    def listing(self, partition: int) -> list[ListedBlob]:
        """Rests before it, if there was work enough since the last rest."""
        worked_seconds = self._clock.monotonic() - self._since_seconds
        if worked_seconds >= _WORK_SECONDS:
            self._pause(min(worked_seconds * _REST, _MOST_SECONDS))
            self._since_seconds = self._clock.monotonic()
        return self._copies.listing(partition)

    def delete(self, digest: Digest, stamp: str) -> bool:
        return self._copies.delete(digest, stamp)
