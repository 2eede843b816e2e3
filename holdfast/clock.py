"""Time as an argument. Only the entry points make the real one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Both kinds of time, in seconds."""

    def monotonic(self) -> float:
        """For durations and deadlines; never goes back, means nothing to another machine."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, for people. No decision may rest on it."""
        ...


class SystemClock:
    """The machine's own."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


@dataclass(slots=True)
class ManualClock:
    """Moves only when told to; for tests."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
