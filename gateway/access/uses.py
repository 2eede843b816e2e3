"""Which API keys and robots were used, told to the metadata in batches: never a write for a request.

Promises: a key is written at most once in ``REFRESH_SECONDS``, whatever the number of requests, and some seconds after its use. A
request waits for nothing: when the metadata is away or too much is pending, times are lost and nothing else.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.meta.uses import Place, UseTimes

_log: Final = logging.getLogger("holdfast.access")

REFRESH_SECONDS: Final = 60.0
_FLUSH_SECONDS: Final = 5.0
_REMEMBERED: Final = 10_000


class Uses:
    """Shared by threads."""

    def __init__(self, times: UseTimes, clock: Clock) -> None:
        self._times = times
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: dict[Place, float] = {}
        self._noted: Remembered[Place, bool] = Remembered(clock, REFRESH_SECONDS, _REMEMBERED)
        self._stopping = threading.Event()

    def start(self) -> None:
        """After the last fork."""
        threading.Thread(target=self._run, name="uses", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def note(self, place: bytes, revision: int) -> None:
        """This one is used now."""
        key = (place, revision)
        if self._noted.get(key):
            return
        self._noted.put(key, True)
        with self._lock:
            if len(self._pending) < _REMEMBERED:
                self._pending[key] = self._clock.wall()

    def flush(self) -> None:
        """Write what is pending."""
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            self._times.write(pending, REFRESH_SECONDS)
        except HoldfastError as error:
            _log.warning(
                "the times when keys were used are lost", extra={"count": len(pending), "reason": error.message}
            )

    def _run(self) -> None:
        while not self._stopping.wait(_FLUSH_SECONDS):
            self.flush()
