"""A directory that is down is left alone for a while, so that logins by other ways do not wait for it.

Promises: after a failure nobody asks for ``rest_seconds``; then one caller tries, and the others go on without until it is known
what came of it. One log line when the directory goes, one when it is back, none in between (of each process).
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from holdfast.errors import DirectoryUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock

_log: Final = logging.getLogger("holdfast.access")

_REST_SECONDS: Final = 10.0

Result = TypeVar("Result")


class Breaker:
    """Shared by threads. ``name``: of the directory, for the log."""

    def __init__(self, name: str, clock: Clock, rest_seconds: float = _REST_SECONDS) -> None:
        self._name = name
        self._clock = clock
        self._rest_seconds = rest_seconds
        self._lock = threading.Lock()
        # None: it is up, as far as is known.
        self._rests_until: float | None = None

    @property
    def is_down(self) -> bool:
        return self._rests_until is not None

    def run(self, work: Callable[[], Result]) -> Result:
        """Raises DirectoryUnavailableError: it is down, or has just turned out to be. Whatever else ``work`` raises."""
        self._enter()
        try:
            result = work()
        except DirectoryUnavailableError as error:
            self._failed(error)
            raise
        self._answered()
        return result

    def _enter(self) -> None:
        with self._lock:
            now = self._clock.monotonic()
            if self._rests_until is None:
                return
            if now < self._rests_until:
                raise DirectoryUnavailableError("it has failed a moment ago, and is left alone")
            # This caller tries; for all others it goes on to rest.
            self._rests_until = now + self._rest_seconds

    def _failed(self, error: DirectoryUnavailableError) -> None:
        with self._lock:
            was_up = self._rests_until is None
            self._rests_until = self._clock.monotonic() + self._rest_seconds
        if was_up:
            _log.error(
                "the directory of users cannot be asked; other ways to log in go on without it",
                extra={"directory": self._name, "reason": error.reason},
            )

    def _answered(self) -> None:
        with self._lock:
            was_down = self._rests_until is not None
            self._rests_until = None
        if was_down:
            _log.info("the directory of users answers again", extra={"directory": self._name})
