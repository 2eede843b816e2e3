"""Whether anything was committed, by any process, since one last looked; without a statement, a system call or giving the GIL away.

SQLite keeps, in the first 96 bytes of the ``-shm`` file that all its processes map, two copies of a header. Each commit rewrites it
after its fsync and before it is acknowledged (sqlite.org/walformat.html, section 2.1, "The WAL-Index Header"). Two equal copies
are the name of a snapshot: what was read under the same name is what would be read now.

Invariants
  * The name is asked for only while this process has a connection open: as long as one is, nobody removes the file.
  * The descriptor is never closed: closing any descriptor of a file drops the locks that SQLite holds on it (POSIX).
"""

from __future__ import annotations

import mmap
import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_COPY_BYTES: Final = 48
_IS_INITIALISED: Final = 12

_lock = threading.Lock()
_mapped: dict[tuple[int, int], mmap.mmap] = {}


class Version:
    """Of one metadata file."""

    def __init__(self, path: Path) -> None:
        self._path = f"{path}-shm"
        self._map: mmap.mmap | None = None

    def open(self) -> None:
        """Call it when a connection of this process has read; it may be called again. Without such a file there are no names."""
        if self._map is not None:
            return
        try:
            found = os.stat(self._path)  # noqa: PTH116 - twice a name is no path
            with _lock:
                key = (found.st_dev, found.st_ino)
                if key not in _mapped:
                    descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                    # Python's mmap keeps a descriptor of its own, a duplicate; neither is ever closed.
                    _mapped[key] = mmap.mmap(descriptor, 2 * _COPY_BYTES, access=mmap.ACCESS_READ)
                self._map = _mapped[key]
        except (OSError, ValueError):
            self._map = None

    def now(self) -> bytes | None:
        """The name of the snapshot that a read would see; None: nobody can tell."""
        mapped = self._map
        if mapped is None:
            return None
        both = mapped[: 2 * _COPY_BYTES]
        first = both[:_COPY_BYTES]
        if first != both[_COPY_BYTES:] or not first[_IS_INITIALISED]:
            return None
        return first

    def forget(self) -> None:
        """No connection is open any more."""
        self._map = None
