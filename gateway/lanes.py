"""How many threads long transfers may hold, so that short requests always find one.

A pull or a large push holds its thread for as long as the client takes. Pulls and pushes each have a bound, both together have one,
and all three lie below the number of threads: slow readers cannot shut out anybody else (ARCHITECTURE §6, facts).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from holdfast.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable


class Lanes:
    """Two counters under one lock. Nothing waits here: a full lane is an answer, 429 with Retry-After."""

    def __init__(self, pulls: int, pushes: int, together: int) -> None:
        self._limits = {"pull": pulls, "push": pushes}
        self._together = together
        self._taken = {"pull": 0, "push": 0}
        self._lock = threading.Lock()

    def taken(self) -> dict[str, int]:
        """How many there are in each lane."""
        with self._lock:
            return dict(self._taken)

    def enter(self, lane: str) -> Callable[[], None]:
        """Take a place in ``"pull"`` or ``"push"``; the answer gives it back and may be called twice.

        Raises:
            OverloadedError: the lane is full.
        """
        with self._lock:
            if self._taken[lane] >= self._limits[lane] or sum(self._taken.values()) >= self._together:
                raise OverloadedError(f"all places for {lane}s are taken; try again in a moment")
            self._taken[lane] += 1
        left = False

        def leave() -> None:
            nonlocal left
            with self._lock:
                if not left:
                    left = True
                    self._taken[lane] -= 1

        return leave
