"""Where one source of a reader's bytes ends and another begins: joined only if both have the same up to there.

An upload may die with its node in the middle, and what its upstream sent then was never compared with the digest. So a sum of what
was passed on is kept, and a source that is another than before is read from the reader's own beginning, and compared. An answer
that looks complete is one blob's.

The sum is CRC-32: it costs less than half a millisecond for each MiB, and finds what an upstream got wrong. Whoever forges it gains
nothing but an answer that its receiver throws away for its digest.

Never: reads ahead, or asks anybody.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Piece = bytes | memoryview


@dataclass(slots=True)
class Joint:
    """What one reader was given, which began at ``first_bytes`` of a blob. ``is_doubtful``: by another source than the next one."""

    first_bytes: int
    passed_bytes: int = 0
    is_doubtful: bool = False
    _sum: int = 0

    @property
    def start_bytes(self) -> int:
        """Where the next source is to be read from, for :meth:`behind`."""
        return self.first_bytes if self.is_doubtful else self.first_bytes + self.passed_bytes

    def passed(self, piece: Piece) -> None:
        """Tell it before a piece is given away."""
        self._sum = zlib.crc32(piece, self._sum)
        self.passed_bytes += len(piece)

    def changed(self) -> None:
        """The next source is another than before."""
        self.is_doubtful = self.passed_bytes > 0

    def behind(self, source: Iterable[Piece]) -> Iterator[Piece]:
        """What ``source``, read from ``start_bytes``, has behind what was passed on.

        Raises:
            CorruptError: it has something else before that.
        """
        known_bytes, found = self.passed_bytes if self.is_doubtful else 0, 0
        for piece in source:
            if not known_bytes:
                yield piece
                continue
            found = zlib.crc32(piece[:known_bytes], found)
            new = piece[known_bytes:]
            known_bytes -= len(piece) - len(new)
            if not known_bytes:
                self._require_same(found)
            if new:
                yield new

    def _require_same(self, found: int) -> None:
        if found != self._sum:
            raise CorruptError(
                "what was passed on came from an upload that was lost, and is not what the blob begins with"
            )
        self.is_doubtful = False
