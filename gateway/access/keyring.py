"""Keys that several gateways share, held for a minute.

Promises: a key that another gateway has made is found as soon as something made with it turns up, but a stranger's text is no
reason to read the metadata all the time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.signing import SigningKey

_KEPT_SECONDS: Final = 60.0
_UNKNOWN_SECONDS: Final = 1.0


class KeyRing:
    """``read`` gives all that count, oldest first, at least one; what it raises, every method raises. Shared by threads."""

    def __init__(self, read: Callable[[], list[SigningKey]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._held: list[SigningKey] = []
        self._held_until = 0.0
        self._asked_at = 0.0

    def newest(self) -> SigningKey:
        return self._current()[-1]

    def numbered(self, number: int) -> SigningKey | None:
        """None: there is no such key (any more)."""
        for held in (self._current, self._anew):
            for key in held():
                if key.number == number:
                    return key
        return None

    def _current(self) -> list[SigningKey]:
        with self._lock:
            if self._held and self._clock.monotonic() < self._held_until:
                return self._held
        return self._load()

    def _anew(self) -> list[SigningKey]:
        with self._lock:
            if self._clock.monotonic() < self._asked_at + _UNKNOWN_SECONDS:
                return self._held
        return self._load()

    def _load(self) -> list[SigningKey]:
        found = self._read()
        now = self._clock.monotonic()
        with self._lock:
            self._held, self._held_until, self._asked_at = found, now + _KEPT_SECONDS, now
        return found
