"""Whether this node takes writes: a reserve of free space, and a latch that a failed fsync trips for good."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Final

from holdfast.errors import ReadOnlyError, StorageFullError

_LOG: Final = logging.getLogger("holdfast.node")


@dataclass(frozen=True, slots=True)
class Room:
    """What the file system has."""

    capacity_bytes: int
    free_bytes: int


class Space:
    """One file system. Asks it each time: others use it too, and asking costs microseconds."""

    def __init__(self, root: str, reserve_bytes: int) -> None:
        self._root = root
        self.reserve_bytes = reserve_bytes
        self._read_only = False

    @property
    def is_read_only(self) -> bool:
        return self._read_only

    def room(self) -> Room:
        found = os.statvfs(self._root)
        return Room(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    @property
    def lacking_bytes(self) -> int:
        """How much more room would keep writes from being refused soon: the disk is nearly at its reserve. 0: there is enough."""
        found = self.room()
        margin_bytes = max(self.reserve_bytes // 4, found.capacity_bytes // 100)
        return max(0, self.reserve_bytes + margin_bytes - found.free_bytes)

    def require_writable(self) -> None:
        """Raises ReadOnlyError."""
        if self._read_only:
            raise ReadOnlyError(
                "the storage node takes no writes since an fsync failed; check its disk, then restart it"
            )

    def require(self, extra_bytes: int = 0) -> None:
        """Raises ReadOnlyError, or StorageFullError if ``extra_bytes`` more would reach into the reserve."""
        self.require_writable()
        free = self.room().free_bytes
        if free - extra_bytes < self.reserve_bytes:
            raise StorageFullError(
                "the storage node has reached its free-space reserve; free some space, or try later",
                {"free": free, "reserve": self.reserve_bytes},
            )

    def trip(self, reason: Exception) -> None:
        """No more writes until a restart: after a failed fsync nobody knows what the disk still does."""
        if not self._read_only:
            _LOG.critical("the node is read-only from now on", extra={"reason": str(reason)})
        self._read_only = True
