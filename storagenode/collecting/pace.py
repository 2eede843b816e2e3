"""The pace of a collection: pushes and pulls of the same process hardly notice it.

What one thread computes the others of its process wait for, and a cycle over a million copies computes for half a minute. A cycle
asks after each of its small steps whether it may go on; the answer is the moment to rest.

Promises: after each few milliseconds of work there is a rest twice as long. What is short is not slowed down.
Never here: what a step is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock

_REST: Final = 2.0  # so that two of three milliseconds are everybody else's
_WORK_SECONDS: Final = 0.002
# A step may have waited itself, for a disk or for the metadata, and what it has waited is no work.
_MOST_SECONDS: Final = 0.05


class Pace:
    """``pause`` waits for so many seconds. For one thread."""

    def __init__(self, clock: Clock, pause: Callable[[float], object]) -> None:
        self._clock = clock
        self._pause = pause
        self._since_seconds = clock.monotonic()

    def of(self, goes_on: Callable[[], bool]) -> Callable[[], bool]:
        """The same question, with rests."""

        def goes_on_rested() -> bool:
            self.rest()
            return goes_on()

        return goes_on_rested

    def rest(self) -> None:
        """If there was work enough since the last time."""
        worked_seconds = self._clock.monotonic() - self._since_seconds
        if worked_seconds >= _WORK_SECONDS:
            self._pause(min(worked_seconds * _REST, _MOST_SECONDS))
            self._since_seconds = self._clock.monotonic()
