"""When something happened last, told to the metadata in batches: never a write for a request.

Promises: a thing is written at most once in ``refresh_seconds`` by this process, however often it happens, and some seconds
afterwards, together with others. A request waits for nothing: when the metadata is away or too much is pending, times are lost and
nothing else; so are some seconds of them by a crash.

Never: fails a request.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from holdfast.errors import HoldfastError
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock

_log: Final = logging.getLogger("holdfast.gateway")

# Some 10 MB; beyond that a thing may be written more often than it has to be.
_REMEMBERED: Final = 50_000
_PENDING: Final = 10_000

K = TypeVar("K")


class Batches(Generic[K]):
    """Shared by threads. ``name``: of the times, for the log and the thread."""

    def __init__(
        self,
        name: str,
        write: Callable[[dict[K, float]], object],
        clock: Clock,
        refresh_seconds: float,
        flush_seconds: float,
    ) -> None:
        self._name = name
        self._write = write
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._lock = threading.Lock()
        self._pending: dict[K, float] = {}
        self._written: Remembered[K, bool] = Remembered(clock, refresh_seconds, _REMEMBERED)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """After the last fork."""
        self._thread.start()

    def stop(self) -> None:
        """What is pending is written, if the metadata answers."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def note(self, key: K) -> None:
        """It happens now."""
        if self._written.get(key):
            return
        self._written.put(key, True)
        with self._lock:
            if len(self._pending) < _PENDING:
                self._pending[key] = self._clock.wall()

    def flush(self) -> None:
        """Write what is pending."""
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            self._write(pending)
        except HoldfastError as error:
            for key in pending:
                self._written.forget(key)  # the next time tries again
            _log.warning("times were lost", extra={"of": self._name, "count": len(pending), "reason": error.message})

    def _run(self) -> None:
        while not self._stopping.wait(self._flush_seconds):
            try:
                self.flush()
            except Exception:  # noqa: BLE001 - who counts no pulls lets retention take what is in use
                _log.exception("times were lost", extra={"of": self._name})
