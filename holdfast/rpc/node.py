"""The port to one storage node, and the values that cross it.

``holdfast.rpc.client`` speaks it over gRPC, ``tests`` hold a fake that passes the same contract suite. Everything that is
written here is verified by digest on the node before it can be seen.

Errors: NodeUnreachableError (no answer in time), OverloadedError (a bounded pool is full), StorageFullError, ReadOnlyError,
and those named at each method. Iterators raise the same, from inside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.rpc.collecting import News, Order


@dataclass(frozen=True, slots=True)
class UploadKey:
    """An upload is visible only to the repository and principal that began it ("" = anonymous)."""

    upload_id: str
    repository: str
    principal: str = ""


@dataclass(frozen=True, slots=True)
class UploadState:
    """Where an upload stands: ``offset_bytes`` bytes were received in order. ``followers``: streams that read it meanwhile."""

    upload_id: str
    offset_bytes: int
    followers: int = 0


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that has not become a blob yet. ``idle_seconds`` 0: somebody writes it at this moment."""

    key: UploadKey
    offset_bytes: int
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class StagingFile:
    """A staging file offered for the short-circuit write.

    Valid only if what ``path`` opens has this ``device`` and ``inode`` (containers see other paths): else stream instead.
    ``token`` fences this writer: a newer writer makes it stale, and the node moves to another inode.
    """

    path: str
    device: int
    inode: int
    offset_bytes: int
    token: int


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A durable, verified copy.

    ``layout_revision``: of the layout by which it was copied to where it belongs; whoever links it compares that. 0: there is none.
    """

    digest: Digest
    size_bytes: int
    stamp: str
    layout_revision: int = 0


@dataclass(frozen=True, slots=True)
class LocalBlob:
    """A stored copy offered for the short-circuit read. Valid only if device, inode and size match what ``path`` opens."""

    path: str
    device: int
    inode: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Want:
    """A blob asked after. ``size_bytes`` None: the caller does not know the size."""

    digest: Digest
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """One line of an inventory, in (partition, digest text) order."""

    digest: Digest
    size_bytes: int
    stamp: str


@dataclass(frozen=True, slots=True)
class PartitionSum:
    """What a partition holds, in short: ``copies`` of them, and ``total`` over their digests and sizes. Equal sums, equal
    contents.

    ``size_bytes`` of all together, for people; 0 from nodes of a version that did not tell.
    """

    partition: int
    copies: int
    total: bytes
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RoomStatus:
    """A further disk of a node, for the repositories below ``route``."""

    route: str
    capacity_bytes: int
    free_bytes: int
    reserve_bytes: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node about itself. Space and ``read_only`` are of its main disk."""

    node_id: str
    cluster_id: str
    version: str
    host_id: str
    capacity_bytes: int
    free_bytes: int
    reserve_bytes: int
    read_only: bool
    uploads: int
    quarantined: int
    rooms: tuple[RoomStatus, ...] = ()


class LocalAppend(Protocol):
    """A short-circuit write in progress: the caller writes the file, the node hashes behind it."""

    @property
    def file(self) -> StagingFile: ...

    def advance(self, offset_bytes: int) -> None:
        """Everything below ``offset_bytes`` is written. Does not wait, except for the announcement before the last one.

        Raises:
            StaleWriterError: a newer writer has the upload; stop writing.
        """
        ...

    def close(self, offset_bytes: int) -> UploadState:
        """The file is written up to ``offset_bytes`` and the caller's descriptor is closed. Waits until the node agrees."""
        ...


@dataclass(frozen=True, slots=True)
class GivenPlace:
    """Where a file is to be put to become an upload's bytes: ``name`` in ``directory``, which has this device and inode."""

    directory: str
    name: str
    device: int
    inode: int


