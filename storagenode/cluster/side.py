"""The cluster's side of a storage node, assembled: directory, placer, membership, repair.

Made before the node (which needs the placer), started after its server (others are told an address that answers), stopped
before it.
"""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import __version__
from holdfast.meta import versions
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.members import Alive, Declared, Members, Progress
from holdfast.meta.witness import Witness
from holdfast.replicas.cluster import ClusterDirectory
from holdfast.replicas.fanout import FanOut
from storagenode.cluster.membership import TTL_SECONDS, Membership, Presence
from storagenode.cluster.pace import Pace
from storagenode.cluster.placing import ClusterPlacer
from storagenode.cluster.rounds import Repair
from storagenode.cluster.settle import Settler
from storagenode.collecting.assembly import Side
from storagenode.scrubbing.assembly import Side as ScrubSide
from storagenode.scrubbing.missing import Cluster as OtherNodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.keeping.making import Source
    from holdfast.meta.witness import Book
    from holdfast.rpc.node import NodeClient
    from storagenode.disk.identity import Identity
    from storagenode.disk.space import Space
    from storagenode.node import StorageNode
    from storagenode.store import BlobStore

# Copies under way at the same time; more only divide the same link.
_COPY_THREADS: Final = 64
# As many as may lose their disks at once, and one more.
_BACKUP_NODES: Final = 3


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a node takes part. ``advertise``: the address that others reach it at; empty: as bound.

    ``weight`` 0: from the capacity. ``repair_bytes_per_second`` 0: as fast as clients allow.
    """

    advertise: str = ""
    zone: str = "default"
    weight: int = 0
    repair_bytes_per_second: int = 0
    repair_every_seconds: float = 600.0
    lease_seconds: float = TTL_SECONDS


class ClusterSide:
    """Owns its metadata store and closes it."""

    def __init__(
        self,
        identity: Identity,
        blobs: BlobStore,
        space: Space,
        metadata: Source,
        connect: Callable[[str, str], NodeClient],
        host_id: str,
        clock: Clock,
        options: ClusterOptions,
    ) -> None:
        """``connect`` makes a client of a node id and an address."""
        self._identity = identity
        self._blobs = blobs
        self._space = space
        self._metadata = metadata
        self._host_id = host_id
        self._connect = connect
        self._clock = clock
        self._options = options
        self._stopping = threading.Event()
        self._boot_id = secrets.token_bytes(16)
        self.members = Members(metadata, _new_id, clock)
        self.book = LayoutBook(metadata, _new_id, clock)
        self.directory = ClusterDirectory(metadata, self.book, self.members, connect, clock, host_id)
        self._pool = ThreadPoolExecutor(_COPY_THREADS, thread_name_prefix="spread")
        fan_out = FanOut(self.directory, self._pool, clock)
        self.placer = ClusterPlacer(identity.node_id, blobs, self.directory, fan_out, self.book.mark_dirty)
        self.pace = Pace(clock, self._stopping, options.repair_bytes_per_second)
        self._membership: Membership | None = None
        self._repair: Repair | None = None

    @property
    def metadata(self) -> Source:
        return self._metadata

    @property
    def short_partitions(self) -> int:
        """Of the whole cluster, as last seen."""
        return self._repair.short if self._repair is not None else 0

    @property
    def progress(self) -> Progress | None:
        """Of repair. None: not begun."""
        return self._repair.progress() if self._repair is not None else None

    def keeps_backups(self) -> bool:
        """Whether this node is one of the few that do: those of the living whose ids come first."""
        return self._identity.node_id in sorted(self.directory.view.alive)[:_BACKUP_NODES]

    def for_collecting(self, book: Book) -> Side:
        """The first of the living nodes looks after links."""
        me = self._identity.node_id
        witness = Witness(self._metadata, me, book, _new_id)

        def is_first() -> bool:
            return min(self.directory.view.alive, default=me) >= me

        return Side(self._metadata, witness, self._short, is_first, self._other_clocks)

    def _other_clocks(self) -> dict[str, float]:
        """What they showed a few seconds ago, by words that a lease of seconds holds. Raises MetadataUnavailableError."""
        alive, me = self.members.alive(), self._identity.node_id
        return {name: one.wall_seconds for name, one in alive.items() if name != me and one.wall_seconds}

    def for_scrubbing(self) -> ScrubSide:
        me = self._identity.node_id
        others = OtherNodes(me, lambda: self.directory.view, self.directory.client, self._short)
        return ScrubSide(me, self._metadata, others)

    def _short(self, partition: int) -> None:
        """This node has fewer copies of it than it should."""
        view = self.directory.view
        if view.layouts is not None:
            self.book.mark_dirty(partition, view.layouts.newest.version)

    def start(self, node: StorageNode, address: str) -> None:
        """Join.

        Raises:
            ConfigError: the node was removed, is too old, is alive elsewhere, or others could not reach it.
            MetadataUnavailableError.
        """
        options = self._options
        self._connect(self._identity.node_id, options.advertise or address)  # what they will do, and would refuse to
        settler = Settler(self._identity.node_id, self._blobs, self.directory, node.receive, self.pace)
        self._repair = Repair(
            settler,
            self.book,
            self._metadata,
            lambda: self.directory.view,
            self._clock,
            self._stopping,
            every_seconds=options.repair_every_seconds,
        )
        declared = Declared(
            options.advertise or address, options.zone, self._space.room().capacity_bytes, options.weight
        )
        self._membership = Membership(
            self._metadata,
            self.members,
            Presence(self._identity.node_id, declared, self._describe),
            self._stopping,
            lambda lease_id: versions.enter(self._metadata, __version__, _new_id(), lease_id),
            ttl_seconds=options.lease_seconds,
            every_seconds=options.lease_seconds / 4,
        )
        # Others begin to send uploads with the announcement, so the layout is known by then.
        self.directory.start()
        self._membership.start()
        self._repair.start()

    def _describe(self) -> Alive:
        room = self._space.room()
        return Alive(
            boot_id=self._boot_id,
            version=__version__,
            host_id=self._host_id,
            free_bytes=room.free_bytes,
            capacity_bytes=room.capacity_bytes,
            read_only=self._space.is_read_only,
            quarantined=self._blobs.quarantined,
            directory=self._identity.directory,
            reserve_bytes=self._space.reserve_bytes,
            wall_seconds=self._clock.wall(),
            repair=self._repair.progress() if self._repair else Progress(),
        )

    def leave(self) -> None:
        """Stop being counted on, before the server stops. What is being copied comes to its end."""
        self._stopping.set()
        for part in (self._repair, self._membership):
            if part is not None:
                part.join()

    def close(self) -> None:
        """After the server has stopped."""
        self._pool.shutdown(cancel_futures=True)
        self.directory.stop()
        self._metadata.close()


def _new_id() -> bytes:
    return secrets.token_bytes(16)
