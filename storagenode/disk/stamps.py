"""Stamps: what makes a delete conditional on nothing having happened since the listing.

Every commit and every "have it" answer gives a digest a new stamp; a delete names the stamp it saw. A digest that this process has
not touched carries the floor, which no other boot shares. Having a stamp of its own also means: known to be durable.

Bounded: past the limit everything is forgotten and the floor is raised, so all outstanding listings become stale, which is safe,
and files are fsynced once more, which is cheap. Callers hold the digest's lock (``Stripes``).
"""

from __future__ import annotations

import threading
import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.digest import Digest

LIMIT: Final = 1_000_000  # entries; about 150 MB when full
_STRIPES: Final = 256


class Stripes:
    """Per-digest locks, shared by digests that fall on the same stripe."""

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    def of(self, digest: Digest) -> threading.Lock:
        return self._locks[zlib.crc32(digest.encoded.encode()) % _STRIPES]


class Stamps:
    """The stamps of one boot."""

    def __init__(self, boot_id: str, limit: int = LIMIT) -> None:
        self._boot_id = boot_id
        self._limit = limit
        self._lock = threading.Lock()
        self._counter = 0
        self._floor = 0
        self._of: dict[int, int] = {}

    def touch(self, digest: Digest) -> str:
        """A new stamp, for a copy that is durable."""
        key = _key(digest)
        with self._lock:
            self._counter += 1
            if len(self._of) >= self._limit and key not in self._of:
                self._of.clear()
                self._floor = self._counter
                self._counter += 1
            self._of[key] = self._counter
            return self._text(self._counter)

    @property
    def given(self) -> int:
        """How many so far: it grows with every commit and every "have it"."""
        with self._lock:
            return self._counter

    def current(self, digest: Digest) -> str:
        with self._lock:
            return self._text(self._of.get(_key(digest), self._floor))

    def is_durable(self, digest: Digest) -> bool:
        """Whether this process has seen the copy made durable."""
        with self._lock:
            return _key(digest) in self._of

    def forget(self, digest: Digest) -> None:
        """The copy is gone."""
        with self._lock:
            self._of.pop(_key(digest), None)

    def _text(self, counter: int) -> str:
        return f"{self._boot_id}-{counter}"


def _key(digest: Digest) -> int:
    """128 bits, a third of the memory that a digest takes."""
    return int.from_bytes(blake2b(str(digest).encode(), digest_size=16).digest())