class NodeClient(Protocol):
    """One storage node. Safe for many threads."""

    @property
    def node_id(self) -> str: ...

    def start_upload(self, repository: str, principal: str, algorithm: str | None, place: str = "") -> UploadState:
        """Begin. ``algorithm`` is what the client announced; None means not announced (sha256 is computed then).

        ``place``: the repository whose bytes these are, where that is not ``repository``: a node of several disks chooses one by
        it. It gives no rights.
        """
        ...

    def upload_state(self, key: UploadKey) -> UploadState:
        """Raises UploadUnknownError."""
        ...

    def append(
        self, key: UploadKey, offset_bytes: int | None, chunks: Iterable[bytes], token: int | None = None
    ) -> UploadState:
        """Append bytes. ``offset_bytes`` None: wherever it stands.

        An exception raised by ``chunks`` ends the call and leaves what arrived in order. ``token`` orders writers that know
        nothing of each other: once the upload has seen one, whoever brings a lower one is refused (StaleWriterError).

        Raises:
            UploadUnknownError, OffsetError (unchanged), StaleWriterError (a newer writer took over).
        """
        ...

    def open_append(self, key: UploadKey, offset_bytes: int | None) -> LocalAppend | None:
        """The short-circuit write, or None when the node is not on this host or does not offer it.

        Raises:
            UploadUnknownError, OffsetError.
        """
        ...

    def finish_upload(self, key: UploadKey, digest: Digest) -> StoredBlob:
        """Compare, fsync, rename, fsync directory, and in a cluster copy to where it belongs.

        A repeated call joins the first; its result is kept for an hour, and what is short of copies is copied again.

        Raises:
            UploadUnknownError; DigestInvalidError: other bytes than named (the upload is dropped).
        """
        ...

    def cancel_upload(self, key: UploadKey) -> None:
        """Raises UploadUnknownError."""
        ...

    def list_uploads(self) -> Sequence[OpenUpload]:
        """All that are open, whoever's they are, in the order of their ids: for operators."""
        ...

    def follow_upload(
        self, upload_id: str, offset_bytes: int, patience_seconds: float = math.inf
    ) -> Iterator[bytes | memoryview]:
        """The bytes of an upload from ``offset_bytes`` as they arrive. The last message is withheld until the digest is confirmed.

        Raises:
            UploadUnknownError; CorruptError: the upload was dropped, what was delivered must not look complete.
            NodeSilentError: nothing came for ``patience_seconds``; perhaps nobody writes it.
        """
        ...

    def put_blob(self, digest: Digest, data: bytes, place: str = "") -> StoredBlob:
        """A small blob (at most 4 MiB) in one call, durable when it returns. ``place``: see ``start_upload``.

        Raises:
            DigestInvalidError: other bytes than named.
        """
        ...

    def receive(self, digest: Digest, size_bytes: int, chunks: Iterable[bytes]) -> StoredBlob:
        """A copy from another node, durable when it returns. Nothing is kept of one that breaks off.

        Raises:
            DigestInvalidError, SizeInvalidError: other bytes than named.
        """
        ...

    def sum_partitions(self, first_partition: int, last_partition: int) -> Sequence[PartitionSum]:
        """Of a range of partitions, both ends included; those that hold nothing are left out."""
        ...

    def stat_blobs(self, wants: Sequence[Want]) -> list[StoredBlob | None]:
        """Which of them are here, durable and of the right size; in order. A copy of another size is quarantined."""
        ...

    def prove_blob(self, want: Want, heard: Callable[[], None]) -> StoredBlob | None:
        """As ``stat_blobs`` of one, after its bytes were read, unless they were hashed a moment ago. ``heard`` is called meanwhile.

        None: there is no copy, a wrong one was found and is in quarantine, or the node has too much to read to say so.
        """
        ...

    def open_blob(self, want: Want) -> LocalBlob | None:
        """The short-circuit read, or None when the node is not on this host.

        Raises:
            BlobUnknownError: no such copy. CorruptError: it had another size and is now in quarantine.
        """
        ...

    def read_blob(
        self, want: Want, offset_bytes: int, length_bytes: int | None, *, patient: bool = False
    ) -> Iterator[bytes | memoryview]:
        """Bytes of a copy in messages of about 1 MiB.

        A whole read (offset 0, no length) is verified: the last message is withheld until the digest is confirmed. ``patient``:
        there is no other copy to go on with, so a slow node is waited for.

        Raises:
            BlobUnknownError, CorruptError; both before the first message, CorruptError also at the end of a whole read.
            NodeSilentError: nothing came for a while.
        """
        ...

    def delete_blob(self, digest: Digest, stamp: str, *, for_good: bool = False) -> bool:
        """Move the copy into the trash if it still carries ``stamp``; False: it does not, or is not here.

        ``for_good``: its room is wanted now, and an upstream has it; nothing goes into the trash.
        """
        ...

    def list_blobs(self, first_partition: int, last_partition: int) -> Iterator[ListedBlob]:
        """The inventory of partitions first..last (inclusive), sorted by (partition, digest text)."""
        ...

    def status(self) -> NodeStatus: ...

    def collect(self, order: Order) -> Iterator[News]:
        """Have garbage collected now, or told what would go; the last of the news has the report. For operators.

        Raises:
            RequestInvalidError: the node collects none. RolledBackError, UnavailableError.
        """
        ...

    def close(self) -> None: ...
