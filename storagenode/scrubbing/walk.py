"""A round: every copy of a node read once, partition by partition, and what is linked and not here missed.

Promises
  * What is wrong is in quarantine, and its partition marked short of copies, before the next copy is read.
  * Stopped anywhere, the next process goes on at the last place that was saved; a copy may be read twice, none is left out but
    those that came meanwhile, which were hashed as they came.
  * A directory that cannot be read is passed over, counted, and told of once a round; nothing in it counts as missing. So is a copy
    that could not be read several times, while its place could otherwise be asked. A round that a place in an object store does
    not answer at all is put off instead: it does so for all of its partitions, and for a while.
  * Many copies, or directories, in a row that cannot be read are the disk's fault and not theirs: the round stops there, says so,
    and gives up until somebody asks for another.
  * Memory does not grow with what is stored: of one partition the names, of findings so many.

Never here: when a round is due, and how fast it goes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from holdfast.digest import PARTITIONS
from holdfast.errors import UnavailableError
from holdfast.meta.scrubs import MOST_FINDINGS, Finding, Round, State
from storagenode.scrubbing.book import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.digest import Digest
    from storagenode.scrubbing.missing import Missing
    from storagenode.scrubbing.pace import Pace
    from storagenode.store import Examined

_LOG: Final = logging.getLogger("holdfast.scrub")
_MOST_IN_A_ROW: Final = 32
# How often a round stops at a copy that its place does not give, and is put off, before it passes it over.
_TRIES: Final = 3
ABSENT: Final = "there was none"


class Names(Protocol):
    """What lies in a store by its name."""

    def names(self, partition: int) -> list[Digest]:
        """Raises UnavailableError: that cannot be said."""
        ...


class Disk(Names, Protocol):
    """What a scrub needs of a disk: of ``storagenode.disk.store.DiskStore``, or of an object store in its place."""

    def examine(self, digest: Digest, moved: Callable[[int], None]) -> Examined | None: ...


@runtime_checkable
class PaidFor(Disk, Protocol):
    """One whose reading costs money: of ``storagenode.objects.store.ObjectStore``."""

    def glance(self, digest: Digest) -> Examined | None:
        """Whether there are bytes, and how many."""
        ...


@dataclass(frozen=True, slots=True)
class Sparingly:
    """Reads only in rounds that somebody wants to be paid for, and glances in the others. Implements ``Disk``."""

    store: PaidFor
    is_wanted: Callable[[], bool]

    def names(self, partition: int) -> list[Digest]:
        return self.store.names(partition)

    def examine(self, digest: Digest, moved: Callable[[int], None]) -> Examined | None:
        return self.store.examine(digest, moved) if self.is_wanted() else self.store.glance(digest)


@dataclass(slots=True)
class Counters:
    """Since the process began, for metrics."""

    rounds: int = 0
    blobs: int = 0
    size_bytes: int = 0
    wrong: int = 0
    missing: int = 0


@dataclass(slots=True)
class Walk:
    """``missing`` None: nobody says what is linked. ``saved`` is told now and then how far it is. For one thread."""

    disks: Sequence[Disk]
    missing: Missing | None
    pace: Pace
    saved: Callable[[Place, Round], None]
    counters: Counters = field(default_factory=Counters)
    has_given_up: bool = False
    _unreadable: int = 0
    _unread: int = 0
    _why_unread: str = ""
    _refused: int = 0
    _held_up: tuple[Digest | None, int] = (None, 0)

    def round(self, place: Place, so_far: Round) -> Round:
        """From ``place`` to the end.

        Raises:
            StoppedError: the node stops. UnavailableError: the metadata or a disk does not answer; go on from the saved place.
        """
        self._unreadable, self._unread, self._why_unread, self.has_given_up = 0, 0, "", False
        for partition in range(place.partition, PARTITIONS):
            after = place.after if partition == place.partition else ""
            so_far = replace(self._partition(partition, after, so_far), partitions_done=partition + 1)
            self.saved(Place(partition + 1), so_far)
            self.pace.go_on()
        if so_far.unread:
            told = {"places": so_far.unread, "reason": self._why_unread}
            _LOG.error(
                "directories could not be read, nor any copy in them, or single copies; look at the disk", extra=told
            )
        return so_far

    def _partition(self, partition: int, after: str, so_far: Round) -> Round:
        faults: dict[Digest, str] = {}
        names, is_whole = self._names(partition)
        for digest in names:
            if str(digest) <= after:
                continue
            so_far = self._read(digest, so_far, faults)
            if not faults:  # else it is judged first, so that what was found is not forgotten by a crash
                self.saved(Place(partition, str(digest)), so_far)
        if not is_whole:
            so_far = replace(so_far, unread=so_far.unread + 1)
        return self._missed(partition, faults, so_far, is_whole=is_whole)

    def _names(self, partition: int) -> tuple[list[Digest], bool]:
        """On all disks, in order; and whether all of them could say so. Raises UnavailableError: too many could not, in a row."""
        found: set[Digest] = set()
        is_whole = True
        for disk in self.disks:
            try:
                found.update(disk.names(partition))
            except UnavailableError as error:
                if isinstance(disk, Sparingly):
                    raise  # that is no single directory's fault
                is_whole = False
                self._why_unread = self._why_unread or error.message
        self._unread = 0 if is_whole else self._unread + 1
        self._require_readable(self._unread, "directories")
        return sorted(found, key=str), is_whole

    def _read(self, digest: Digest, so_far: Round, faults: dict[Digest, str]) -> Round:
        """On every disk that has a copy of it."""
        for disk in self.disks:
            try:
                found = disk.examine(digest, self.pace.moved)
            except UnavailableError as error:
                self._pass_over(disk, digest, error)
                so_far = replace(so_far, unread=so_far.unread + 1)
                continue
            self._refused, self._held_up = 0, (None, 0)
            if found is None:
                continue
            self.pace.small(found.size_bytes)  # also for one that was only glanced at: a request is worth as much
            self.counters.blobs += 1
            read_bytes = found.size_bytes if found.is_read else 0
            self.counters.size_bytes += read_bytes
            so_far = replace(so_far, blobs=so_far.blobs + 1, size_bytes=so_far.size_bytes + read_bytes)
            if found.fault:
                self.counters.wrong += 1
                faults[digest] = found.fault
                so_far = replace(so_far, wrong=so_far.wrong + 1)
            self._require_a_disk(found)
        return so_far

    def _pass_over(self, disk: Disk, digest: Digest, error: UnavailableError) -> None:
        """Or raises it: the round is put off, and goes on with the same copy. Those that follow one such are tried once."""
        held_up, tries = self._held_up
        self._held_up = digest, (tries if held_up == digest else 0) + 1
        if self._held_up[1] < _TRIES and not self._refused:
            raise error
        disk.names(digest.partition)  # raises it as well, if that place cannot be asked for anything
        self._refused += 1
        self._why_unread = self._why_unread or error.message
        _LOG.error("a copy cannot be read, and is passed over", extra={"digest": str(digest), "reason": error.message})
        self._require_readable(self._refused, "copies")

    def _require_a_disk(self, found: Examined) -> None:
        self._unreadable = self._unreadable + 1 if found.is_unreadable else 0
        self._require_readable(self._unreadable, "copies")

    def _require_readable(self, in_a_row: int, what: str) -> None:
        if in_a_row >= _MOST_IN_A_ROW:
            self.has_given_up = True
            raise UnavailableError(
                f"{_MOST_IN_A_ROW} {what} in a row could not be read, and no more go into quarantine: look at the disk, then run"
                " `holdfast scrub`"
            )

    def _missed(self, partition: int, faults: dict[Digest, str], so_far: Round, *, is_whole: bool) -> Round:
        """Where not all could be seen, what was not seen is not missed."""
        if self.missing is None:
            return _with(so_far, [Finding(digest, fault) for digest, fault in faults.items()])
        wrong = frozenset(faults)
        absent = self.missing.of(partition) if is_whole else ()
        faults.update((digest, ABSENT) for digest in absent if digest not in wrong)
        if not faults:
            return so_far
        findings = []
        for digest, judged in self.missing.judge(partition, faults).items():
            if digest not in wrong:
                if judged.state in {State.HEALED, State.UNLINKED}:
                    continue  # it came, or went, while we looked
                self.counters.missing += 1
                so_far = replace(so_far, missing=so_far.missing + 1)
            so_far = replace(so_far, unclear=so_far.unclear + judged.is_unclear)
            findings.append(Finding(digest, faults[digest], judged.state))
            _tell(findings[-1])
        return _with(so_far, findings)


def _with(so_far: Round, found: Sequence[Finding]) -> Round:
    return replace(so_far, findings=(*so_far.findings, *found)[:MOST_FINDINGS])


def _tell(found: Finding) -> None:
    if found.state is State.LOST:
        _LOG.error("no good copy of a blob is left", extra={"digest": str(found.digest), "fault": found.fault})
    elif found.fault == ABSENT:
        _LOG.warning("a copy that should be here is not", extra={"digest": str(found.digest)})
