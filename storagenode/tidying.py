"""What goes from a node's disks without having been a blob: uploads that nobody goes on with, what broken ones left, the trash.

Promises
  * The trash keeps what was deleted for a day in case the metadata was wrong. Room on a disk that is nearly full is worth more:
    so much of what came first goes early that the reserve is not reached, but never what is younger than a quarter of an hour, by
    when a node has seen whether the metadata is right and what was linked meanwhile has its copies again.
  * Nothing leaves the trash while the metadata is not right: after an old backup was restored, what it names may lie there.

Never here: blobs that are nobody's, files.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.errors import HoldfastError
from holdfast.rpc.collecting import NONE, Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from holdfast.clock import Clock
    from holdfast.rpc.node import OpenUpload
    from storagenode.disk.leftovers import Leftovers
    from storagenode.disk.space import Space
    from storagenode.node import StorageNode

_LOG: Final = logging.getLogger("holdfast.node")

LEAST_SECONDS: Final = 900.0
_ROUND_SECONDS: Final = 60.0
_LEFT_SECONDS: Final = 3600.0
# A trash of which nothing may go yet is not read every second.
_PRESSED_SECONDS: Final = 5.0


class Waste(Protocol):
    """What was deleted and is kept for a while."""

    @property
    def held(self) -> Amount:
        """What lies there, as of the last look."""
        ...

    def empty(self, keep_seconds: float) -> Amount:
        """Remove what has been seen here for so long; how much."""
        ...

    def make_room(self, wanted_bytes: int, keep_seconds: float) -> Amount:
        """As ``empty``, what came first first, and no more than is needed on the disk."""
        ...

    def contents(self, keep_seconds: float) -> tuple[Amount, Amount]:
        """What ``empty`` would remove, and what it would leave."""
        ...


@dataclass(frozen=True, slots=True)
class Bin:
    """The trash of a disk, and what its staged files have left. ``route`` "": the main one."""

    route: str
    trash: Waste
    space: Space
    leftovers: Leftovers


@dataclass(frozen=True, slots=True)
class Keep:
    """How long an upload may rest, and what was deleted stays in the trash; where room is wanted, ``least_seconds`` of that."""

    upload_seconds: float
    trash_seconds: float
    least_seconds: float = LEAST_SECONDS


@dataclass(slots=True)
class Trashed:
    """Of one disk, for metrics. ``emptied`` since the process began; ``held``: what lies in the trash, seen within a minute."""

    emptied: Amount = NONE
    held: Amount = NONE


class Tidying:
    """For one thread. Implements what ``storagenode.collecting`` calls a ``Tidier``."""

    def __init__(self, node: StorageNode, bins: Sequence[Bin], keep: Keep, clock: Clock) -> None:
        self._node = node
        self._bins = bins
        self._keep = keep
        self._clock = clock
        self._due = self._relief_due = clock.monotonic()
        self.trashed = {one.route: Trashed() for one in bins}

    def uploads(self, *, dry_run: bool) -> tuple[Amount, Amount]:
        before = self._node.list_uploads()
        old = [upload for upload in before if upload.idle_seconds >= self._keep.upload_seconds]
        if dry_run:
            more = [one.leftovers.foresee(_LEFT_SECONDS) for one in self._bins]
            return sum(more, _sum(old)), _sum(upload for upload in before if upload not in old)
        more = [one.leftovers.remove(_LEFT_SECONDS) for one in self._bins]
        self._node.expire_uploads(self._keep.upload_seconds)
        left = self._node.list_uploads()
        ids = {upload.key.upload_id for upload in left}
        return sum(more, _sum(upload for upload in old if upload.key.upload_id not in ids)), _sum(left)

    def trash(self, *, dry_run: bool) -> Mapping[str, tuple[Amount, Amount]]:
        keep_seconds = self._keep.trash_seconds
        found = {}
        for one in self._bins:
            emptied = Amount() if dry_run else self._empty(one)
            old, left = one.trash.contents(keep_seconds)
            found[one.route] = (old, left) if dry_run else (emptied, old + left)
        return found

    def look(self, require_right: Callable[[], None]) -> None:
        """Every second or so. Raises what ``require_right`` raises: then everything stays."""
        now = self._clock.monotonic()
        pressed = [one for one in self._bins if self._is_pressed(one)] if now >= self._relief_due else []
        if now < self._due and not pressed:
            return
        require_right()
        if now >= self._due:
            self._due = now + _ROUND_SECONDS
            self._each(self._bins, self._empty)
            self._each(self._bins, lambda one: one.leftovers.remove(_LEFT_SECONDS))
        if pressed:
            self._relief_due = now + _PRESSED_SECONDS
            self._each(pressed, self._relieve)

    def _empty(self, one: Bin) -> Amount:
        return self._noted(one, one.trash.empty(self._keep.trash_seconds))

    def _noted(self, one: Bin, emptied: Amount) -> Amount:
        trashed = self.trashed[one.route]
        trashed.emptied += emptied
        trashed.held = one.trash.held
        return emptied

    @staticmethod
    def _is_pressed(one: Bin) -> bool:
        try:
            return one.space.lacking_bytes > 0
        except OSError:
            return False  # a disk that does not answer gets no room, and holds up none of the others

    def _relieve(self, one: Bin) -> None:
        freed = one.trash.make_room(one.space.lacking_bytes, min(self._keep.least_seconds, self._keep.trash_seconds))
        self._noted(one, freed)
        if freed.count:
            self._relief_due = self._clock.monotonic()
            _LOG.warning(
                "the disk is nearly full: the trash is emptied early",
                extra={"route": one.route, "copies": freed.count, "bytes": freed.size_bytes},
            )

    @staticmethod
    def _each(bins: Iterable[Bin], work: Callable[[Bin], object]) -> None:
        """Also when one of the disks fails."""
        for one in bins:
            try:
                work(one)
            except (HoldfastError, OSError) as error:
                _LOG.warning(
                    "a disk was not tidied up; it is tried again", extra={"route": one.route, "reason": str(error)}
                )


def _sum(uploads: Iterable[OpenUpload]) -> Amount:
    return sum((Amount(1, upload.offset_bytes) for upload in uploads), Amount())
