"""Which blobs are in the object store, and what each partition holds.

This process is the only one that writes here (``owner``), so what it has seen stays true until it changes it itself. It is
remembered for a bounded number of digests, and sums for each partition. What is said to be missing is looked for anew each time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from storagenode.disk.sums import summed
from storagenode.disk.tree import PARTITIONS
from storagenode.objects import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from holdfast.rpc.node import PartitionSum
    from storagenode.objects.bucket import Bucket
    from storagenode.objects.keys import Entry

# Of digests that are remembered; some tens of megabytes.
_MOST: Final = 50_000


class Index:
    """Safe for many threads; callers hold a digest's lock while they change it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = threading.Lock()
        self._known: OrderedDict[Digest, tuple[Entry, ...]] = OrderedDict()
        self._generations = [0] * PARTITIONS
        self._sums: dict[int, tuple[int, PartitionSum]] = {}
        self._filled: set[int] | None = None
        self._filling = threading.Lock()

    def known(self, digest: Digest) -> tuple[Entry, ...] | None:
        """As remembered; None: not."""
        with self._lock:
            found = self._known.get(digest)
            if found is not None:
                self._known.move_to_end(digest)
            return found

    def look(self, digest: Digest) -> tuple[Entry, ...]:
        """The copies of a blob, whatever is remembered. Where there are several, any of them may be right.

        Not remembered if something was changed meanwhile: readers hold no lock, and may have looked before a delete.
        """
        with self._lock:
            generation = self._generations[digest.partition]
        found = [entry for one in self._bucket.list(keys.of_digest(digest)) if (entry := keys.parse(one.key))]
        entries = tuple(sorted((entry for entry in found if entry.digest == digest), key=lambda entry: entry.unique))
        with self._lock:
            if self._generations[digest.partition] == generation:
                self._remember(digest, entries)
        return entries

    def of(self, digest: Digest) -> tuple[Entry, ...]:
        """As remembered, else as seen."""
        found = self.known(digest)
        return self.look(digest) if found is None else found

    def _remember(self, digest: Digest, entries: tuple[Entry, ...]) -> None:
        """Callers hold ``_lock``."""
        self._known[digest] = entries
        self._known.move_to_end(digest)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def add(self, entry: Entry) -> None:
        """It is there when this returns, and in front of the others."""
        others = self.of(entry.digest)
        self.changed(entry.digest)
        self._bucket.put(entry.key, b"")
        self.changed(entry.digest)
        with self._lock:
            self._remember(entry.digest, (entry, *(one for one in others if one != entry)))

    def remove(self, entry: Entry) -> None:
        self.changed(entry.digest)
        self._bucket.delete([entry.key])
        self.changed(entry.digest)

    def changed(self, digest: Digest) -> None:
        """Something was done, or may have been: nothing is known of it any more."""
        with self._lock:
            self._known.pop(digest, None)
            self._generations[digest.partition] += 1
            if self._filled is not None:
                self._filled.add(digest.partition)

    def listing(self, partition: int) -> dict[Digest, int]:
        """The size of each blob, in the order of digests."""
        if partition not in self._holding():
            return {}
        found = (keys.parse(one.key) for one in self._bucket.list(keys.of_partition(partition)))
        sizes = {entry.digest: entry.size_bytes for entry in found if entry is not None}
        return {digest: sizes[digest] for digest in sorted(sizes, key=str)}

    def sum_of(self, partition: int) -> PartitionSum:
        with self._lock:
            generation, known = self._generations[partition], self._sums.get(partition)
        if known is not None and known[0] == generation:
            return known[1]
        found = summed(partition, self.listing(partition).items())
        with self._lock:
            # Under the generation from before the look: what came in meanwhile makes it look again.
            self._sums[partition] = (generation, found)
        return found

    def _holding(self) -> set[int]:
        """Partitions that may hold something. One walk through all names at first, rather than 4096 questions."""
        with self._filling:
            if self._filled is None:
                with self._lock:
                    before = list(self._generations)
                seen = {entry.digest.partition for entry in self.walk()}
                with self._lock:
                    changed = {number for number in range(PARTITIONS) if self._generations[number] != before[number]}
                    self._filled = seen | changed  # here, or what is changed before the next line is never listed
            return self._filled

    def walk(self) -> Iterator[Entry]:
        """All copies."""
        return (entry for one in self._bucket.list(keys.BLOBS) if (entry := keys.parse(one.key)))
