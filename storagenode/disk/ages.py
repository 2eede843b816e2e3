"""Since when files of a folder have been seen: 16 bytes for each, since a trash may hold a million.

Promises: what counts is this process's monotonic clock from its own first look; what was not seen in a look is forgotten. Names
count as equal if 64 bits of them are: a trash's begin with as many random ones.

Never here: I/O.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.clock import Clock

_DIGITS: Final = 16
_HEX: Final = frozenset("0123456789abcdef")


class Ages:
    """For one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys = array("Q")
        self._since = array("d")

    def look(self, names: Iterable[str]) -> None:
        """These are there now."""
        now, known = self._clock.monotonic(), 0
        keys = array("Q", sorted(map(_key, names)))
        since = array("d")
        for key in keys:
            while known < len(self._keys) and self._keys[known] < key:
                known += 1
            is_known = known < len(self._keys) and self._keys[known] == key
            since.append(self._since[known] if is_known else now)
        self._keys, self._since = keys, since

    def since(self, name: str) -> float:
        """When it was seen first; now, if no look has seen it."""
        place = self._place(_key(name))
        return self._clock.monotonic() if place is None else self._since[place]

    def _place(self, key: int) -> int | None:
        place = bisect_left(self._keys, key)
        return place if place < len(self._keys) and self._keys[place] == key else None

    def __contains__(self, name: str) -> bool:
        return self._place(_key(name)) is not None

    def __len__(self) -> int:
        return len(self._keys)


def _key(name: str) -> int:
    start = name[:_DIGITS]
    if _HEX.issuperset(start) and len(start) == _DIGITS:
        return int(start, 16)
    return int.from_bytes(blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest())
