"""Finishing as jobs: a call that is repeated joins the first, and finds its result for an hour.

A client that lost its connection while a large upload was fsynced asks again; it must neither start over nor hear that the upload
is unknown. Only outcomes that are final for the upload are kept: stored, or other bytes than named.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import DigestInvalidError, OverloadedError, UploadUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.rpc.node import StoredBlob, UploadKey

KEEP_SECONDS: Final = 3600.0
# A result takes less than a kilobyte.
_KEEP_COUNT: Final = 20_000
# Jobs that have a thread, for each that may be at work on the disk: the others wait for other nodes.
_THREADS_PER_SLOT: Final = 4
# Jobs that wait for a thread hold no more than their upload; beyond this the disk is hopelessly behind.
_MAX_JOBS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Result:
    """What a finish came to."""

    key: UploadKey
    outcome: StoredBlob | DigestInvalidError
    until: float


@dataclass(frozen=True, slots=True)
class _Job:
    key: UploadKey
    digest: Digest
    future: Future[StoredBlob]


class Finishes:
    """The finishing jobs of a node. ``slots``: how many may hash and fsync at a time; each does so inside ``at_work``."""

    def __init__(self, slots: int, clock: Clock) -> None:
        self._pool = ThreadPoolExecutor(slots * _THREADS_PER_SLOT, thread_name_prefix="finish")
        self.at_work = threading.BoundedSemaphore(slots)
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._results: OrderedDict[str, Result] = OrderedDict()

    def join(
        self, key: UploadKey, digest: Digest, admit: Callable[[], object], work: Callable[[], StoredBlob]
    ) -> Future[StoredBlob] | Result:
        """The job that finishes this upload, begun now if nobody has and ``admit`` does not raise; or the result it had.

        Raises:
            UploadUnknownError: another's. DigestInvalidError: it is being finished under another digest.
        """
        with self._lock:
            self._forget_old()
            known: _Job | Result | None = self._jobs.get(key.upload_id) or self._results.get(key.upload_id)
            if known is not None and known.key != key:
                raise UploadUnknownError("no such upload; start another one")
            if isinstance(known, Result):
                return known
            if known is not None:
                if known.digest != digest:
                    raise DigestInvalidError(
                        "the upload is being finished under another digest", {"digest": str(digest)}
                    )
                return known.future
            if len(self._jobs) >= _MAX_JOBS:
                raise OverloadedError("too many uploads are being finished; try again in a moment")
            admit()
            future = self._pool.submit(work)
            self._jobs[key.upload_id] = _Job(key, digest, future)
        future.add_done_callback(lambda done: self._done(key, done))
        return future

    def keep(self, key: UploadKey, stored: StoredBlob) -> None:
        """Remember an outcome before its job is over: whatever happens to the rest of the job, this stands."""
        with self._lock:
            self._keep(key, stored)

    def result(self, upload_id: str) -> StoredBlob | None:
        """The blob an upload became, for followers that come late."""
        with self._lock:
            self._forget_old()
            known = self._results.get(upload_id)
        if known is None or isinstance(known.outcome, DigestInvalidError):
            return None
        return known.outcome

    def _done(self, key: UploadKey, future: Future[StoredBlob]) -> None:
        error = None if future.cancelled() else future.exception()
        with self._lock:
            del self._jobs[key.upload_id]
            outcome = error if isinstance(error, DigestInvalidError) else None
            if error is None and not future.cancelled():
                self._keep(key, future.result())
            elif outcome is not None:
                self._keep(key, outcome)

    def _keep(self, key: UploadKey, outcome: StoredBlob | DigestInvalidError) -> None:
        self._results[key.upload_id] = Result(key, outcome, self._clock.monotonic() + KEEP_SECONDS)
        if len(self._results) > _KEEP_COUNT:
            self._results.popitem(last=False)

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        while self._results and next(iter(self._results.values())).until <= now:
            self._results.popitem(last=False)

    def close(self) -> None:
        """Waits for the jobs."""
        self._pool.shutdown()
