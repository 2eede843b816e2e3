"""The trash: deleted copies, kept for a while in case the delete was a mistake.

How long a copy has lain here is counted on this process's monotonic clock from when it was first seen, so a restart only ever makes
it longer, and no wall clock can make it shorter.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

    def empty(self, keep_seconds: float) -> int:
        """Remove what has been seen here for so long; how many."""
        now = self._clock.monotonic()
        self._seen = {name: self._seen.get(name, now) for name in os.listdir(self._folder)}
        old = [name for name, since in self._seen.items() if now - since >= keep_seconds]
        for name in old:
            self._files.unlink(f"{self._folder}/{name}")
        return len(old)
