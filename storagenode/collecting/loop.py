"""When garbage is collected: every so often within the daily window, and as soon as the grace of what is waiting is over.

One thread in each node, lowest of priorities: it holds nothing that a push or pull waits for. A cycle that failed is tried again.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from holdfast.clock import Clock

_LOG: Final = logging.getLogger("holdfast.gc")

_AGAIN_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day, in UTC, in which a cycle may begin; it may reach over midnight."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """``HH:MM-HH:MM``; None for "". Raises ValueError."""
        if not text:
            return None
        start, _, end = text.partition("-")
        return cls(time.fromisoformat(start.strip()), time.fromisoformat(end.strip()))

    def is_open(self, wall_seconds: float) -> bool:
        now = datetime.fromtimestamp(wall_seconds, UTC).time()
        if self.start <= self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


@dataclass(frozen=True, slots=True)
class Rhythm:
    """``interval_seconds`` between cycles; ``grace_seconds``: how long after one that left something waiting there is another."""

    interval_seconds: float
    grace_seconds: float
    window: Window | None = None


class Loop:
    """``cycle`` is told how to ask whether to go on, and says whether something waits for its grace. ``between`` is done every
    second. ``start`` once, ``stop`` once.
    """

    def __init__(
        self,
        cycle: Callable[[Callable[[], bool]], bool],
        between: Callable[[], None],
        rhythm: Rhythm,
        clock: Clock,
    ) -> None:
        self._cycle = cycle
        self._between = between
        self._rhythm = rhythm
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="garbage-collection", daemon=True)
        self._due = clock.monotonic() + min(rhythm.interval_seconds, _AGAIN_SECONDS)
        self._silent_until = clock.monotonic()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Between two steps of a cycle; what is done is done."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(min(_LOOK_SECONDS, self._rhythm.interval_seconds)):
            try:
                self._between()
                self.look()
            except HoldfastError as error:
                self._failed(error)
            except Exception:  # noqa: BLE001 - the thread must outlive any surprise, and say so
                _LOG.exception("a collection broke; it is tried again")
                self._due = self._clock.monotonic() + _AGAIN_SECONDS

    def _failed(self, error: HoldfastError) -> None:
        """Told once in a while: what an operator has to look at may last for days."""
        now = self._clock.monotonic()
        again_at = now + min(_AGAIN_SECONDS, self._rhythm.interval_seconds)
        self._due = max(self._due, again_at)
        if now >= self._silent_until:
            self._silent_until = again_at
            _LOG.warning("nothing is collected now; it is tried again", extra={"reason": error.message})

    def look(self) -> bool:
        """A cycle if it is time for one; whether there was one."""
        window = self._rhythm.window
        if self._clock.monotonic() < self._due or (window is not None and not window.is_open(self._clock.wall())):
            return False
        waits = self._cycle(lambda: not self._stopping.is_set())
        pause_seconds = self._rhythm.interval_seconds
        if waits:
            pause_seconds = min(pause_seconds, self._rhythm.grace_seconds)
        self._due = self._clock.monotonic() + pause_seconds
        return True
