"""What storage nodes hold, for commands that compare it with names: the directories of one machine, or the nodes of a cluster.

Promises: a listing holds one partition (of a cluster's nodes a few dozen) at a time. ``silent`` names the nodes that could not be
asked: what seems missing may be on them.

Never: changes anything on a node, or vouches for bytes; what is read as a manifest is compared with its digest by whoever reads it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

from holdfast.clock import SystemClock
from holdfast.digest import PARTITIONS
from holdfast.errors import ConfigError, CorruptError, HoldfastError
from holdfast.ops.registry import is_cluster
from holdfast.replicas.access import access
from holdfast.replicas.read import ReplicaReader
from holdfast.rpc.node import Want
from storagenode.disk.tree import Tree, parse_blob_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from holdfast.config import Settings
    from holdfast.digest import Digest
    from holdfast.meta.store import Store
    from holdfast.replicas.access import ClusterAccess

_PARTITIONS_A_CALL: Final = 64


class Shelf(Protocol):
    """For the length of a command."""

    @property
    def silent(self) -> set[str]: ...

    def listing(self, partition: int) -> Mapping[Digest, frozenset[int]]:
        """The sizes of copies. Partitions are asked for in order."""
        ...

    def has(self, digest: Digest, size_bytes: int) -> bool: ...

    def read(self, digest: Digest, size_bytes: int) -> bytes:
        """A small blob. Raises MissingError, CorruptError, UnavailableError."""
        ...


@dataclass(frozen=True, slots=True)
class Directories:
    """The directories of one machine's node. Implements ``Shelf``; nobody is silent."""

    trees: tuple[Tree, ...]
    silent: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Raises ConfigError: bytes are not on disks."""
        stores = settings.storage.stores.values()
        if any(store.storage_driver is not None for store in stores):
            raise ConfigError("the bytes of this registry are in an object store, which this command does not read")
        roots = (Path(store.root_directory).absolute() / "node" for store in stores)
        return cls(tuple(Tree(str(root)) for root in roots if root.exists()))

    def listing(self, partition: int) -> Mapping[Digest, frozenset[int]]:
        found: dict[Digest, frozenset[int]] = {}
        for tree in self.trees:
            with contextlib.suppress(FileNotFoundError), os.scandir(tree.partition(partition)) as entries:
                for entry in entries:
                    digest = parse_blob_name(entry.name)
                    if digest is not None:
                        found[digest] = found.get(digest, frozenset()) | {entry.stat().st_size}
        return found

    def has(self, digest: Digest, size_bytes: int) -> bool:
        return self._path(digest, size_bytes) is not None

    def read(self, digest: Digest, size_bytes: int) -> bytes:
        path = self._path(digest, size_bytes)
        return path.read_bytes() if path is not None else b""

    def _path(self, digest: Digest, size_bytes: int) -> Path | None:
        for tree in self.trees:
            path = Path(tree.blob(digest))
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size == size_bytes:
                    return path
        return None


class Nodes:
    """The nodes of a cluster. Implements ``Shelf``."""

    def __init__(self, cluster: ClusterAccess) -> None:
        view = cluster.directory.refresh()
        self.silent = set(view.present - view.alive.keys())
        self._names = sorted(view.present & view.alive.keys())
        self._cluster = cluster
        self._reader = ReplicaReader(cluster.directory, SystemClock())
        self._first = -1
        self._listed: dict[int, dict[Digest, frozenset[int]]] = {}

    def listing(self, partition: int) -> Mapping[Digest, frozenset[int]]:
        first = partition - partition % _PARTITIONS_A_CALL
        if first != self._first:
            self._first, self._listed = first, {}
            for name in self._names:
                self._list(name, first)
        return self._listed.get(partition, {})

    def _list(self, name: str, first: int) -> None:
        last = min(first + _PARTITIONS_A_CALL, PARTITIONS) - 1
        try:
            for blob in self._cluster.directory.client(name).list_blobs(first, last):
                listed = self._listed.setdefault(blob.digest.partition, {})
                listed[blob.digest] = listed.get(blob.digest, frozenset()) | {blob.size_bytes}
        except HoldfastError:
            self.silent.add(name)

    def has(self, digest: Digest, size_bytes: int) -> bool:
        # Without the size: a node that is asked for another one takes its copy for a wrong one.
        found = self._reader.stat([Want(digest)])[0]
        return found is not None and found.size_bytes == size_bytes

    def read(self, digest: Digest, size_bytes: int) -> bytes:
        # As above; the size bounds what is held of a copy that is longer.
        data = bytearray()
        for piece in self._reader.read(Want(digest), 0, None):
            data += piece
            if len(data) > size_bytes:
                break
        if len(data) != size_bytes:
            raise CorruptError(f"a copy of {digest} has not {size_bytes} bytes")
        return bytes(data)


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[tuple[Shelf, Store | None]]:
    """What nodes hold; of a cluster, its metadata as well, by which the nodes were found. Raises ConfigError."""
    if not is_cluster(settings) or settings.cluster is None:
        yield Directories.of(settings), None
        return
    with contextlib.closing(access(settings.cluster, SystemClock(), "")) as cluster:
        yield Nodes(cluster), cluster.metadata
