"""How many wrong passwords an address may send.

Promises: ``limit`` in ``window_seconds`` for one user, and ten times as many for all together; then none is looked at until the
window is over. So one machine with an old password does not shut out its neighbours behind the same address, and trying many
users is no way around. Memory is bounded; what has been quiet for longest is forgotten first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.clock import Clock

_LIMIT: Final = 20
_WINDOW_SECONDS: Final = 60.0
_MANY_USERS: Final = 10
_REMEMBERED: Final = 20_000


class Throttle:
    """Shared by threads."""

    def __init__(self, clock: Clock, *, limit: int = _LIMIT, window_seconds: float = _WINDOW_SECONDS) -> None:
        self._clock = clock
        self._limit = limit
        self._window_seconds = window_seconds
        self._lock = threading.Lock()
        # By address and user, and by address alone: how many, and since when.
        self._failures: OrderedDict[tuple[str, str | None], tuple[int, float]] = OrderedDict()

    def is_shut(self, address: str, user: str) -> bool:
        """Whether nothing of this address is looked at now, for this user."""
        with self._lock:
            many = self._limit * _MANY_USERS
            return self._count((address, user)) >= self._limit or self._count((address, None)) >= many

    def failed(self, address: str, user: str, *, counts_for_all: bool = True) -> None:
        """``counts_for_all``: for everybody at this address too."""
        now = self._clock.monotonic()
        keys = ((address, user), (address, None)) if counts_for_all else ((address, user),)
        with self._lock:
            for key in keys:
                count = self._count(key)
                _, since = self._failures.pop(key, (0, now))
                self._failures[key] = (count + 1, since if count else now)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def _count(self, key: tuple[str, str | None]) -> int:
        count, since = self._failures.get(key, (0, 0.0))
        return count if self._clock.monotonic() - since <= self._window_seconds else 0
