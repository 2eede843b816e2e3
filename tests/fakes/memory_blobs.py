"""The disk of a ``MemoryNode``, as far as repair looks at it: listing, sums, reading, and letting go of copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.rpc.node import PartitionSum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from holdfast.rpc.node import ListedBlob, StoredBlob, Want
    from tests.fakes.memory_node import MemoryNode


class MemoryBlobs:
    def __init__(self, node: MemoryNode) -> None:
        self._node = node
        self._seen = 0

    def listing(self, partition: int) -> list[ListedBlob]:
        return list(self._node.list_blobs(partition, partition))

    def sum_of(self, partition: int) -> PartitionSum:
        return next(iter(self._node.sum_partitions(partition, partition)), PartitionSum(partition, 0, b""))

    def stat(self, want: Want) -> StoredBlob | None:
        return self._node.stat_blobs([want])[0]

    def read(self, want: Want, offset_bytes: int, length_bytes: int | None) -> Iterator[bytes]:
        return self._node.read_blob(want, offset_bytes, length_bytes)

    def raw(self, want: Want) -> Iterator[bytes]:
        yield self._node._checked(want)

    def discard(self, digest: Digest, stamp: str) -> bool:
        return self._node.delete_blob(digest, stamp)

    def take_bereft(self) -> set[int]:
        seen, self._seen = self._seen, len(self._node.quarantine)
        return {digest.partition for digest in self._node.quarantine[seen:]}
