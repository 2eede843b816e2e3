"""How fast, how often, how long until the next try; on a clock, a pause and a die that are given.

Never: touches the real time or randomness, does I/O.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock

    # Waits for so many seconds, or less if the process is about to end.
    Pause = Callable[[float], object]
    # A number of 0 <= x < 1.
    Die = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Time:
    """The three things that time does, in one hand."""

    clock: Clock
    pause: Pause
    die: Die


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits, in seconds."""

    connect_seconds: float = 10.0
    # Between two arrivals of bytes, the first of an answer included (zot waits as long for headers).
    silence_seconds: float = 30.0
    # For the head of an answer, to its end: it is small, and whoever sends a byte of it now and then does not hold us for ever.
    head_seconds: float = 60.0
    # For an answer that is read whole: manifests, lists, tokens. Whoever sends a byte now and then does not hold us for ever.
    whole_seconds: float = 120.0
    # For a free connection, while ``reqConcurrent`` others are in use.
    queue_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Retry:
    """Tries after a failure that may pass. Pauses double up to ``longest_seconds``, and are spread by up to half of themselves."""

    retries: int = 2
    first_seconds: float = 0.25
    longest_seconds: float = 5.0
    # Longer than this nobody waits within a call: the upstream is left alone until then instead.
    patience_seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.retries < 0 or self.first_seconds < 0 or self.longest_seconds < 0:
            raise ValueError("retries and their pauses are not negative")

    def pause_seconds(self, failures: int, die: Die) -> float:
        """Before the try that follows ``failures`` failed ones (1 or more)."""
        whole = min(self.first_seconds * 2.0 ** min(failures - 1, 30), max(self.longest_seconds, self.first_seconds))
        return whole * (0.5 + die() / 2)


class Pace:
    """Spaces requests so that no more than ``per_second`` start in any second; 0 lets all pass at once."""

    def __init__(self, per_second: int, time: Time) -> None:
        self._gap_seconds = 1.0 / per_second if per_second else 0.0
        self._time = time
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self) -> None:
        """Until it is this request's turn. Turns are given in the order of asking."""
        if not self._gap_seconds:
            return
        now = self._time.clock.monotonic()
        with self._lock:
            turn = max(now, self._free_at)
            self._free_at = turn + self._gap_seconds
        if turn > now:
            self._time.pause(turn - now)


class Progress:
    """Tells a slow line from a trickle, in which fewer than ``least_bytes`` come in ``window_seconds`` of waiting."""

    def __init__(self, least_bytes: int, window_seconds: float) -> None:
        self._least_bytes = least_bytes
        self._window_seconds = window_seconds
        self.begin()

    def begin(self) -> None:
        """Another answer."""
        self._came_bytes, self._waited_seconds = 0, 0.0

    def is_enough(self, came_bytes: int, waited_seconds: float) -> bool:
        """After so many bytes more, for which so long was waited."""
        self._came_bytes += came_bytes
        self._waited_seconds += waited_seconds
        if self._came_bytes >= self._least_bytes:
            self.begin()
        return self._waited_seconds <= self._window_seconds


class Mark:
    """Remembers until when a URL is left alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._is_throttled = False

    def set(self, seconds: float, *, throttled: bool = False) -> None:
        """Leave it alone for so long from now; a longer mark stays. ``throttled``: because it wished so."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            if until > self._until:
                self._until, self._is_throttled = until, throttled

    def clear(self) -> None:
        """It has answered."""
        with self._lock:
            self._until = 0.0

    @property
    def is_throttled(self) -> bool:
        """Whether the last mark was its own wish."""
        return self._is_throttled

    def left_seconds(self) -> float:
        """How long it is still to be left alone; 0: not at all."""
        with self._lock:
            return max(0.0, self._until - self._clock.monotonic())
