"""When what was pulled last, told to the metadata in batches: never a write for a GET.

Promises: a repository's digest is written at most once in ``REFRESH_SECONDS`` by this process, whatever the number of pulls, and
some seconds after the pull, together with others. Only for repositories whose pull times somebody will ask for. A pull waits for
nothing: when the metadata is away or too much is pending, times are lost and nothing else; so are some seconds of them by a crash.

Never: fails a pull.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.pulls import PullTimes
    from holdfast.names import Repository

_log: Final = logging.getLogger("holdfast.gateway")

REFRESH_SECONDS: Final = 300.0
_FLUSH_SECONDS: Final = 2.0
# Some 10 MB; beyond that a digest may be written more often than it has to be.
_REMEMBERED: Final = 50_000
_PENDING: Final = 10_000


class Pulls:
    """Shared by threads. ``counts``: whether anybody asks for the pull times of a repository."""

    def __init__(
        self,
        times: PullTimes,
        counts: Callable[[Repository], bool],
        clock: Clock,
        *,
        flush_seconds: float = _FLUSH_SECONDS,
    ) -> None:
        self._times = times
        self._counts = counts
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._lock = threading.Lock()
        self._pending: dict[tuple[Repository, Digest], float] = {}
        self._written: Remembered[tuple[Repository, Digest], bool] = Remembered(clock, REFRESH_SECONDS, _REMEMBERED)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pull-times", daemon=True)

    def start(self) -> None:
        """After the last fork."""
        self._thread.start()

    def stop(self) -> None:
        """What is pending is written, if the metadata answers."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def note(self, repository: Repository, digest: Digest) -> None:
        """Somebody has asked for it, and it is here or on its way."""
        key = (repository, digest)
        if not self._counts(repository) or self._written.get(key):
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
            self._times.write(pending)
        except HoldfastError as error:
            for key in pending:
                self._written.forget(key)  # the next pull of it tries again
            _log.warning("pull times were lost", extra={"count": len(pending), "reason": error.message})

    def _run(self) -> None:
        while not self._stopping.wait(self._flush_seconds):
            self.flush()


def noted_by_nobody(_repository: Repository, _digest: Digest) -> None:
    """Where pull times are not asked for."""
