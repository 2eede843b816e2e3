"""A value that lives elsewhere: fetched, kept, and fetched again before it is old.

Promises
  * Who asks waits for the first fetch only. Afterwards one thread at a time fetches behind everybody's back.
  * A fetch that fails leaves the last good value, and is one log line until one succeeds again.
  * Fetches are at least ``apart_seconds`` apart, whatever is asked for: no stranger can make us ask all the time.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from holdfast.errors import HoldfastError, IssuerUnreachableError
from holdfast.joined import Joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock

_log: Final = logging.getLogger("holdfast.access")
_PATIENCE_SECONDS: Final = 30.0

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Pace:
    """``lasts_seconds``: after so long a value is fetched again. ``apart_seconds``: least time between two fetches."""

    lasts_seconds: float = 300.0
    apart_seconds: float = 3.0


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="fetching", daemon=True).start()


class Kept(Generic[Value]):
    """Shared by threads. ``name`` is for the log; ``load`` raises errors of ours; ``aside`` runs work in a thread of its own."""

    def __init__(
        self,
        name: str,
        load: Callable[[], Value],
        clock: Clock,
        pace: Pace = Pace(),
        aside: Callable[[Callable[[], None]], None] = _in_a_thread,
    ) -> None:
        self._name = name
        self._load = load
        self._clock = clock
        self._pace = pace
        self._aside = aside
        self._joined: Joined[str, Value] = Joined(_PATIENCE_SECONDS)
        self._lock = threading.Lock()
        self._value: tuple[Value] | None = None
        self._error: HoldfastError | None = None
        self._loaded_at = self._asked_at = -float("inf")

    def get(self) -> Value:
        """The value as last known. Raises what ``load`` raises while none was ever got."""
        held = self._value
        if held is None:
            return self.anew()
        if self._is_due():
            self._aside(self._refresh)
        return held[0]

    def anew(self) -> Value:
        """Fetched now, unless that was done a moment ago. Raises as ``get``."""
        with self._lock:
            rests = self._clock.monotonic() < self._asked_at + self._pace.apart_seconds
            held, error = self._value, self._error
        if rests and held is not None:
            return held[0]
        if rests and error is not None:
            raise IssuerUnreachableError(error.message) from error
        return self._joined.run("", self._loaded)

    def _is_due(self) -> bool:
        """True for one caller; the next comes when that one has had its time."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._loaded_at + self._pace.lasts_seconds or now < self._asked_at + self._pace.apart_seconds:
                return False
            self._asked_at = now
            return True

    def _refresh(self) -> None:
        try:
            self._joined.run("", self._loaded)
        except HoldfastError:
            return  # told in _loaded; the last good value holds

    def _loaded(self) -> Value:
        with self._lock:
            self._asked_at = self._clock.monotonic()
        try:
            value = self._load()
        except HoldfastError as error:
            self._failed(error)
            if self._value is not None:
                return self._value[0]
            raise
        with self._lock:
            self._value, self._error, self._loaded_at = (value,), None, self._clock.monotonic()
        return value

    def _failed(self, error: HoldfastError) -> None:
        with self._lock:
            is_news, self._error = self._error is None, error
        if is_news:
            _log.error(
                "what tokens are checked with cannot be fetched; the last that was holds",
                extra={"source": self._name, "reason": error.message},
            )
