"""How fast copies are read: so many bytes a second, and never for longer than the node is to run.

A copy counts for at least :data:`LEAST_BYTES`: opening a small file costs a disk what reading so much of a large one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading

    from holdfast.clock import Clock

LEAST_BYTES: Final = 64 << 10
# Shorter rests than this cost more than they spare; what was saved up is not spent at once either.
_STEP_SECONDS: Final = 0.02


class StoppedError(Exception):
    """The node is about to stop; nobody else sees this."""


class Pace:
    """For one thread. 0 bytes a second: no bound."""

    def __init__(self, clock: Clock, stopping: threading.Event, bytes_per_second: int) -> None:
        self._clock = clock
        self._stopping = stopping
        self._bytes_per_second = bytes_per_second
        self._due_seconds = float("-inf")

    def moved(self, size_bytes: int) -> None:
        """After so much was read: rests. Raises StoppedError."""
        if self._bytes_per_second:
            now = self._clock.monotonic()
            self._due_seconds = max(self._due_seconds, now) + size_bytes / self._bytes_per_second
            if self._due_seconds - now >= _STEP_SECONDS:
                self._stopping.wait(self._due_seconds - now)
        self.go_on()

    def go_on(self) -> None:
        """Raises StoppedError."""
        if self._stopping.is_set():
            raise StoppedError

    def small(self, size_bytes: int) -> None:
        """After a copy of this size: what it lacks to the least that one counts for. Raises StoppedError."""
        self.moved(max(0, LEAST_BYTES - size_bytes))
