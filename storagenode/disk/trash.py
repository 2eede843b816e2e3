"""The trash: deleted copies, kept for a while in case the delete was a mistake.

How long a copy has lain here is counted on this process's monotonic clock from when it was first seen, so a restart only ever makes
it longer, and no wall clock can make it shorter.

Never here: whether the delete was right, and whether room is wanted.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast.rpc.collecting import Amount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.clock import Clock
    from storagenode.disk.fsio import Files
    from storagenode.disk.tree import Tree


class Trash:
    """The trash folder. For one thread."""

    def __init__(self, tree: Tree, files: Files, clock: Clock) -> None:
        self._folder = tree.trash
        self._files = files
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._sizes: dict[str, int] = {}

    @property
    def held(self) -> Amount:
        """What lies here, as of the last look."""
        return Amount(len(self._sizes), sum(self._sizes.values()))

    def empty(self, keep_seconds: float) -> Amount:
        """Remove what has been seen here for so long; how much."""
        self._look()
        return self._remove(self._old(keep_seconds))

    def make_room(self, wanted_bytes: int, keep_seconds: float) -> Amount:
        """As ``empty``, what came first first, and no more than is needed."""
        self._look()
        wanted: list[str] = []
        for name in sorted(self._old(keep_seconds), key=self._seen.__getitem__):
            if wanted_bytes <= 0:
                break
            wanted.append(name)
            wanted_bytes -= self._size(name)
        return self._remove(wanted)

    def contents(self, keep_seconds: float) -> tuple[Amount, Amount]:
        """What ``empty`` would remove, and what it would leave."""
        old = set(self._old(keep_seconds))
        there = os.listdir(self._folder)
        return self._sum(name for name in there if name in old), self._sum(name for name in there if name not in old)

    def _look(self) -> None:
        now = self._clock.monotonic()
        self._seen = {name: self._seen.get(name, now) for name in os.listdir(self._folder)}
        self._sizes = {name: self._sizes[name] if name in self._sizes else self._size(name) for name in self._seen}

    def _old(self, keep_seconds: float) -> list[str]:
        now = self._clock.monotonic()
        return [name for name, since in self._seen.items() if now - since >= keep_seconds]

    def _remove(self, names: Iterable[str]) -> Amount:
        gone = Amount()
        for name in names:
            size_bytes = self._size(name)
            self._files.unlink(f"{self._folder}/{name}")
            self._sizes.pop(name, None)
            gone += Amount(1, size_bytes)
        return gone

    def _sum(self, names: Iterable[str]) -> Amount:
        return sum((Amount(1, self._size(name)) for name in names), Amount())

    def _size(self, name: str) -> int:
        try:
            return os.stat(f"{self._folder}/{name}").st_size
        except FileNotFoundError:
            return 0
