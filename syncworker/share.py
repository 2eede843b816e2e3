"""One worker's share of a mirror's run: repository after repository, each of them claimed first.

    list ──▶ claim ──held by another──▶ later, until it is done or nobody's
               │ mine                      ▲
               ▼                           │ the metadata does not answer
             tags behind the cursor ──▶ copy one, tried again as configured ──▶ report ──▶ … ──▶ done

Promises
    * What fails is counted and told, and the next image is gone on with. After several in a row that could not be had now, the rest
      of that repository is given up for this run.
    * Told to stop, a worker lets go of what it has, at the image that is under way.
    * A claim that was taken over is noticed before the next image, and within seconds while one is copied.

Never: ends a run of which something is left undone.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, UnavailableError, UpstreamUnavailableError
from holdfast.meta.mirrorruns import Counts, Failure, Refusal
from syncworker.leash import Halt, Leash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.meta.mirrorruns import MirrorRuns, Part, Run
    from holdfast.mirrors.entries import Entry
    from holdfast.names import Repository, Tag
    from syncworker.jobs import Copied, Job
    from syncworker.upstream.pace import Retry, Time

_log: Final = logging.getLogger("holdfast.sync")

_LATER_SECONDS: Final = 1.0
# Until the upstream is asked again what it has, when something is left undone that it does not tell of.
_LISTING_SECONDS: Final = 30.0
# Images that have not changed are reported together: a write for each would cost more than the HEAD.
_REPORT_SECONDS: Final = 2.0
_HOPELESS: Final = 5
_PASSING: Final = (UnavailableError, UpstreamUnavailableError)


@dataclass(frozen=True, slots=True)
class Mirror:
    """A configured entry and what it takes to run it. ``interval_seconds`` 0: when asked only; ``timeout_seconds`` 0: no limit.

    ``at_once``: repositories.
    """

    entry: Entry
    job: Job
    interval_seconds: float
    at_once: int
    timeout_seconds: float
    retry: Retry


@dataclass(slots=True)
class _Tally:
    """What is done and not yet reported."""

    part: Part
    reported_at_seconds: float
    counts: Counts = field(default_factory=Counts)
    hopeless: int = 0


class Share:
    """Of one mirror, in one thread at a time. ``time.pause`` ends early when the worker is about to stop."""

    def __init__(self, mirror: Mirror, runs: MirrorRuns, time: Time, is_stopping: Callable[[], bool]) -> None:
        self._mirror = mirror
        self._runs = runs
        self._time = time
        self._is_stopping = is_stopping

    def take(self, run: Run) -> None:
        """Work until nothing is left to do, and end the run then; or until told to stop.

        Raises:
            UnavailableError: the metadata does not answer; the run stays as it is.
        """
        halt = Halt(run, self._runs, self._time.clock, self._is_stopping)
        names, failure = self._listed()
        if failure is not None and names:
            self._runs.note(run, failure)
        left: Sequence[Repository] = names
        while left and not halt.is_told():
            left = self._pass(run, left, halt)
            if left:
                self._time.pause(_LATER_SECONDS)
        if halt.is_told():
            return
        ended = self._runs.end(run, self._time.clock.wall(), None if names else failure)
        if ended is not None:
            _log.info("a mirror's run is over", extra={"mirror": self._mirror.entry.title, **_told(ended)})
        elif self._runs.look(run.entry).run.is_running:
            # Others are at what this worker does not see, or left it undone.
            self._time.pause(_LISTING_SECONDS)

    def _listed(self) -> tuple[list[Repository], Failure | None]:
        names: list[Repository] = []
        try:
            names += self._mirror.job.repositories()
        except HoldfastError as error:
            self._warn("a mirror's repositories cannot be listed", error.message)
            return names, self._failure(error.message)
        except Exception:  # noqa: BLE001 - a mirror that breaks is not to stop the others
            _log.exception("listing a mirror's repositories broke")
            return names, self._failure("listing broke; the sync worker's log has it")
        return names, None

    def _pass(self, run: Run, names: Sequence[Repository], halt: Halt) -> list[Repository]:
        """Every repository once, several at a time. What is to be looked at again."""
        todo: queue.SimpleQueue[Repository] = queue.SimpleQueue()
        for name in names:
            todo.put(name)
        again: list[Repository] = []

        def work() -> None:
            while not halt.is_told():
                try:
                    name = todo.get_nowait()
                except queue.Empty:
                    return
                if not self._attend(run, name, halt):
                    again.append(name)

        count = min(self._mirror.at_once, len(names))
        threads = [threading.Thread(target=work, name=f"mirror-{n}", daemon=True) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(again)

    # -- one repository

    def _attend(self, run: Run, name: Repository, halt: Halt) -> bool:
        """False: to be looked at again."""
        try:
            part = self._runs.claim(run, name)
            if isinstance(part, Refusal):
                return part is not Refusal.HELD
            self._repository(part, halt)
        except HoldfastError as error:
            self._warn("a mirror waits for the metadata", error.message, repository=name)
            return False
        return True

    def _repository(self, part: Part, halt: Halt) -> None:
        tally = _Tally(part, self._time.clock.monotonic())
        tags, failure = self._tags(part.repository)
        if failure is not None:
            self._runs.report(part, part.cursor, Counts(failed=1), failure, is_done=True)
            return
        left = [tag for tag in tags if tag > part.cursor]
        for number, tag in enumerate(left):
            if halt.is_told() or not self._image(tally, tag, halt):
                self._runs.leave(tally.part)
                return
            if tally.hopeless == _HOPELESS:
                self._give_up(tally, left[number + 1 :])
                return
        last = tags[-1] if tags else ""
        self._runs.report(tally.part, last, tally.counts, is_done=True)

    def _tags(self, name: Repository) -> tuple[Sequence[Tag], Failure | None]:
        try:
            return self._mirror.job.tags(name), None
        except HoldfastError as error:
            message = error.message
        except Exception:  # noqa: BLE001 - one repository that breaks is not to stop the others
            _log.exception("listing tags broke")
            message = "listing its tags broke; the sync worker's log has it"
        self._warn("a repository's tags cannot be listed", message, repository=name)
        return (), self._failure(message, name)

    def _give_up(self, tally: _Tally, rest: Sequence[Tag]) -> None:
        if rest:
            message = f"gave up {len(rest)} more images after {_HOPELESS} in a row that could not be had now"
            self._warn("the rest of a repository waits for the next run", message, repository=tally.part.repository)
        self._runs.report(tally.part, tally.part.cursor, tally.counts + Counts(failed=len(rest)), is_done=True)

    # -- one image

    def _image(self, tally: _Tally, tag: Tag, halt: Halt) -> bool:
        """False: it is to be left to others, nothing of it is counted."""
        part = tally.part
        leash = Leash(part, self._runs, halt, self._time.clock, self._mirror.timeout_seconds)
        copied, error = self._copied(part, tag, leash)
        if copied is None and leash.is_cut():
            if leash.is_lost():
                self._warn_taken(part)
            return False
        failure = None
        if copied is None:
            message = error.message if error else "copying it broke; the sync worker's log has it"
            failure = self._failure(message, part.repository, tag)
            self._warn("an image could not be copied", message, repository=part.repository, tag=tag)
        else:
            self._tell(part.repository, tag, copied)
        tally.hopeless = tally.hopeless + 1 if isinstance(error, _PASSING) else 0
        tally.counts += _counted(copied, leash.size_bytes)
        return self._report(tally, tag, failure, is_quiet=copied is not None and not copied.is_changed)

    def _report(self, tally: _Tally, tag: Tag, failure: Failure | None, *, is_quiet: bool) -> bool:
        now = self._time.clock.monotonic()
        if is_quiet and now - tally.reported_at_seconds < _REPORT_SECONDS:
            return True
        part = self._runs.report(tally.part, tag, tally.counts, failure)
        if part is None:
            self._warn_taken(tally.part)
            return False
        tally.part, tally.counts, tally.reported_at_seconds = part, Counts(), now
        return True

    def _copied(self, part: Part, tag: Tag, leash: Leash) -> tuple[Copied | None, HoldfastError | None]:
        failures = 0
        while True:
            try:
                return self._mirror.job.copy(part.repository, tag, leash), None
            except HoldfastError as error:
                failures += 1
                is_final = not isinstance(error, _PASSING) or failures > self._mirror.retry.retries
                if is_final or not self._rested(self._mirror.retry.pause_seconds(failures, self._time.die), leash):
                    return None, error
            except Exception:  # noqa: BLE001 - one image that breaks is not to stop the others
                _log.exception("copying an image broke")
                return None, None

    def _rested(self, seconds: float, leash: Leash) -> bool:
        """Whether it may be tried again after so long. Minutes, maybe: who pauses the mirror meanwhile is not to wait for them."""
        until = self._time.clock.monotonic() + seconds
        while not (leash.is_over or leash.is_cut()):
            left_seconds = until - self._time.clock.monotonic()
            if left_seconds <= 0:
                return True
            self._time.pause(min(left_seconds, _LATER_SECONDS))
        return False

    def _tell(self, repository: Repository, tag: Tag, copied: Copied) -> None:
        named = {"mirror": self._mirror.entry.title, "repository": repository, "tag": tag}
        if copied.skipped_reason:
            _log.info("left out an image", extra={**named, "reason": copied.skipped_reason})
        elif copied.is_changed:
            about = {"digest": str(copied.digest), "size": copied.size_bytes}
            _log.info("successfully synced image", extra=named | about)

    def _warn_taken(self, part: Part) -> None:
        self._warn(
            "another worker has taken a repository over",
            "this one was not seen for a while",
            repository=part.repository,
        )

    def _failure(self, message: str, repository: str = "", tag: str = "") -> Failure:
        return Failure(message, repository, tag, self._time.clock.wall())

    def _warn(self, what: str, reason: str, **named: str) -> None:
        _log.warning(what, extra={"mirror": self._mirror.entry.title, **named, "reason": reason})


def _counted(copied: Copied | None, size_bytes: int) -> Counts:
    if copied is None:
        return Counts(seen=1, failed=1, size_bytes=size_bytes)
    skipped = bool(copied.skipped_reason)
    return Counts(seen=1, changed=int(copied.is_changed and not skipped), skipped=int(skipped), size_bytes=size_bytes)


def _told(run: Run) -> dict[str, int]:
    counts = run.counts
    return {
        "images": counts.seen,
        "changed": counts.changed,
        "skipped": counts.skipped,
        "failed": counts.failed,
        "size": counts.size_bytes,
    }
