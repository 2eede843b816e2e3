"""A service that is down is left alone for a while, so that those who can do without it do not wait for it.

Promises: after a failure nobody asks for ``rest_seconds``, and twice as long after each try that fails too, up to a limit.
Then one caller tries, and the others go on without until it is known what came of it. One log line when it goes, one
when it is back, none in between (of each process).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from holdfast.errors import DirectoryUnavailableError, SessionsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock

_log: Final = logging.getLogger("holdfast.access")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Service:
    """What a kind of service is called in the log, and the error that says it is down."""

    word: str
    error: type[DirectoryUnavailableError | SessionsUnavailableError]
    down: str
    back: str
    rest_seconds: float
    longest_rest_seconds: float


DIRECTORY: Final = Service(
    "directory",
    DirectoryUnavailableError,
    "the directory of users cannot be asked; other ways to log in go on without it",
    "the directory of users answers again",
    2.0,
    30.0,
)
# Who has a session can do nothing else than ask again, so its rests are short.
REDIS: Final = Service(
    "redis",
    SessionsUnavailableError,
    "redis cannot be asked; who has a session waits, all others go on",
    "redis answers again",
    0.5,
    2.0,
)


class Breaker:
    """Shared by threads. ``name``: of the server, for the log. ``rest_seconds`` None: as its kind has it."""

    def __init__(
        self, name: str, clock: Clock, rest_seconds: float | None = None, service: Service = DIRECTORY
    ) -> None:
        self._name = name
        self._clock = clock
        self._service = service
        self._first_rest_seconds = service.rest_seconds if rest_seconds is None else rest_seconds
        self._rest_seconds = self._first_rest_seconds
        self._lock = threading.Lock()
        # None: it is up, as far as is known.
        self._rests_until: float | None = None
        self._is_tried = False

    @property
    def is_down(self) -> bool:
        return self._rests_until is not None

    def run(self, work: Callable[[], Result]) -> Result:
        """Raises the service's error: it is down, or has just turned out to be. Whatever else ``work`` raises."""
        tries = self._enter()
        try:
            result = work()
        except self._service.error as error:
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
                raise self._service.error(reason="it has failed a moment ago, and is left alone")
            self._is_tried = True
            return True

    def _failed(self, error: DirectoryUnavailableError | SessionsUnavailableError, *, tries: bool) -> None:
        with self._lock:
            was_up = self._rests_until is None
            if tries:
                longest = max(self._first_rest_seconds, self._service.longest_rest_seconds)
                self._rest_seconds = min(2 * self._rest_seconds, longest)
            self._rests_until = self._clock.monotonic() + self._rest_seconds
        if was_up:
            _log.error(self._service.down, extra={self._service.word: self._name, "reason": error.reason})

    def _answered(self) -> None:
        with self._lock:
            was_down = self._rests_until is not None
            self._rests_until = None
            self._rest_seconds = self._first_rest_seconds
        if was_down:
            _log.info(self._service.back, extra={self._service.word: self._name})
