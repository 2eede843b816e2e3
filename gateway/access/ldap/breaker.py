"""A directory that is down is left alone for a while, so that logins by other ways do not wait for it.

Promises: after a failure nobody asks for ``rest_seconds``, and twice as long after each try that fails too, up to half a minute.
Then one caller tries, and the others go on without until it is known what came of it. One log line when the directory goes, one
when it is back, none in between (of each process).
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

_REST_SECONDS: Final = 2.0
_LONGEST_REST_SECONDS: Final = 30.0

Result = TypeVar("Result")


class Breaker:
    """Shared by threads. ``name``: of the directory, for the log."""

    def __init__(self, name: str, clock: Clock, rest_seconds: float = _REST_SECONDS) -> None:
        self._name = name
        self._clock = clock
        self._first_rest_seconds = self._rest_seconds = rest_seconds
        self._lock = threading.Lock()
        # None: it is up, as far as is known.
        self._rests_until: float | None = None
        self._is_tried = False

    @property
    def is_down(self) -> bool:
        return self._rests_until is not None

    def run(self, work: Callable[[], Result]) -> Result:
        """Raises DirectoryUnavailableError: it is down, or has just turned out to be. Whatever else ``work`` raises."""
        tries = self._enter()
        try:
            result = work()
        except DirectoryUnavailableError as error:
            self._failed(error, tries=tries)
            raise
        finally:
            if tries:
                self._is_tried = False
        self._answered()
        return result

    def _enter(self) -> bool:
        """Whether this caller is the one that tries."""
        with self._lock:
            if self._rests_until is None:
                return False
            if self._is_tried or self._clock.monotonic() < self._rests_until:
                raise DirectoryUnavailableError(reason="it has failed a moment ago, and is left alone")
            self._is_tried = True
            return True

    def _failed(self, error: DirectoryUnavailableError, *, tries: bool) -> None:
        with self._lock:
            was_up = self._rests_until is None
            if tries:
                longest = max(self._first_rest_seconds, _LONGEST_REST_SECONDS)
                self._rest_seconds = min(2 * self._rest_seconds, longest)
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
            self._rest_seconds = self._first_rest_seconds
        if was_down:
            _log.info("the directory of users answers again", extra={"directory": self._name})
