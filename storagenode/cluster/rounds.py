"""Repair and rebalance: rounds over all partitions, and dirty partitions in between.

A round is made when the node starts, when what is live changes, when somebody asks (``task/repair``), and every so often in
any case.
Partitions whose sums agree on all owners cost no more than the comparison. A round that began after the newest version was live and
left nothing undone is reported; when nobody is waited for any more, the older versions are retired.

A dirty mark is looked at within seconds, also during a round, and cleared by the first living owner, when all owners hold the same
and no other member holds anything of the partition. There is one for each partition at most, a moment after the layout has changed:
older ones are joined to the newest, so a node that stays away for ever makes no more of them. A copy that goes into quarantine here
has its partition marked, so that it is replaced soon, whoever is restarted before.

Everything here may be stopped and started again at any point: a round is made at the start, and what it needs the disks hold.
"""

from __future__ import annotations

import logging
import threading
import zlib
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final

from holdfast.digest import PARTITIONS
from holdfast.errors import HoldfastError, LayoutMovedError, UnavailableError
from holdfast.meta.members import Progress
from holdfast.meta.tasks import repair_asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.layouts import DirtyMark, LayoutBook
    from holdfast.meta.store import Store
    from holdfast.replicas.view import View
    from storagenode.cluster.settle import Settler

_LOG: Final = logging.getLogger("holdfast.repair")


# Sums of this many partitions are asked for at a time.
_STRIDE: Final = 256
_LOOK_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 10.0
# A mark that waits for a node that is down is looked at again when that comes back, whatever the patience.
_LONGEST_PATIENCE_SECONDS: Final = 300.0
# During a round, which may take hours.
_MARKS_EVERY_SECONDS: Final = 3.0
# Marks that this node sets for lost copies at a time: a disk that rots all over is repaired no faster by more of them.
_LOSSES_AT_A_TIME: Final = 64


@dataclass(frozen=True, slots=True)
class Round:
    """What a round came to: partitions left undone, and the nodes that did not answer."""

    undone: int = 0
    silent: frozenset[str] = frozenset()


