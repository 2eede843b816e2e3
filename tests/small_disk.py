"""A disk of a few MiB, made of memory, that fills up in a moment."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.clients.programs import lacking, need_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20


class SmallDisk:
    """A file system of its own at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def fill(self, *, but_bytes: int) -> None:
        """As somebody else's files do it, until so much is free."""
        with self._ballast.open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), self.free_bytes - but_bytes)

    def empty(self) -> None:
        """Those files go."""
        self._ballast.unlink()


@contextlib.contextmanager
def small_disk(path: Path, size_mib: int) -> Iterator[SmallDisk]:
    """For the length of a block. Needs root."""
    need_root()
    path.mkdir(parents=True)
    words = ("mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700", "holdfast-test", str(path))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        lacking(f"no file system can be mounted here: {done.stderr}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(("umount", "--lazy", str(path)), check=True)
