"""Names in order, however many: sorted in pieces that lie in a file meanwhile.

Object stores list each folder in an order of its own, if in any. To compare two folders by what their keys share, both are brought
into the same order here. Memory does not grow with their number, time grows with it linearly (and a logarithm); a name costs 16
bytes of disk. The files have no names: they are gone with the process, however it ends.
"""

from __future__ import annotations

import heapq
import tempfile
from typing import IO, TYPE_CHECKING, Final

from holdfast.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is sorted at a time, as Python objects: some ten megabytes.
_A_PIECE: Final = 100_000
# Of each piece in memory while they are merged.
_READ_AT_A_TIME: Final = 256
_WIDTH: Final = 16


class Scratch:
    """Makes sorters whose files lie in ``directory``."""

    def __init__(self, directory: str, piece: int = _A_PIECE) -> None:
        self._directory = directory
        self._piece = piece

    def sorter(self) -> Sorter:
        """Raises UnavailableError."""
        try:
            # Closed with the sorter, or by its end.
            return Sorter(tempfile.TemporaryFile(dir=self._directory), self._piece)
        except OSError as error:
            raise UnavailableError(f"names cannot be compared: the disk refuses a file ({error.strerror})") from error


class Sorter:
    """Numbers of 128 bits, as 32 hex digits. For one thread; ``add`` them all, then ``read`` once, then ``close``."""

    def __init__(self, file: IO[bytes], piece: int) -> None:
        self._file = file
        self._piece = piece
        self._held: list[bytes] = []
        self._pieces: list[tuple[int, int]] = []
        self._end = 0

    def add(self, unique: str) -> None:
        """Raises UnavailableError."""
        self._held.append(bytes.fromhex(unique))
        if len(self._held) >= self._piece:
            self._put_away()

    def _put_away(self) -> None:
        self._held.sort()
        data = b"".join(self._held)
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise UnavailableError(
                f"names cannot be compared: the disk refuses to keep them ({error.strerror})"
            ) from error
        self._pieces.append((self._end, self._end + len(data)))
        self._end += len(data)
        self._held = []

    def read(self) -> Iterator[str]:
        """In order. Raises UnavailableError."""
        self._held.sort()
        return (one.hex() for one in heapq.merge(self._held, *(self._stored(*piece) for piece in self._pieces)))

    def _stored(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            try:
                self._file.seek(start)
                data = self._file.read(min(_READ_AT_A_TIME * _WIDTH, end - start))
            except OSError as error:
                raise UnavailableError(
                    f"names cannot be compared: the disk does not give them back ({error.strerror})"
                ) from error
            if not data:
                raise UnavailableError("names cannot be compared: the disk has lost some")
            start += len(data)
            yield from (data[at : at + _WIDTH] for at in range(0, len(data), _WIDTH))

    def close(self) -> None:
        self._file.close()
