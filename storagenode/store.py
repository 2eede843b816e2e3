"""The ports of byte storage: what the rules above need from a disk, or from an object store.

Everything in a ``BlobStore`` is verified and durable. A ``Stage`` holds the bytes of one upload on their way there. Errors are
those of ``holdfast.errors``; who calls what in which order is decided in ``uploads`` and ``node``, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from holdfast.digest import Digest
    from holdfast.rpc.node import GivenPlace, ListedBlob, LocalBlob, PartitionSum, RoomStatus, StoredBlob, Want


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """What is remembered of an upload over a restart. ``algorithm`` is the one being computed; ``fence``: the highest that a writer
    has brought, 0 if none has.
    """

    upload_id: str
    repository: str
    principal: str
    algorithm: str
    fence: int = 0


@dataclass(frozen=True, slots=True)
class LentFile:
    """A staging file as another process will open it."""

    path: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Examined:
    """A copy that was read for its own sake. ``fault`` "": it is right; else it is in quarantine now, for this reason.

    ``is_read`` False: only its size was asked for.
    """

    size_bytes: int
    fault: str = ""
    is_unreadable: bool = False
    is_read: bool = True


class Allowance(Protocol):
    """Whether more may be written to the disk that something lies on."""

    def require_writable(self) -> None:
        """Raises ReadOnlyError."""
        ...

    def require(self, extra_bytes: int = 0) -> None:
        """Raises ReadOnlyError, or StorageFullError if so many bytes more would reach into the reserve."""
        ...


class Stage(Protocol):
    """The staged bytes of one upload. One writer at a time; readers have descriptors of their own."""

    @property
    def space(self) -> Allowance: ...

    @property
    def generation(self) -> int:
        """Grows when the bytes move to another file: readers must open it again."""
        ...

    @property
    def is_lent(self) -> bool:
        """Whether a process that we cannot stop may still write the file."""
        ...

    def size(self) -> int: ...

    def write(self, data: bytes, offset_bytes: int) -> None: ...

    def read_into(self, buffer: memoryview, offset_bytes: int) -> int:
        """How many bytes there were; 0 at the end."""
        ...

    def flush_behind(self) -> None:
        """Begin to make durable what is written, in the background. Does nothing while the last one is under way."""
        ...

    def lend(self) -> LentFile:
        """Hand the file out: from here on it may change under us beyond what was confirmed."""
        ...

    def take_back(self, size_bytes: int) -> None:
        """The borrower has closed its descriptor. What it wrote beyond ``size_bytes`` was never announced and goes."""
        ...

    def move(self, length_bytes: int) -> None:
        """Copy the confirmed bytes to another file and let go of the lent one."""
        ...

    def reader(self) -> tuple[int, int]:
        """A descriptor for reading and its generation; the caller closes it. Raises UploadUnknownError once it is committed."""
        ...

    def release(self) -> None:
        """Close descriptors until the next use."""
        ...

    def destroy(self) -> None: ...


@runtime_checkable
class AdoptingStage(Stage, Protocol):
    """One that can be a file of somebody else's, which has another name elsewhere. Such a file is read and never written."""

    def place(self) -> GivenPlace:
        """Where that file is to be put."""
        ...

    def adopt(self) -> int:
        """Be that file from here on; its length. Raises RequestInvalidError: there is none that can be taken, nothing changed."""
        ...


class BlobStore(Protocol):
    """Verified, durable copies. Where there are several disks, ``place`` (a repository's name) says which one takes the bytes."""

    @property
    def quarantined(self) -> int: ...

    @property
    def activity(self) -> int:
        """Grows with everything that somebody may rely on: a commit, a "have it"."""
        ...

    def rooms(self) -> tuple[RoomStatus, ...]:
        """The disks beside the main one."""
        ...

    def new_stage(self, record: UploadRecord, place: str = "") -> Stage: ...

    def note(self, record: UploadRecord) -> None:
        """Remember an upload as it is now, in place of what was remembered of it before."""
        ...

    def new_copy(self, upload_id: str) -> Stage:
        """As ``new_stage``, for what no restart shall find again."""
        ...

    def stages(self) -> Iterator[tuple[UploadRecord, Stage]]:
        """What a former process left."""
        ...

    def commit(self, stage: Stage, digest: Digest, size_bytes: int) -> StoredBlob:
        """Make a stage of this store's the copy of ``digest``: fsync, rename over whatever is there, fsync the directory.

        Raises:
            SyncFailedError: nothing was stored, and the store takes no more writes.
        """
        ...

    def put(self, digest: Digest, data: bytes, place: str = "") -> StoredBlob: ...

    def stat(self, want: Want) -> StoredBlob | None: ...

    def prove(self, want: Want) -> Generator[None, None, StoredBlob | None]:
        """As ``stat``, after the bytes were read, unless they were hashed a moment ago; yields every second or so.

        None also for a copy that was wrong and is in quarantine now, and when too many are being read already.
        """
        ...

    def open_local(self, want: Want) -> LocalBlob | None:
        """A file to open; None: there is a copy and no file, so ``read`` it. Raises BlobUnknownError, CorruptError."""
        ...

    def read(self, want: Want, offset_bytes: int, length_bytes: int | None) -> Iterator[bytes]: ...

    def raw(self, want: Want) -> Iterator[bytes]:
        """As ``read`` of everything, but not verified: for a receiver that verifies. Raises BlobUnknownError, CorruptError."""
        ...

    def delete(self, digest: Digest, stamp: str) -> bool: ...

    def discard(self, digest: Digest, stamp: str) -> bool:
        """Delete without a trace: enough other nodes were seen to have a copy, or it can be fetched again."""
        ...

    def sum_of(self, partition: int) -> PartitionSum: ...

    def listing(self, partition: int) -> list[ListedBlob]: ...

    def take_bereft(self) -> set[int]:
        """The partitions from which a copy went into quarantine since this was asked last."""
        ...

    def close(self) -> None: ...


class OneStore(BlobStore, Protocol):
    """A store that can be one of several."""

    def owns(self, stage: object) -> bool:
        """Whether this is a stage of this store."""
        ...

    def stamp_of(self, digest: Digest) -> str | None:
        """As a listing would have it; None: no copy is here."""
        ...
