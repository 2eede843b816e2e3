"""Reading a copy for its own sake: what the disk has, not what the page cache remembers, and without a trace in that cache.

Promises: memory is one buffer. Where the file system takes it, reading goes past the page cache, so that rot beneath a cached page
is seen and what clients' pulls have warmed stays warm; else what was read is dropped again. An error that is not the copy's own
(no descriptors left, no memory) is raised, never counted against a copy.

Never here: an opinion about what becomes of a wrong copy. For one thread at a time.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest

# A page boundary and a multiple of every block size, as reads past the cache want it.
_PIECE_BYTES: Final = 1 << 20
_OF_THE_COPY: Final = frozenset(
    {
        errno.EIO,
        errno.EUCLEAN,
        errno.EBADMSG,
        errno.ENODATA,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENXIO,
        errno.EACCES,
        errno.EPERM,
    }
)
_PLAIN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe in a copy's place must not hang us


@dataclass(frozen=True, slots=True)
class Read:
    """What became of one reading. ``fault`` "": the bytes are those of the digest. ``inode``: of the file that was read."""

    size_bytes: int
    inode: int
    fault: str = ""
    is_unreadable: bool = False


def examine(path: str, digest: Digest, moved: Callable[[int], None]) -> Read | None:
    """Hash the file; None: there is none. ``moved`` is told of each piece, may wait, and may raise to end it.

    Raises:
        UnavailableError: it could not be told, for a reason that lies elsewhere.
    """
    size_bytes, inode = 0, 0
    try:
        found = os.lstat(path)
        size_bytes, inode = found.st_size, found.st_ino
        if not stat.S_ISREG(found.st_mode):
            return Read(0, inode, "it is no file", is_unreadable=True)
        hasher = digests.algorithm(digest.algorithm).new()
        for piece in _pieces(path):
            hasher.update(piece)
            moved(len(piece))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in _OF_THE_COPY:
            raise UnavailableError(f"a copy could not be read, and that is not its fault: {error.strerror}") from error
        return Read(size_bytes, inode, f"the disk cannot read it: {error.strerror}", is_unreadable=True)
    if hasher.hexdigest() == digest.encoded:
        return Read(size_bytes, inode)
    return Read(size_bytes, inode, "the bytes have another digest" if size_bytes else "it is empty")


def _pieces(path: str) -> Iterator[memoryview]:
    with contextlib.closing(mmap.mmap(-1, _PIECE_BYTES)) as buffer, memoryview(buffer) as view:
        descriptor, is_direct = _open(path)
        try:
            at_bytes = 0
            while True:
                try:
                    count = os.preadv(descriptor, [buffer], at_bytes)
                except OSError as error:
                    if not is_direct or error.errno != errno.EINVAL:
                        raise
                    # Some file systems take the flag, and then no reading by it.
                    os.close(descriptor)
                    descriptor, is_direct = os.open(path, _PLAIN), False
                    continue
                if not count:
                    return
                with view[:count] as piece:
                    yield piece
                if not is_direct:
                    os.posix_fadvise(descriptor, at_bytes, count, os.POSIX_FADV_DONTNEED)
                at_bytes += count
                if is_direct and count % mmap.PAGESIZE:
                    return  # the end; from an offset in mid-block nothing more is to be had this way
        finally:
            os.close(descriptor)


def _open(path: str) -> tuple[int, bool]:
    """A descriptor, and whether it goes past the page cache."""
    try:
        return os.open(path, _PLAIN | os.O_DIRECT), True
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.open(path, _PLAIN), False
