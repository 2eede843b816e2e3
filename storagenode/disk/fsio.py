"""Every change this node makes to its disk goes through here.

One thin seam, so that tests can let a write fail, kill the process between two steps, or keep a record of what a power cut would
leave. ``Files`` is the real thing. It translates what the operating system says, once:

- no space (ENOSPC, EDQUOT)            StorageFullError
- a missing file                       FileNotFoundError as it is: only the caller knows what it means
- any other failed change              UnavailableError, with the system's words
- a failed fsync                       SyncFailedError, which is never retried: the kernel may have dropped the pages and the
                                       next fsync would say all is well

Never here: a decision.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final

from holdfast.errors import ReadOnlyError, StorageFullError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_COPY_STEP_BYTES: Final = 1 << 30


class SyncFailedError(ReadOnlyError):
    """An fsync failed. What it was for is lost, and the node takes no more writes."""


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise  # whoever named the file knows what its absence means
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError("the storage node's disk is full; free some space, or try later") from error
        raise UnavailableError(f"the storage node's disk refused to {what}: {error.strerror}") from error


@contextlib.contextmanager
def _synced(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SyncFailedError(
            f"the storage node could not make {what} durable ({error.strerror}); it is read-only until it is restarted"
        ) from error


class Files:
    """The operating system's files."""

    def create(self, path: str) -> int:
        """A new file, open for reading and writing. It must not exist."""
        with _translated("create a file"):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)

    def open(self, path: str) -> int:
        """An existing file, open for reading and writing."""
        with _translated("open a file"):
            return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)

    def write(self, descriptor: int, data: bytes, offset_bytes: int) -> None:
        """All of ``data``, at that offset."""
        with _translated("write"):
            wrote = os.pwrite(descriptor, data, offset_bytes)
            while wrote < len(data):
                wrote += os.pwrite(descriptor, memoryview(data)[wrote:], offset_bytes + wrote)

    def copy(self, source: int, target: int, length_bytes: int) -> None:
        """The first ``length_bytes`` of ``source`` into ``target``; shares blocks where the file system can."""
        done = 0
        with _translated("copy a file"):
            while done < length_bytes:
                step = min(_COPY_STEP_BYTES, length_bytes - done)
                copied = os.copy_file_range(source, target, step, done, done)
                if not copied:
                    raise OSError(errno.EIO, "a staged file is shorter than it was")
                done += copied

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        with _translated("cut a file"):
            os.ftruncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        """Raises SyncFailedError."""
        with _synced("a file"):
            os.fsync(descriptor)

    def sync_data(self, descriptor: int) -> None:
        """Raises SyncFailedError."""
        with _synced("a file"):
            os.fdatasync(descriptor)

    def sync_directory(self, path: str) -> None:
        """Raises SyncFailedError."""
        with _synced("a directory"):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def rename(self, source: str, target: str) -> None:
        """Replaces ``target`` if it is there."""
        with _translated("rename a file"):
            os.replace(source, target)

    def unlink(self, path: str) -> None:
        """It may be gone already."""
        with _translated("remove a file"), contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def make_directory(self, path: str) -> None:
        """It may be there already."""
        with _translated("make a directory"), contextlib.suppress(FileExistsError):
            os.mkdir(path, DIRECTORY_MODE)

    def remove_directory(self, path: str) -> None:
        """It must be empty; it may be gone already."""
        with _translated("remove a directory"), contextlib.suppress(FileNotFoundError):
            os.rmdir(path)
