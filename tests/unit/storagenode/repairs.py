"""A cluster of fakes for repair: real plans, settlers and rounds over nodes, disks and metadata in memory."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import NodeUnreachableError
from holdfast.meta.layouts import LayoutBook
from holdfast.rpc.methods import MAX_PUT_BYTES
from storagenode.cluster.pace import Pace
from storagenode.cluster.rounds import Repair
from storagenode.cluster.settle import Settler
from tests.fakes.memory_blobs import MemoryBlobs
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.replicas.view import View
    from holdfast.rpc.node import StoredBlob

DOWN = NodeUnreachableError("no answer")


@dataclass
class Repairs:
    """``nodes`` by name; who is in ``down`` does not answer the others, and its own rounds are not run."""

    names: tuple[str, ...]
    clock: ManualClock = field(default_factory=ManualClock)
    down: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.nodes = {name: MemoryNode(name) for name in self.names}
        self.stopping = threading.Event()
        self.store = MemoryStore(self.clock)
        numbers = itertools.count(1)
        self.book = LayoutBook(self.store, lambda: next(numbers).to_bytes(16), self.clock)
        self.settlers = {name: self._settler(name) for name in self.names}
        self.view: View | None = None

    def _settler(self, name: str) -> Settler:
        def receive(digest, size_bytes, chunks, _end) -> StoredBlob:
            return self.nodes[name].receive(digest, size_bytes, chunks)

        return Settler(name, MemoryBlobs(self.nodes[name]), self, receive, Pace(self.clock, self.stopping))

    def client(self, node_id: str) -> MemoryNode:
        """As the others reach it."""
        if node_id in self.down:
            raise DOWN
        return self.nodes[node_id]

    def repair(self, name: str) -> Repair:
        return Repair(
            self.settlers[name],
            self.book,
            self.store,
            lambda: self.view,
            self.clock,
            self.stopping,
            every_seconds=600.0,
        )

    def put(self, data: bytes, *names: str) -> Digest:
        digest = digests.of(data)
        for name in names:
            self.nodes[name].blobs[digest] = data
        return digest

    def holders(self, digest: Digest) -> set[str]:
        return {name for name, node in self.nodes.items() if digest in node.blobs}


LARGE = b"l" * (MAX_PUT_BYTES + 1)