class Repair:
    """One thread. ``view`` gives what is known of the cluster now. ``short``: partitions of the cluster that lack copies, as last
    seen.
    """

    def __init__(
        self,
        settler: Settler,
        book: LayoutBook,
        metadata: Store,
        view: Callable[[], View],
        clock: Clock,
        stopping: threading.Event,
        *,
        every_seconds: float,
    ) -> None:
        self._settler = settler
        self._store = settler.store
        self._peers = settler.peers
        self._book = book
        self._metadata = metadata
        self._view = view
        self._clock = clock
        self._stopping = stopping
        self._every_seconds = every_seconds
        self._progress = (0, 0, 0)
        self._answered = 0
        self._marks_due = float("-inf")
        self._patience: dict[int, tuple[float, float]] = {}  # partition: not before, pause
        self._bereft: set[int] = set()
        self.short = 0
        self._thread = threading.Thread(target=self._run, name="repair", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """After ``stopping`` was set. Also where the start of the node has failed before."""
        if self._thread.ident is not None:
            self._thread.join()

    def progress(self) -> Progress:
        version, done, total = self._progress
        tally = self._settler.tally
        return Progress(version, done, total, tally.copied_blobs, tally.copied_bytes, tally.failures, self._answered)

    def _run(self) -> None:
        done_for: object = None
        due = self._clock.monotonic()
        while not self._stopping.wait(_LOOK_SECONDS):
            view = self._view()
            try:
                asked = repair_asked(self._metadata)
                # By boot: who was restarted before its lease ended may have lost what it had, and answers again.
                boots = frozenset((node, alive.boot_id) for node, alive in view.alive.items())
                wanted = (view.live.revision, boots, view.removed, asked)
                if view.layouts is not None and (wanted != done_for or self._clock.monotonic() >= due):
                    self._patience.clear()
                    found = self.round(view)
                    # For the sake of those that are down it need not be soon: their return is news by itself.
                    has_failed = found.undone > 0 or not found.silent.isdisjoint(view.alive)
                    done_for, self._answered = wanted, asked
                    due = self._clock.monotonic() + (_AGAIN_SECONDS if has_failed else self._every_seconds)
                self._settle_dirty()
                self._retire()
            except HoldfastError as error:
                _LOG.warning("repair is put off", extra={"reason": error.message})
                self._stopping.wait(_LOOK_SECONDS)
            except Exception:  # noqa: BLE001 - the thread must outlive any surprise, and say so
                _LOG.exception("repair broke; it goes on")
                self._stopping.wait(_LOOK_SECONDS)

    def round(self, view: View) -> Round:
        """All partitions once, by this view, and the report if nothing is left undone."""
        if view.layouts is None:
            return Round()
        version, undone = view.layouts.newest.version, 0
        silent = {node for node in view.named if node not in view.alive} - {self._settler.me}
        for turn, first in enumerate(self._strides()):
            last = first + _STRIDE - 1
            self._progress = (version, turn * _STRIDE, PARTITIONS)
            sums = self._sums(view, first, last, silent)
            for partition in range(first, last + 1):
                if not self._needs_look(view, partition, sums):
                    continue
                settled = self._settler.settle(view, partition, silent)
                silent |= settled.silent
                undone += not settled.is_complete
                if self._is_overtaken(view):
                    return Round(undone=1, silent=frozenset(silent))
                if self._clock.monotonic() >= self._marks_due:
                    self._settle_dirty()
        self._progress = (version, PARTITIONS, 0)
        if undone or silent:
            _LOG.info(
                "a round of repair is not complete",
                extra={"version": version, "partitions": undone, "silent": sorted(silent)},
            )
        elif self._settler.me in view.named:
            self._book.report_synced(version, self._settler.me)
        return Round(undone, frozenset(silent))

    def _strides(self) -> list[int]:
        """Every node begins elsewhere: two that walked abreast would do the same copies, one sending and one fetching."""
        strides = list(range(0, PARTITIONS, _STRIDE))
        start = zlib.crc32(self._settler.me.encode()) % len(strides)
        return strides[start:] + strides[:start]

    def _is_overtaken(self, view: View) -> bool:
        """The node is about to stop, or another layout is live: a round by that one is worth more than the rest of this one."""
        return self._stopping.is_set() or self._view().live.revision != view.live.revision

    def _sums(self, view: View, first: int, last: int, silent: set[str]) -> dict[str, dict[int, bytes]]:
        """By node: the sums of these partitions. Who does not answer becomes one of the silent."""
        me = self._settler.me
        found: dict[str, dict[int, bytes]] = {
            me: {
                number: known.total for number in range(first, last + 1) if (known := self._store.sum_of(number)).copies
            }
        }
        asked = {node for partition in range(first, last + 1) for node in view.keepers(partition) if node != me}
        for node in sorted(asked - silent):
            try:
                sums = self._peers.client(node).sum_partitions(first, last)
                found[node] = {one.partition: one.total for one in sums}
            except UnavailableError:
                silent.add(node)
        return found

    def _needs_look(self, view: View, partition: int, sums: dict[str, dict[int, bytes]]) -> bool:
        """Whether there is anything to do here: something is held that does not belong here, or not all that answer hold the same.

        For the sake of those that are silent nothing can be done.
        """
        me = self._settler.me
        mine = sums[me].get(partition)
        owners = view.owners(partition)
        if me not in owners:
            return mine is not None
        return any(sums[node].get(partition) != mine for node in owners if node in sums)

    def _mark_losses(self) -> None:
        """Raises MetadataUnavailableError, OutcomeUnknownError: what is not marked yet is marked next time."""
        self._bereft |= self._store.take_bereft()
        layouts = self._view().layouts
        if layouts is None:
            return
        for partition in list(islice(self._bereft, _LOSSES_AT_A_TIME)):
            self._book.mark_dirty(partition, layouts.newest.version)
            self._bereft.discard(partition)
            _, pause = self._patience.get(partition, (0.0, _LOOK_SECONDS))
            self._patience[partition] = (0.0, pause)  # looked at now, whoever else is waited for

    def _marks(self) -> list[DirtyMark]:
        """One for each partition; the joined ones are there next time."""
        view, found, short = self._view(), [], 0
        for partition, group in groupby(self._book.dirty(), lambda mark: mark.partition):
            marks = list(group)
            short += 1
            if len(marks) > 1 and self._is_first_alive(view, view.everybody(partition)):
                self._book.join_dirty(marks)
            else:
                found.append(marks[-1])
        self.short = short
        return found

    def _is_first_alive(self, view: View, names: tuple[str, ...]) -> bool:
        """So that one node does it, and all know which."""
        return next((name for name in names if name in view.alive), None) == self._settler.me

    def _settle_dirty(self) -> None:
        self._mark_losses()
        for mark in self._marks():
            not_before, pause = self._patience.get(mark.partition, (0.0, _LOOK_SECONDS))
            if self._clock.monotonic() < not_before:
                continue
            if self._stopping.is_set():
                break
            if self._is_settled(mark):
                self._book.clear_dirty(mark)
                self._patience.pop(mark.partition, None)
            else:
                longer = min(_LONGEST_PATIENCE_SECONDS, pause * 2)
                self._patience[mark.partition] = (self._clock.monotonic() + pause, longer)
        self._marks_due = self._clock.monotonic() + _MARKS_EVERY_SECONDS

    def _is_settled(self, mark: DirtyMark) -> bool:
        """Do here what there is to do; whether nothing is left to do anywhere, and this node is the one to say so."""
        view = self._view()
        if view.layouts is None or view.layouts.newest.version < mark.version:
            return False  # this node does not know yet where the copies belong
        silent = frozenset(node for node in view.present if node not in view.alive)
        return self._settler.settle(view, mark.partition, silent).is_complete and self._is_in_order(view, mark)

    def _is_in_order(self, view: View, mark: DirtyMark) -> bool:
        """For the first living owner only: all owners hold the same, and nobody else holds anything."""
        owners, keepers = view.owners(mark.partition), view.keepers(mark.partition)
        if not self._is_first_alive(view, owners) or view.layouts is None:
            return False
        if len(owners) < len(view.layouts.newest.owners(mark.partition)):
            return False  # one of them was removed; the next layout names another
        mine = self._store.sum_of(mark.partition)
        for node in view.everybody(mark.partition):
            if node == self._settler.me:
                continue
            try:
                sums = self._peers.client(node).sum_partitions(mark.partition, mark.partition)
            except UnavailableError:
                return False
            total = sums[0].total if sums else None
            if node in owners:
                if total != (mine.total if mine.copies else None):
                    return False
            elif node not in keepers and total is not None:
                return False
        return True

    def _retire(self) -> None:
        view = self._view()
        try:
            if self._book.retire(view.live, view.removed):
                _LOG.info("the older layouts are retired", extra={"removed": sorted(view.removed)})
        except LayoutMovedError:
            return  # another node was faster
