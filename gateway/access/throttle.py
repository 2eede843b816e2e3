"""How many wrong passwords an address may send.

Promises: ``limit`` in ``window_seconds``; then none is looked at until the window is over, whoever they are for. Memory is
bounded; the address that has been quiet for longest is forgotten first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.clock import Clock

_LIMIT: Final = 20
_WINDOW_SECONDS: Final = 60.0
_ADDRESSES: Final = 10_000


class Throttle:
    """Shared by threads."""

    def __init__(self, clock: Clock, *, limit: int = _LIMIT, window_seconds: float = _WINDOW_SECONDS) -> None:
        self._clock = clock
        self._limit = limit
        self._window_seconds = window_seconds
        self._lock = threading.Lock()
        # How many, and since when.
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def shut_seconds(self, address: str) -> float:
        """For how long nothing of this address is looked at; 0: it is."""
        with self._lock:
            count, since = self._failures.get(address, (0, 0.0))
            left = since + self._window_seconds - self._clock.monotonic()
            return max(left, 0.0) if count >= self._limit else 0.0

    def failed(self, address: str) -> None:
        now = self._clock.monotonic()
        with self._lock:
            count, since = self._failures.pop(address, (0, now))
            if now - since > self._window_seconds:
                count, since = 0, now
            self._failures[address] = (count + 1, since)
            if len(self._failures) > _ADDRESSES:
                self._failures.popitem(last=False)
