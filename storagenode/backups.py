"""Backups of the metadata that a node makes by itself, beside its blobs: the last resort when names are lost (`holdfast recover`).

    <data directory>/backups/holdfast-<cluster>-<moment>.backup

Promises
  * One is made every so often while the metadata changes, and the last few are kept; where nothing has changed, none is made. None
    is made of metadata that has gone back in time, until an operator says that it is right: it would push out better ones.
  * It stays out of everybody's way: it reads a snapshot, rests most of the time, and gives up before it reaches into the reserve.

Never: what an operator's own backup is for. These lie on the disks whose loss they are no help against.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import __version__
from holdfast.errors import HoldfastError, UnavailableError
from holdfast.meta.keeping import file
from holdfast.meta.keeping.making import unless_same
from storagenode.housekeeping import Housekeeping

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from holdfast.clock import Clock
    from holdfast.meta.keeping.making import Source
    from storagenode.disk.space import Space

_LOG: Final = logging.getLogger("holdfast.node")

_LOOK_SECONDS: Final = 60.0
# A start is the wrong moment to read everything.
_QUIET_SECONDS: Final = 600.0
_AGAIN_SECONDS: Final = 600.0
# Of the time, which the node's other threads would have to share.
_BUSY_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """As ``storage.metadataBackups``. ``count``: how many are kept. Raises ValueError."""

    interval_seconds: float = 24 * 3600.0
    count: int = 7

    def __post_init__(self) -> None:
        if self.interval_seconds <= 0 or self.count < 1:
            raise ValueError("an interval is longer than nothing, and at least one backup is kept")


class Backups:
    """``is_wanted``: whether this node is one of those that make them, and the metadata is to be believed."""

    def __init__(
        self,
        directory: Path,
        store: Source,
        space: Space,
        clock: Clock,
        options: BackupOptions,
        is_wanted: Callable[[], bool],
    ) -> None:
        self._directory = directory
        self._store = store
        self._space = space
        self._clock = clock
        self._options = options
        self._is_wanted = is_wanted
        self._stopping = threading.Event()
        self._due = clock.monotonic() + min(_QUIET_SECONDS, options.interval_seconds)
        self._thread = Housekeeping(self.look, min(_LOOK_SECONDS, options.interval_seconds))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """One that is being made is given up."""
        self._stopping.set()
        self._thread.stop()

    def look(self) -> None:
        """Make one if it is time. Raises UnavailableError, ConfigError, OSError: it is tried again after a while."""
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + min(_AGAIN_SECONDS, self._options.interval_seconds)
        if not self._is_wanted():
            return
        newest = self._newest()
        if newest is None or not self._is_fresh(newest):
            made = self._make(newest)
            self._drop_old(made)
        self._due = now + self._options.interval_seconds

    def _is_fresh(self, newest: Path) -> bool:
        """Made, or found to be still right, a short while ago; by the wall clock, so a node that is restarted makes no more."""
        return 0 <= self._clock.wall() - newest.stat().st_mtime < self._options.interval_seconds / 2

    def _make(self, newest: Path | None) -> Path | None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for left in self._directory.glob("*.partial"):
            left.unlink()  # of a process that died: who writes here owns the node's directory
        content = self._content(newest)
        made = unless_same(self._store, self._directory, __version__, self._clock, self._rest(), content=content)
        if made is not None:
            _LOG.info("a backup of the metadata was made", extra={"file": made.path.name, "keys": made.keys})
            return made.path
        if newest is not None:
            os.utime(newest)
        return None

    @staticmethod
    def _content(newest: Path | None) -> str:
        """Of a file that is whole; a damaged one is worth making another."""
        try:
            return file.content_of(newest) if newest is not None else ""
        except HoldfastError:
            return ""

    def _rest(self) -> Callable[[int], None]:
        """Called every so many keys: lets others go on, or raises UnavailableError."""
        woke = self._clock.monotonic()

        def rest(_keys: int) -> None:
            nonlocal woke
            self._space.require()
            worked_seconds = self._clock.monotonic() - woke
            if self._stopping.wait(worked_seconds * (1 / _BUSY_SHARE - 1)):
                raise UnavailableError("the node is stopping")
            woke = self._clock.monotonic()

        return rest

    def _all(self) -> list[Path]:
        """Oldest first; their names say when."""
        return sorted(self._directory.glob("*.backup"), key=lambda path: path.name.rpartition("-")[2])

    @property
    def last_seconds(self) -> float | None:
        """When the newest was made, or found to be still right, by the wall. None: there is none."""
        try:
            newest = self._newest()
            return newest.stat().st_mtime if newest is not None else None
        except OSError:
            return None

    def _newest(self) -> Path | None:
        found = self._all()
        return found[-1] if found else None

    def _drop_old(self, made: Path | None) -> None:
        """Never the one that was made just now: by a clock that was set back it is the oldest."""
        old = [path for path in self._all() if path != made]
        for path in old[: max(0, len(old) + (made is not None) - self._options.count)]:
            path.unlink(missing_ok=True)
