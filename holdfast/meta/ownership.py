"""What each repository holds alone and what it shares: one walk over all links, in the order of digests.

Promises: memory grows with the number of repositories, not with what they hold. A sum may be a moment old, because links come and
go while it is made, and is never a guess.

Never here: counts (:mod:`holdfast.meta.usage`), and what lies on which disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from holdfast.meta import keys
from holdfast.meta.records import LinkRecord
from holdfast.meta.store import pages

if TYPE_CHECKING:
    from holdfast.meta.store import Store
    from holdfast.names import Repository


@dataclass(slots=True)
class Holding:
    """``own_bytes``: of what no other repository links. Both together are what its quota counts."""

    blobs: int = 0
    own_bytes: int = 0
    shared_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        return self.own_bytes + self.shared_bytes


@dataclass(slots=True)
class Ownership:
    """``distinct_bytes``: every digest once, as a disk holds it, whatever the number of copies."""

    repositories: dict[Repository, Holding] = field(default_factory=dict)
    distinct_blobs: int = 0
    distinct_bytes: int = 0


def ownership(store: Store) -> Ownership:
    """Raises MetadataUnavailableError."""
    found = Ownership()
    for _, group in groupby(pages(store, *keys.HOLDERS), lambda entry: keys.before_name(entry.key)):
        links = [(keys.holder_in(entry.key), LinkRecord.decode(entry.value).size_bytes) for entry in group]
        found.distinct_blobs += 1
        found.distinct_bytes += links[0][1]
        for repository, size_bytes in links:
            holding = found.repositories.setdefault(repository, Holding())
            holding.blobs += 1
            if len(links) == 1:
                holding.own_bytes += size_bytes
            else:
                holding.shared_bytes += size_bytes
    return found
