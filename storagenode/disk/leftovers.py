"""What lies among the staged files and is nobody's: a small blob or a copy whose removal the disk refused when it broke off.

A start removes them as well; this is for a process that goes on for months.

Promises: only what has been seen without an owner for so long on this process's monotonic clock. Names are never used twice, so
what was seen at both ends of that time is the same file. Never: touches an upload that somebody may go on with.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast.rpc.collecting import Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from holdfast.clock import Clock
    from storagenode.disk.fsio import Files
    from storagenode.disk.tree import Tree


class Leftovers:
    """For one thread. ``owned``: what the names of files begin with that somebody is at work on."""

    def __init__(self, tree: Tree, files: Files, clock: Clock, owned: Callable[[], Collection[str]]) -> None:
        self._folder = tree.staging
        self._log = os.path.basename(tree.upload_log)
        self._files = files
        self._clock = clock
        self._owned = owned
        self._seen: dict[str, float] = {}

    def remove(self, keep_seconds: float) -> Amount:
        """What has been nobody's for so long; how much it was."""
        now = self._clock.monotonic()
        self._seen = {name: self._seen.get(name, now) for name in self._unowned()}
        gone = Amount()
        for name in self._old(keep_seconds):
            size_bytes = self._size(name)
            self._files.unlink(f"{self._folder}/{name}")
            gone += Amount(1, size_bytes)
        return gone

    def foresee(self, keep_seconds: float) -> Amount:
        """What ``remove`` would remove."""
        there = set(self._unowned())
        return sum((Amount(1, self._size(name)) for name in self._old(keep_seconds) if name in there), Amount())

    def _unowned(self) -> list[str]:
        names = os.listdir(self._folder)  # first: what is begun after that is not in it
        owned = self._owned()
        return [
            name
            for name in names
            if name.partition(".")[0] not in owned and not self._is_log(name) and name not in owned
        ]

    def _is_log(self, name: str) -> bool:
        return name.partition(".")[0] == self._log

    def _old(self, keep_seconds: float) -> list[str]:
        now = self._clock.monotonic()
        return [name for name, since in self._seen.items() if now - since >= keep_seconds]

    def _size(self, name: str) -> int:
        try:
            return os.stat(f"{self._folder}/{name}").st_size
        except FileNotFoundError:
            return 0
