"""The trash: deleted copies, kept for a while in case the delete was a mistake.

How long a copy has lain here is counted on this process's monotonic clock from when it was first seen, so a restart only ever makes
it longer, and no wall clock can make it shorter.

Never here: whether the delete was right, and whether room is wanted.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast.rpc.collecting import Amount
from storagenode.disk.ages import Ages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.clock import Clock
    from storagenode.disk.fsio import Files
    from storagenode.disk.tree import Tree


class Trash:
    """The trash folder. For one thread."""

    def __init__(self, tree: Tree, files: Files, clock: Clock) -> None:
        self._folder = tree.trash
        self._files = files
        self._clock = clock
        self._ages = Ages(clock)
        self._held_bytes = 0
        self._removed = 0  # since the last look

    @property
    def held(self) -> Amount:
        """What lies here, as of the last look."""
        return Amount(len(self._ages) - self._removed, self._held_bytes)

    def empty(self, keep_seconds: float) -> Amount:
        """Remove what has been seen here for so long; how much."""
        self._look()
        return self._remove(self._old(keep_seconds))

    def make_room(self, wanted_bytes: int, keep_seconds: float) -> Amount:
        """As ``empty``, what came first first, and no more than is needed."""
        self._look()
        wanted: list[str] = []
        for name in sorted(self._old(keep_seconds), key=self._ages.since):
            if wanted_bytes <= 0:
                break
            wanted.append(name)
            wanted_bytes -= self._size(name)
        return self._remove(wanted)

    def contents(self, keep_seconds: float) -> tuple[Amount, Amount]:
        """What ``empty`` would remove, and what it would leave."""
        old, left = Amount(), Amount()
        now = self._clock.monotonic()
        for name in self._names():
            amount = Amount(1, self._size(name))
            if self._is_old(name, now, keep_seconds):
                old += amount
            else:
                left += amount
        return old, left

    def _look(self) -> None:
        self._ages.look(self._measured())
        self._removed = 0

    def _measured(self) -> Iterator[str]:
        """Each is measured once."""
        if not len(self._ages):
            self._held_bytes = 0
        for name in self._names():
            if name not in self._ages:
                self._held_bytes += self._size(name)
            yield name

    def _names(self) -> Iterator[str]:
        """One at a time: there may be very many."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                yield entry.name

    def _old(self, keep_seconds: float) -> Iterator[str]:
        now = self._clock.monotonic()
        return (name for name in self._names() if self._is_old(name, now, keep_seconds))

    def _is_old(self, name: str, now: float, keep_seconds: float) -> bool:
        return now - self._ages.since(name) >= keep_seconds

    def _remove(self, names: Iterable[str]) -> Amount:
        gone = Amount()
        for name in names:
            size_bytes = self._size(name)
            self._files.unlink(f"{self._folder}/{name}")
            self._removed += 1
            self._held_bytes -= size_bytes
            gone += Amount(1, size_bytes)
        return gone

    def _size(self, name: str) -> int:
        try:
            return os.stat(f"{self._folder}/{name}").st_size
        except FileNotFoundError:
            return 0
