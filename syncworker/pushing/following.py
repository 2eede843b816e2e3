"""Images that have changed here, copied at once: one thread for each entry, beside the runs that compare everything.

Promises
    * Of several workers one copies a repository's changes: the one that all of them would choose among those that are alive.
    * What could not be copied at once is left to a run, which tries again as configured; so is what changes while the entry is
      paused, and what is too much at a time. A run that failed is wished for again, later each time.

Never: two images of one entry at once, or an image for longer than ``syncTimeout``.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, UnavailableError
from holdfast.meta import keys
from holdfast.names import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.clock import Clock
    from holdfast.meta.mirrorruns import MirrorRuns
    from holdfast.meta.store import Store
    from holdfast.mirrors.entries import Entry
    from holdfast.names import Tag
    from syncworker.pushing.job import PushJob

_log: Final = logging.getLogger("holdfast.sync")

# Beyond that, a run is the better way to find out what has changed.
_WAITING: Final = 1_000
_WORKERS: Final = 1_000
_END_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 30.0
_LATEST_AGAIN_SECONDS: Final = 900.0


class Limit:
    """A progress that ends a copying when its time is over, or its worker is to stop."""

    def __init__(self, clock: Clock, timeout_seconds: float, is_stopping: Callable[[], bool]) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + timeout_seconds if timeout_seconds else float("inf")
        self._is_stopping = is_stopping

    def moved(self, _size_bytes: int) -> None:
        """As ``Progress``."""
        if self._is_stopping():
            raise UnavailableError("this worker is told to stop")
        if self._clock.monotonic() >= self._deadline:
            raise UnavailableError("it took longer than syncTimeout")


class Follower:
    """Of one entry. ``is_mine`` tells whose a repository's changes are; it may raise UnavailableError."""

    def __init__(
        self,
        entry: Entry,
        job: PushJob,
        runs: MirrorRuns,
        clock: Clock,
        is_mine: Callable[[Repository], bool],
        timeout_seconds: float,
    ) -> None:
        self._entry = entry
        self._job = job
        self._runs = runs
        self._clock = clock
        self._is_mine = is_mine
        self._timeout_seconds = timeout_seconds
        self._changed = threading.Condition()
        self._waiting: dict[tuple[Repository, Tag], None] = {}
        self._is_stopping = False
        self._failures = 0
        self._failed_run = 0
        self._again_at_seconds = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"follow-{entry.id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Not waiting long for an image under way, which nobody sees before it is whole."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

    def offer(self, repository: Repository, tag: Tag) -> None:
        """Something has changed; nothing happens if the entry does not select it. Raises UnavailableError."""
        if not self._job.selects(repository, tag):
            return
        with self._changed:
            is_much = len(self._waiting) >= _WAITING
            if not is_much:
                self._waiting[repository, tag] = None
                self._changed.notify_all()
        if is_much:
            self.wish()

    def wish(self) -> None:
        """Have everything compared. Raises UnavailableError."""
        self._runs.ask(self._entry.id)

    def look_again(self) -> None:
        """Wish for another run, if the last one failed some time ago. Raises UnavailableError."""
        run, now = self._runs.look(self._entry.id).run, self._clock.monotonic()
        if run.is_running:
            return
        if not run.has_failed:
            self._failures = 0
        elif run.number != self._failed_run:
            pause_seconds = min(_AGAIN_SECONDS * 2.0**self._failures, _LATEST_AGAIN_SECONDS)
            self._failures, self._failed_run, self._again_at_seconds = (
                self._failures + 1,
                run.number,
                now + pause_seconds,
            )
        elif now >= self._again_at_seconds and self._is_mine(Repository(self._entry.id)):
            self._again_at_seconds = float("inf")
            self.wish()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_stopping, _LOOK_SECONDS)
                if self._is_stopping:
                    return
                change = next(iter(self._waiting), None)
                if change is not None:
                    del self._waiting[change]
            try:
                if change is not None:
                    self._attend(*change)
                else:
                    self.look_again()
            except UnavailableError as error:
                _log.warning("a mirror waits", extra={"mirror": self._entry.title, "reason": error.message})
            except Exception:  # noqa: BLE001 - one image that breaks is not to stop the others
                _log.exception("copying an image broke")

    def _attend(self, repository: Repository, tag: Tag) -> None:
        named = {"mirror": self._entry.title, "repository": repository, "tag": tag}
        try:
            if not self._is_mine(repository):
                return
            if self._runs.look(self._entry.id).is_paused:
                self.wish()
                return
            limit = Limit(self._clock, self._timeout_seconds, lambda: self._is_stopping)
            copied = self._job.copy(repository, tag, limit)
        except HoldfastError as error:
            if not self._is_stopping:
                _log.warning("an image could not be copied at once", extra={**named, "reason": error.message})
                self.wish()
            return
        if copied.skipped_reason:
            _log.info("left out an image", extra={**named, "reason": copied.skipped_reason})
        elif copied.is_changed:
            about = {"digest": str(copied.digest), "size": copied.size_bytes}
            _log.info("successfully synced image", extra=named | about)


def workers(store: Store) -> list[str]:
    """The ids of the sync workers that are alive. Raises MetadataUnavailableError."""
    return [keys.process_in(entry.key)[1] for entry in store.range(*keys.WORKERS, _WORKERS, keys_only=True).entries]


def chosen(repository: Repository, living: Sequence[str]) -> str | None:
    """Who of the workers attends to a repository: whoever asks, the answer is the same, and few change when one comes or goes."""
    return max(living, key=lambda one: hashlib.sha256(f"{one} {repository}".encode()).digest(), default=None)
