"""What this process knows about etcd's quorum: when it was last confirmed, and whether it is known to be lost.

Invariant: "lost" is said only by a call that had its whole deadline and found nobody who could confirm; any confirmation ends it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.clock import Clock


class Quorum:
    """Safe for use by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._confirmed_at: float | None = None
        self._lost = False
        self._probed_at = 0.0

    @property
    def lost(self) -> bool:
        return self._lost

    def confirmed(self, asked_at: float) -> None:
        """A linearizable answer came to a question asked at that (monotonic) time."""
        with self._lock:
            self._lost = False
            self._confirmed_at = max(asked_at, self._confirmed_at or asked_at)

    def missed(self, asked_at: float) -> None:
        """No answer within the deadline to a question asked at that time. Of no weight if one came to a later question."""
        with self._lock:
            if self._confirmed_at is None or self._confirmed_at <= asked_at:
                self._lost = True

    def age_seconds(self) -> float | None:
        """How old the last confirmation is; None: there was none."""
        confirmed_at = self._confirmed_at
        return None if confirmed_at is None else self._clock.monotonic() - confirmed_at

    def may_probe(self, every_seconds: float) -> bool:
        """Whether it is this caller's turn to ask again."""
        with self._lock:
            now = self._clock.monotonic()
            if self._probed_at and now - self._probed_at < every_seconds:
                return False
            self._probed_at = now
            return True
