"""Files below one directory, whoever has written them.

Promises: no link below the directory is followed and no name leads out of it: each component is opened by itself, relative to the
one before. Only plain files are read; a pipe does not hold us.

Never: writes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from holdfast.errors import MissingError, RequestInvalidError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PIECE_BYTES: Final = 1 << 20
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What the system says of a link where none is followed, and of a file where a directory was meant.
_LEADS_ELSEWHERE: Final = frozenset({errno.ELOOP, errno.ENOTDIR})


class Folder:
    """``path`` itself may be a link; nothing below it is followed. Shared by threads."""

    def __init__(self, path: Path) -> None:
        """Raises RequestInvalidError: it cannot be opened."""
        self.path = path
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise RequestInvalidError(f"{path} cannot be read: {error.strerror}") from error

    def directories(self, *at: str) -> list[str]:
        """The names of real directories there, sorted; none if there is no such place."""
        return self._entries(at, lambda entry: entry.is_dir(follow_symlinks=False))

    def links(self, *at: str) -> list[str]:
        """The names of symbolic links there, sorted: what is not followed."""
        return self._entries(at, os.DirEntry.is_symlink)

    def has(self, *at: str) -> bool:
        """Whether there is such a file."""
        with contextlib.suppress(MissingError):
            os.close(self.open(*at))
            return True
        return False

    def size(self, *at: str) -> int:
        """Raises MissingError, RequestInvalidError."""
        descriptor = self.open(*at)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def whole(self, limit_bytes: int, *at: str) -> bytes:
        """Raises MissingError, RequestInvalidError, TooLargeError."""
        with os.fdopen(self.open(*at), "rb") as file:
            data = file.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise TooLargeError(f"{self._shown(at)} has more than {limit_bytes} bytes")
        return data

    def pieces(self, offset_bytes: int, *at: str) -> Iterator[bytes]:
        """The bytes from there on. Raises MissingError, RequestInvalidError."""
        with os.fdopen(self.open(*at), "rb", buffering=0) as file:
            file.seek(offset_bytes)
            while piece := file.read(PIECE_BYTES):
                yield piece

    def open(self, *at: str) -> int:
        """A descriptor of a plain file, for reading.

        Raises:
            MissingError: there is none. RequestInvalidError: it is something else, leads out, or may not be read.
        """
        with self._translated(at):
            directory = self._descend(at[:-1])
            try:
                descriptor = os.open(_component(at[-1]), _FILE, dir_fd=directory)
            finally:
                os.close(directory)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise RequestInvalidError(f"{self._shown(at)} is no plain file")
            return descriptor

    def close(self) -> None:
        os.close(self._root)

    def _entries(self, at: tuple[str, ...], is_meant: Callable[[os.DirEntry[str]], bool]) -> list[str]:
        try:
            with self._translated(at):
                directory = self._descend(at)
                try:
                    with os.scandir(directory) as entries:
                        return sorted(entry.name for entry in entries if is_meant(entry))
                finally:
                    os.close(directory)
        except MissingError:
            return []

    def _descend(self, at: tuple[str, ...]) -> int:
        directory = os.dup(self._root)
        for name in at:
            try:
                below = os.open(_component(name), _DIRECTORY, dir_fd=directory)
            finally:
                os.close(directory)
            directory = below
        return directory

    @contextlib.contextmanager
    def _translated(self, at: tuple[str, ...]) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise MissingError(f"{self._shown(at)} is not there") from error
        except OSError as error:
            if error.errno in _LEADS_ELSEWHERE:
                raise RequestInvalidError(
                    f"{self._shown(at)} is a link, or lies behind one; links below the directory are not followed"
                ) from error
            raise RequestInvalidError(f"{self._shown(at)} cannot be read: {error.strerror}") from error

    def _shown(self, at: tuple[str, ...]) -> str:
        return str(self.path.joinpath(*at))


def _component(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise RequestInvalidError(f"{name[:100]!r} is no name of a file")
    return name
