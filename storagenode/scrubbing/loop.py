"""When a node reads its copies: every so often, when somebody asks, and where a former process had stopped.

One thread, at the disk's lowest priority. Between rounds it looks what has become of what was found.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import psutil

from holdfast.errors import HoldfastError
from holdfast.meta.scrubs import Finding, Report, Round, State
from storagenode.scrubbing.book import Place
from storagenode.scrubbing.pace import StoppedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.scrubs import Scrubs
    from storagenode.scrubbing.book import ScrubBook
    from storagenode.scrubbing.missing import Missing
    from storagenode.scrubbing.walk import Walk

_LOG: Final = logging.getLogger("holdfast.scrub")

_LOOK_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 30.0
_SAVE_SECONDS: Final = 5.0
# Of a round that nobody waits for.
_PUBLISH_SECONDS: Final = 60.0
_FINDINGS_EVERY_SECONDS: Final = 3.0
_JUDGED_EVERY_SECONDS: Final = 10.0
# Looking takes the metadata's time; it gets so much more to itself afterwards.
_REST: Final = 10.0
# Of those that are open, at a time: each is a question to every node.
_JUDGED_AT_A_TIME: Final = 50


@dataclass(frozen=True, slots=True)
class Rhythm:
    """``interval_seconds`` from one round's beginning to the next; 0: only when asked. ``first_seconds``: until the first one of a
    new node, and until a process goes on with what another has left.
    """

    interval_seconds: float
    first_seconds: float = 600.0
    resume_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Told:
    """Where a node of a registry leaves its report, hears wishes, and learns what became of its findings."""

    node_id: str
    scrubs: Scrubs
    missing: Missing


class Loop:
    """``walk`` calls ``on_way`` as its ``saved``. ``told`` None: a node that knows no metadata. ``start`` once, ``stop`` once."""

    def __init__(
        self, book: ScrubBook, told: Told | None, rhythm: Rhythm, clock: Clock, stopping: threading.Event
    ) -> None:
        self._book = book
        self._told = told
        self._rhythm = rhythm
        self._clock = clock
        self._stopping = stopping
        self._walk: Walk | None = None
        self._place, self._report = self._saved = book.load()
        self._published = Report()
        self._published_at = clock.monotonic()
        now = clock.monotonic()
        self._saved_at = now
        self._looked_at = float("-inf")
        self._judged_at = float("-inf")
        self._rest_until = now
        self._due = now + self._first_due()
        self._thread = threading.Thread(target=self._run, name="scrub", daemon=True)

    def start(self, walk: Walk) -> None:
        self._walk = walk
        self._thread.start()

    def stop(self) -> None:
        """After ``stopping`` was set; what is done is saved."""
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def report(self) -> Report:
        return self._report

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for the round that is under way."""
        return self._report.answering > self._report.answered

    def _first_due(self) -> float:
        rhythm = self._rhythm
        if self._report.current is not None:
            return rhythm.resume_seconds
        if not rhythm.interval_seconds:
            return float("inf")
        if self._report.last is None:
            return min(rhythm.first_seconds, rhythm.interval_seconds)
        # A wall clock that was set makes one round come early or late by an interval at most.
        age_seconds = self._clock.wall() - self._report.last.began_seconds
        return min(rhythm.interval_seconds, max(rhythm.resume_seconds, rhythm.interval_seconds - age_seconds))

    def _run(self) -> None:
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            psutil.Process(threading.get_native_id()).ionice(psutil.IOPRIO_CLASS_IDLE)
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self.look()
            except StoppedError:
                break
            except HoldfastError as error:
                self._put_off(error.message)
            except Exception:  # noqa: BLE001 - the thread must outlive any surprise, and say so
                _LOG.exception("a scrub broke; it goes on later")
                self._rest()
        with contextlib.suppress(HoldfastError):
            self._save()

    def _put_off(self, reason: str) -> None:
        has_given_up = self._walk is not None and self._walk.has_given_up
        _LOG.log(logging.ERROR if has_given_up else logging.WARNING, "a scrub is put off", extra={"reason": reason})
        self._rest()
        if has_given_up:
            self._give_up()
        with contextlib.suppress(HoldfastError):
            self._save()
            if has_given_up:
                self._publish()

    def _give_up(self) -> None:
        """The round is over where it is: who waits for it is told so, and no later process goes on with it unasked."""
        self._due = float("inf")
        if self._report.current is not None:
            last = replace(self._report.current, ended_seconds=self._clock.wall())
            answered = max(self._report.answered, self._report.answering)
            self._place, self._report = Place(), Report(answered, None, last)

    def _rest(self) -> None:
        """And go on then, where a round is under way."""
        self._rest_until = self._clock.monotonic() + _AGAIN_SECONDS
        if self._report.current is not None:
            self._due = self._rest_until

    def look(self) -> bool:
        """A round if it is time for one; whether there was one. Raises StoppedError, UnavailableError."""
        if self._clock.monotonic() < self._rest_until:
            return False
        self._look_after_findings()
        self._publish()
        asked = self._told.scrubs.asked(self._told.node_id) if self._told is not None else 0
        if max(self._report.answered, self._report.answering) > asked and self._told is not None:
            # Restored, or moved to another store: revisions began anew, and what was answered there says nothing here.
            self._report = replace(self._report, answered=0, answering=0)
            self._save()
            self._publish()
        is_asked = asked > max(self._report.answered, self._report.answering)
        if self._clock.monotonic() < self._due and not is_asked:
            return False
        self._round(asked, anew=is_asked)
        return True

    def _round(self, asked: int, *, anew: bool) -> None:
        if self._walk is None:
            raise AssertionError("started without a walk")
        began = self._clock.monotonic()
        if anew or self._report.current is None:
            self._place = Place()
            self._report = replace(self._report, current=Round(self._clock.wall()), answering=asked)
            self._save()
        done = self._walk.round(self._place, self._report.current or Round(self._clock.wall()))
        if self._told is not None:
            self._told.missing.known()  # who waits for this round is not to be told of what has come again since
        done = replace(done, ended_seconds=self._clock.wall())
        self._place, self._report = Place(), Report(max(self._report.answered, self._report.answering), None, done)
        self._save()
        self._publish()
        self._walk.counters.rounds += 1
        interval = self._rhythm.interval_seconds
        self._due = max(self._clock.monotonic(), began + interval) if interval else float("inf")
        told = {"blobs": done.blobs, "bytes": done.size_bytes, "wrong": done.wrong, "missing": done.missing}
        text = "all copies were read" if not done.unread else "all copies were read that could be found"
        _LOG.log(logging.ERROR if done.findings else logging.INFO, text, extra=told)

    def on_way(self, place: Place, so_far: Round) -> None:
        """The walk is there."""
        self._place, self._report = place, replace(self._report, current=so_far)
        now = self._clock.monotonic()
        if now - self._saved_at >= _SAVE_SECONDS:
            self._save()
            if self.is_asked or now - self._published_at >= _PUBLISH_SECONDS:
                self._publish()

    def _save(self) -> None:
        self._saved_at = self._clock.monotonic()
        if (self._place, self._report) != self._saved:
            self._book.save(self._place, self._report)
            self._saved = (self._place, self._report)

    def _publish(self) -> None:
        self._published_at = self._clock.monotonic()
        if self._told is not None and self._report != self._published:
            self._told.scrubs.publish(self._told.node_id, self._report)
            self._published = self._report

    # -- what has become of what was found

    def _look_after_findings(self) -> None:
        began, told = self._clock.monotonic(), self._told
        if told is None or began < self._looked_at + _FINDINGS_EVERY_SECONDS:
            return
        lost = frozenset(told.missing.known())
        last = self._report.last
        if last is not None and last.findings:
            is_turn = began >= self._judged_at + _JUDGED_EVERY_SECONDS
            self._judged_at = began if is_turn else self._judged_at
            findings = _judged(last.findings, lost, told.missing, _JUDGED_AT_A_TIME if is_turn else 0)
            if findings != last.findings:
                self._report = replace(self._report, last=replace(last, findings=findings))
                self._save()
        ended = self._clock.monotonic()
        self._looked_at = ended + _REST * (ended - began)


def _judged(
    findings: Sequence[Finding], lost: frozenset[Digest], missing: Missing, open_turns: int
) -> tuple[Finding, ...]:
    """As they stand now; of the open ones so many are asked about."""
    judged = []
    for finding in findings:
        state = finding.state
        if state in {State.OPEN, State.LOST} and finding.digest not in lost:
            if missing.is_here(finding.digest):
                state = State.HEALED
            elif state is State.LOST or open_turns > 0:
                open_turns -= state is State.OPEN
                state = missing.judge(finding.digest.partition, {finding.digest: finding.fault})[finding.digest].state
        elif state is State.OPEN:
            state = State.LOST
        judged.append(replace(finding, state=state))
    return tuple(judged)
