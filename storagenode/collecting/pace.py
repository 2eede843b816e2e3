"""The pace of a collection: pushes and pulls of the same process hardly notice it.

What one thread computes the others of its process wait for, and a cycle over a million copies computes for half a minute. A cycle
asks after each of its small steps whether it may go on; the answer is the moment to rest.

Promises: after each few milliseconds of computing there is a rest three times as long. What is short is not slowed down, and what
waits for a disk, the metadata or a processor is in nobody's way and rests for no longer.
Never here: what a step is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_REST: Final = 3.0  # so that three of four milliseconds are everybody else's
_WORK_SECONDS: Final = 0.002
_MOST_SECONDS: Final = 0.05


class Pace:
    """``computed`` says how many seconds this thread has computed so far; ``pause`` waits for so many. For one thread."""

    def __init__(self, computed: Callable[[], float], pause: Callable[[float], object]) -> None:
        self._computed = computed
        self._pause = pause
        self._rested_at_seconds = 0.0

    def of(self, goes_on: Callable[[], bool]) -> Callable[[], bool]:
        """The same question, with rests; none once the answer is no, since somebody waits for the end."""

        def goes_on_rested() -> bool:
            if goes_on():
                self.rest()
            return goes_on()

        return goes_on_rested

    def rest(self) -> None:
        """If there was work enough since the last time."""
        now_seconds = self._computed()
        worked_seconds = now_seconds - self._rested_at_seconds
        if worked_seconds >= _WORK_SECONDS:
            self._rested_at_seconds = now_seconds
            self._pause(min(worked_seconds * _REST, _MOST_SECONDS))
