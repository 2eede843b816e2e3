"""How fast repair may go: as fast as it can while no client is served here, a fifth of the time while one is.

A bound in bytes a second comes on top where the operator gives one. ``heard`` is told of every call that serves a client.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from holdfast.errors import UnavailableError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from holdfast.clock import Clock

# A client that was served within this time may be in the middle of a push.
_QUIET_SECONDS: Final = 2.0
# Beside clients a copy that took a second is followed by four of rest.
_REST_FACTOR: Final = 4.0
_LONGEST_REST_SECONDS: Final = 30.0


class Pace:
    """Safe for many threads."""

    def __init__(self, clock: Clock, stopping: threading.Event, bytes_per_second: int = 0) -> None:
        """``stopping`` ends every rest at once; 0 bytes per second: no bound but the clients' need."""
        self._clock = clock
        self._stopping = stopping
        self._bytes_per_second = bytes_per_second
        self._heard_seconds = float("-inf")

    def heard(self) -> None:
        self._heard_seconds = self._clock.monotonic()

    def go_on(self) -> None:
        """Raises UnavailableError: the node is about to stop, and no copy is worth waiting for."""
        if self._stopping.is_set():
            raise UnavailableError("the storage node is stopping")

    @contextlib.contextmanager
    def copying(self, size_bytes: int) -> Iterator[None]:
        """Around one copy: rests afterwards."""
        began = self._clock.monotonic()
        yield
        ended = self._clock.monotonic()
        took = ended - began
        rest = min(_LONGEST_REST_SECONDS, took * _REST_FACTOR) if ended - self._heard_seconds < _QUIET_SECONDS else 0.0
        if self._bytes_per_second:
            rest = max(rest, size_bytes / self._bytes_per_second - took)
        if rest > 0:
            self._stopping.wait(rest)
