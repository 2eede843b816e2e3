"""Group commit: many threads hand in jobs, one of them runs all that wait, and one fsync serves them all.

Promises
  * :meth:`GroupCommit.submit` returns when its job has been run, in the order of arrival. Nobody waits for company: an idle
    group runs a job at once in the thread that brought it.
  * Whoever leads runs one batch, then hands the lead to the first that waits: no thread works for others forever.
  * A job that has not been begun after a while is taken back, and has not happened.

Invariant: there is a leader exactly while ``_led`` is set, and only the leader runs.
Never here: SQL, files; what running means is the owner's.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from holdfast.errors import MetadataUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BATCH: Final = 128
_PATIENCE_SECONDS: Final = 30.0
_Work = TypeVar("_Work")


def _held() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class Job(Generic[_Work]):
    """Something to run. The runner sets ``result`` or ``error``; each job has its own error, to be raised in its own thread."""

    work: _Work
    result: object = None
    error: Exception | None = None
    settled: bool = False
    leads: bool = False
    wake: threading.Lock = field(default_factory=_held)


class GroupCommit(Generic[_Work]):
    """``run`` is called by one thread at a time; it calls its argument once, when it is ready, to get the batch."""

    def __init__(
        self,
        run: Callable[[Callable[[], Sequence[Job[_Work]]]], None],
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._run = run
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._waiting: deque[Job[_Work]] = deque()
        self._led = False

    def submit(self, job: Job[_Work]) -> None:
        """Run it, or have it run.

        Raises:
            MetadataUnavailableError: its turn did not come.
        """
        with self._lock:
            self._waiting.append(job)
            job.leads = not self._led
            self._led = True
        if not job.leads and not job.wake.acquire(timeout=self._patience_seconds):
            self._give_up(job)
        if job.leads:
            self._lead(job)

    def _give_up(self, job: Job[_Work]) -> None:
        with self._lock:
            if job.leads:
                return  # it was woken this very moment
            waiting = job in self._waiting
            if waiting:
                self._waiting.remove(job)
        if waiting:
            raise MetadataUnavailableError("the metadata store is stuck in an earlier change: try again")
        job.wake.acquire()  # it has been begun, and how that ends must be known

    def _lead(self, own: Job[_Work]) -> None:
        batch: list[Job[_Work]] = []

        def take() -> Sequence[Job[_Work]]:
            with self._lock:
                while self._waiting and len(batch) < _BATCH:
                    batch.append(self._waiting.popleft())
            return batch

        try:
            self._run(take)
        finally:
            if own not in batch:
                take()  # the runner failed before it was ready
            self._hand_over()
            for job in batch:
                job.settled = True
                if job is not own:
                    job.wake.release()

    def _hand_over(self) -> None:
        with self._lock:
            self._led = bool(self._waiting)
            if self._led:
                heir = self._waiting[0]
                heir.leads = True
                heir.wake.release()
