"""Disks that fail, stop, or forget. All implement ``storagenode.disk.fsio.Files``.

``HookedFiles`` calls ``before(operation, path)`` before each change, which may raise, block or kill the process.

``ForgetfulFiles`` keeps a record of what a power cut would leave, the worst case that POSIX allows:
    - a file has the bytes of its last fsync, and none without one;
    - a directory has the entries of its last fsync;
so ``survivors(target)`` makes a copy of the tree in which everything else is gone.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from storagenode.disk.fsio import Files

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATIONS = (
    "create", "open", "write", "copy", "truncate", "sync", "sync_data", "sync_directory", "rename", "unlink",
    "make_directory", "remove_directory",
)  # fmt: skip


def path_of(target: int | str) -> str:
    return str(Path(f"/proc/self/fd/{target}").readlink()) if isinstance(target, int) else target


class HookedFiles(Files):
    """``before`` may be changed at any time."""

    def __init__(self, before: Callable[[str, str], None] | None = None) -> None:
        self.before = before or (lambda _operation, _path: None)

    def create(self, path: str) -> int:
        self.before("create", path)
        return super().create(path)

    def open(self, path: str) -> int:
        self.before("open", path)
        return super().open(path)

    def write(self, descriptor: int, data: bytes, offset_bytes: int) -> None:
        self.before("write", path_of(descriptor))
        super().write(descriptor, data, offset_bytes)

    def copy(self, source: int, target: int, length_bytes: int) -> None:
        self.before("copy", path_of(target))
        super().copy(source, target, length_bytes)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        self.before("truncate", path_of(descriptor))
        super().truncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        self.before("sync", path_of(descriptor))
        super().sync(descriptor)

    def sync_data(self, descriptor: int) -> None:
        self.before("sync_data", path_of(descriptor))
        super().sync_data(descriptor)

    def sync_directory(self, path: str) -> None:
        self.before("sync_directory", path)
        super().sync_directory(path)

    def rename(self, source: str, target: str) -> None:
        self.before("rename", target)
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self.before("unlink", path)
        super().unlink(path)

    def make_directory(self, path: str) -> None:
        self.before("make_directory", path)
        super().make_directory(path)

    def remove_directory(self, path: str) -> None:
        self.before("remove_directory", path)
        super().remove_directory(path)


class FullDisk(HookedFiles):
    """Refuses to write once ``full`` is set, in the words of the operating system."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    def write(self, descriptor: int, data: bytes, offset_bytes: int) -> None:
        if not self.full:
            super().write(descriptor, data, offset_bytes)
            return
        real, os.pwrite = os.pwrite, _no_space
        try:
            super().write(descriptor, data, offset_bytes)
        finally:
            os.pwrite = real


def _no_space(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class ForgetfulFiles(HookedFiles):
    """``skip(operation, path)`` true: that fsync is left out, as if the code had forgotten it."""

    def __init__(self, root: Path, skip: Callable[[str, str], bool] | None = None) -> None:
        super().__init__()
        self._root = root
        self._skip = skip or (lambda _operation, _path: False)
        self._contents: dict[int, bytes] = {}
        self._entries: dict[
            int, dict[str, tuple[int, bool]]
        ] = {}  # of a directory's inode: name to inode, is it one too
        self._held: dict[
            int, int
        ] = {}  # a file's inode to a descriptor: while it is held no other file gets that inode

    def sync(self, descriptor: int) -> None:
        self._keep_content(descriptor, "sync")

    def sync_data(self, descriptor: int) -> None:
        self._keep_content(descriptor, "sync_data")

    def _keep_content(self, descriptor: int, operation: str) -> None:
        path = path_of(descriptor)
        self.before(operation, path)
        if not self._skip(operation, path):
            found = os.fstat(descriptor)
            self._hold(path, found.st_ino)
            self._contents[found.st_ino] = os.pread(descriptor, found.st_size, 0)

    def sync_directory(self, path: str) -> None:
        self.before("sync_directory", path)
        if self._skip("sync_directory", path):
            return
        entries = {}
        for entry in os.scandir(path):
            entries[entry.name] = (entry.inode(), entry.is_dir())
            if not entry.is_dir():
                self._hold(entry.path, entry.inode())
        self._entries[Path(path).stat().st_ino] = entries

    def _hold(self, path: str, inode: int) -> None:
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)

    def survivors(self, target: Path) -> None:
        """What is left of the root after the power came back."""
        target.mkdir()
        entry = self._entries.get(self._root.parent.stat().st_ino, {}).get(self._root.name)
        if entry is not None:
            self._restore(entry[0], target)

    def _restore(self, directory: int, target: Path) -> None:
        for name, (inode, is_directory) in self._entries.get(directory, {}).items():
            if is_directory:
                (target / name).mkdir()
                self._restore(inode, target / name)
            else:
                (target / name).write_bytes(self._contents.get(inode, b""))

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
