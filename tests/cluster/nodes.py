"""Several real storage nodes in this process, over gRPC on loopback, with metadata in memory: for what needs no processes."""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.members import Members
from holdfast.placement import ring
from holdfast.placement.layout import NodeRole, Rules
from holdfast.replicas.cluster import ClusterDirectory
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.client import Deadlines, GrpcNode
from holdfast.rpc.node import UploadKey, Want
from storagenode.cluster.side import ClusterOptions, ClusterSide
from storagenode.disk.tree import Tree
from storagenode.options import NodeOptions
from storagenode.server import NodeServer
from tests.fakes.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest
    from holdfast.rpc.node import StoredBlob
    from storagenode.scrubbing.assembly import ScrubOptions

REPOSITORY = "library/alpine"
QUICK = Deadlines(control_seconds=3.0, put_seconds=5.0, first_byte_seconds=2.0, next_byte_seconds=2.0)


class Shared(MemoryStore):
    """One store for all: who closes it does not end it for the others."""

    def close(self) -> None:
        """It goes with the test."""


def connect(node_id: str, address: str) -> GrpcNode:
    return GrpcNode(address, host_id="", node_id=node_id, deadlines=QUICK)


@dataclass
class Node:
    name: str
    path: Path
    cluster: Nodes
    zone: str = "z"
    server: NodeServer | None = None
    node_id: str = ""

    def start(self) -> Node:
        options = ClusterOptions(zone=self.zone, lease_seconds=2.0, repair_every_seconds=60.0)
        clock = SystemClock()

        def join(identity, blobs, space):
            return ClusterSide(identity, blobs, space, self.cluster.store, connect, "", clock, options)

        node = NodeOptions(self.path, "127.0.0.1:0", cluster_id="test", reserve_bytes=0, scrub=self.cluster.scrub)
        self.server = NodeServer(node, clock=clock, join=join)
        self.server.start()
        self.node_id = self.server.node.status().node_id
        return self

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(0)
            self.server = None

    @property
    def tree(self) -> Tree:
        return Tree(str(self.path))

    def holds(self, digest: Digest) -> bool:
        """On its disk, whatever it says."""
        return Path(self.tree.blob(digest)).exists()

    def held(self) -> set[str]:
        return {name for _, _, names in os.walk(self.tree.blobs) for name in names}


@dataclass
class Nodes:
    directory_path: Path
    scrub: ScrubOptions | None = None
    store: Shared = field(default_factory=lambda: Shared(SystemClock()))
    nodes: dict[str, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = SystemClock()
        self.members = Members(self.store, lambda: os.urandom(16), self.clock)
        self.book = LayoutBook(self.store, lambda: os.urandom(16), self.clock)
        self.directory = ClusterDirectory(self.store, self.book, self.members, connect, self.clock, "")
        self.pool = ThreadPoolExecutor(16)
        self.reader = ReplicaReader(self.directory, self.clock)
        fan_out = FanOut(self.directory, self.pool, self.clock)
        self.writer = ReplicaWriter(self.directory, fan_out, self.book.mark_dirty, self.reader.remember)

    def add(self, name: str, zone: str = "z") -> Node:
        node = self.nodes[name] = Node(name, self.directory_path / name, self, zone)
        return node.start()

    def apply(self, *names: str, rules: Rules | None = None) -> None:
        """A layout of these nodes."""
        live = self.book.live()
        previous = live.layouts.newest if live.layouts else None
        chosen = [self.nodes[name] for name in names]
        roles = [NodeRole(node.node_id, node.zone, 100) for node in chosen]
        rules = rules or Rules.majority(min(3, len(chosen)))
        self.book.publish(ring.assign(previous.version + 1 if previous else 1, rules, roles, previous), live)
        version = previous.version + 1 if previous else 1
        self.wait_until(lambda: all(self._sees(side, version) for side in (self.directory, *self._directories())))

    def _directories(self) -> list[ClusterDirectory]:
        return [node.server._side.directory for node in self.nodes.values() if node.server and node.server._side]

    @staticmethod
    def _sees(directory: ClusterDirectory, version: int) -> bool:
        layouts = directory.view.layouts
        return layouts is not None and layouts.newest.version >= version

    def close(self) -> None:
        list(self.pool.map(Node.stop, self.nodes.values()))
        self.directory.stop()
        self.pool.shutdown()

    def push(self, data: bytes) -> StoredBlob:
        """As a gateway does with a large body."""
        digest = digests.of(data)
        key = UploadKey(self.writer.start(REPOSITORY, "", None).upload_id, REPOSITORY)
        self.writer.append(key, 0, [data])
        return self.writer.finish(key, digest)

    def pull(self, digest: Digest, size_bytes: int | None = None) -> bytes:
        return b"".join(bytes(part) for part in self.reader.read(Want(digest, size_bytes), 0, None))

    def owners(self, digest: Digest) -> set[str]:
        """By our names."""
        layouts = self.book.live().layouts
        assert layouts is not None
        ids = layouts.newest.owners(digest.partition)
        return {name for name, node in self.nodes.items() if node.node_id in ids}

    def holders(self, digest: Digest) -> set[str]:
        return {name for name, node in self.nodes.items() if node.holds(digest)}

    def wait_until(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come about in time"
            time.sleep(0.05)


@contextlib.contextmanager
def running(path: Path, *names: str, scrub: ScrubOptions | None = None) -> Iterator[Nodes]:
    """Nodes of these names, one layout of all of them. ``name@zone`` puts one into a zone."""
    cluster = Nodes(path, scrub)
    try:
        list(cluster.pool.map(lambda name: cluster.add(*name.split("@")), names))
        cluster.directory.start()
        cluster.apply(*cluster.nodes)
        yield cluster
    finally:
        cluster.close()
