"""How far the copying of one image may go: until its time is over, its worker is told to stop, or another has taken over.

Promises: whoever copies asks it every second or so (``moved``), and ends by the error that it raises. What others say in the
metadata is read every two seconds at most, for all images of a run that this worker copies at the same time.

Never: decides whether to try again.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import StaleWriterError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.mirrorruns import MirrorRuns, Part, Run

_LOOK_SECONDS: Final = 2.0


class Halt:
    """Whether this worker is to leave a run: it is stopping, the mirror was paused, or the run is over. Shared by threads."""

    def __init__(self, run: Run, runs: MirrorRuns, clock: Clock, is_stopping: Callable[[], bool]) -> None:
        self._run = run
        self._runs = runs
        self._clock = clock
        self._is_stopping = is_stopping
        self._lock = threading.Lock()
        self._look_at_seconds = clock.monotonic() + _LOOK_SECONDS
        self._is_told = False

    def is_told(self) -> bool:
        """Metadata that does not answer tells nothing: what cannot be reported does not count in any case."""
        if self._is_told or self._is_stopping():
            return True
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._look_at_seconds:
                self._look_at_seconds = now + _LOOK_SECONDS
                with contextlib.suppress(UnavailableError):
                    standing = self._runs.look(self._run.entry)
                    is_same = standing.run.is_running and standing.run.number == self._run.number
                    self._is_told = standing.is_paused or not is_same
        return self._is_told


class Leash:
    """Of one image. ``size_bytes``: what came over so far. Shared by the threads that copy it."""

    def __init__(self, part: Part, runs: MirrorRuns, halt: Halt, clock: Clock, timeout_seconds: float) -> None:
        self._part = part
        self._runs = runs
        self._halt = halt
        self._clock = clock
        self._lock = threading.Lock()
        now = clock.monotonic()
        self._deadline = now + timeout_seconds if timeout_seconds else float("inf")
        self._look_at_seconds = now + _LOOK_SECONDS
        self._is_lost = False
        self.size_bytes = 0

    @property
    def is_over(self) -> bool:
        """Whether the image's time is."""
        return self._clock.monotonic() >= self._deadline

    def is_lost(self) -> bool:
        """Whether another worker has taken the repository over, as far as is known."""
        return self._is_lost

    def is_cut(self) -> bool:
        """Whether this worker is to leave it to others."""
        return self._lost() or self._halt.is_told()

    def moved(self, size_bytes: int) -> None:
        """As ``Progress``."""
        with self._lock:
            self.size_bytes += size_bytes
        if self._lost():
            raise StaleWriterError("another worker has taken this repository over")
        if self._halt.is_told():
            raise UnavailableError("this worker is told to leave it")
        if self.is_over:
            raise UnavailableError("it took longer than syncTimeout")

    def _lost(self) -> bool:
        with self._lock:
            now = self._clock.monotonic()
            if not self._is_lost and now >= self._look_at_seconds:
                self._look_at_seconds = now + _LOOK_SECONDS
                with contextlib.suppress(UnavailableError):
                    self._is_lost = not self._runs.is_mine(self._part)
        return self._is_lost
