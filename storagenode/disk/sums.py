"""What each partition holds, in short: how many copies, and a sum over their names and sizes that does not depend on order.

A sum is computed from the directory when it is asked for and remembered until the partition changes: through this process
(``changed``), or through anybody else, which the directory's modification time tells.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from holdfast.rpc.node import PartitionSum
from storagenode.disk.tree import PARTITIONS, parse_blob_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.digest import Digest
    from storagenode.disk.tree import Tree

_SUM_BYTES: Final = 16
_SUM_MODULUS: Final = 1 << (8 * _SUM_BYTES)


@dataclass(frozen=True, slots=True)
class _Known:
    generation: int
    modified_nanos: int
    found: PartitionSum


class Sums:
    """Of one data directory. Safe for many threads."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._generations = [0] * PARTITIONS
        self._known: dict[int, _Known] = {}

    def changed(self, partition: int) -> None:
        """A copy came or went."""
        with self._lock:
            self._generations[partition] += 1

    def of(self, partition: int) -> PartitionSum:
        directory = self._tree.partition(partition)
        with self._lock:
            generation, known = self._generations[partition], self._known.get(partition)
        modified = os.stat(directory).st_mtime_ns
        if known is not None and (known.generation, known.modified_nanos) == (generation, modified):
            return known.found
        found = summed(partition, _read(directory))
        with self._lock:
            # Under the generation from before the reading: what came in meanwhile makes it read again.
            self._known[partition] = _Known(generation, modified, found)
        return found


def summed(partition: int, copies_of: Iterable[tuple[Digest, int]]) -> PartitionSum:
    """Of these digests and their sizes, each digest once."""
    copies, total, size_bytes = 0, 0, 0
    for digest, size in copies_of:
        copies += 1
        size_bytes += size
        total += int.from_bytes(blake2b(f"{digest} {size}".encode(), digest_size=_SUM_BYTES).digest())
    return PartitionSum(partition, copies, (total % _SUM_MODULUS).to_bytes(_SUM_BYTES), size_bytes)


def _read(directory: str) -> Iterator[tuple[Digest, int]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            digest = parse_blob_name(entry.name)
            if digest is None:
                continue
            try:
                size = entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
            yield digest, size
