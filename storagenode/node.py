"""A storage node: what ``holdfast.rpc.node.NodeClient`` promises, carried out, without any transport.

Collaborators decide and do: ``uploads`` who may write, ``writing`` how bytes come in, ``results`` that a finish happens once, a
``BlobStore`` what is durable. This module joins them. Never here: gRPC, paths, fsync.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final, Protocol

from holdfast import __version__
from holdfast import digest as digests
from holdfast.errors import (
    BlobUnknownError,
    DigestInvalidError,
    RequestInvalidError,
    SizeInvalidError,
    TooLargeError,
    UnsupportedError,
    UploadUnknownError,
)
from holdfast.rpc.methods import MAX_PUT_BYTES
from holdfast.rpc.node import NodeStatus, StoredBlob, UploadState, Want
from storagenode.disk.fsio import SyncFailedError
from storagenode.disk.tree import PARTITIONS
from storagenode.follow import Follower
from storagenode.hashing import catch_up
from storagenode.results import Result
from storagenode.store import AdoptingStage, UploadRecord
from storagenode.uploads import Hashing, Phase, Registry, Upload
from storagenode.writing import Appending

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.rpc.node import GivenPlace, ListedBlob, LocalBlob, OpenUpload, PartitionSum, StagingFile, UploadKey
    from storagenode.disk.identity import Identity
    from storagenode.disk.space import Space
    from storagenode.follow import Caller
    from storagenode.results import Finishes
    from storagenode.store import BlobStore

_LOG: Final = logging.getLogger("holdfast.node")


class Placer(Protocol):
    """Where a blob goes that has become durable here."""

    def place(self, stored: StoredBlob) -> StoredBlob:
        """The same blob, copied to where it belongs.

        Raises:
            UnavailableError: not to enough nodes. What was stored here stays, and asking again goes on.
        """
        ...

    def find(self, want: Want) -> StoredBlob | None:
        """A blob that was placed before and is not here any more, if as many others hold it as a write needs.

        Raises:
            UnavailableError: not all who may hold it could be asked.
        """
        ...


class StaysHere:
    """One node, one place. Implements ``Placer``."""

    def place(self, stored: StoredBlob) -> StoredBlob:
        return stored

    def find(self, _want: Want) -> StoredBlob | None:
        return None


class StorageNode:
    """One node. Safe for many threads."""

    def __init__(
        self,
        identity: Identity,
        store: BlobStore,
        space: Space,
        finishes: Finishes,
        clock: Clock,
        host_id: str,
        placer: Placer,
        *,
        max_uploads: int,
    ) -> None:
        """``space``: of the main disk, to tell of. ``host_id``: callers that name the same one are offered files. ``placer`` brings
        finished blobs to where they belong.
        """
        self._identity = identity
        self._store = store
        self._space = space
        self._finishes = finishes
        self._placer = placer
        self._clock = clock
        self._host_id = host_id
        self._uploads = Registry(max_uploads)
        self._appending = Appending(clock, store.note)

    def recover(self) -> None:
        """Know the uploads of a former process again. Their bytes are hashed when somebody goes on with them.

        Their age counts from now: only a wall clock would know more, and one that jumps would end an upload that is being written.
        """
        now = self._clock.monotonic()
        for record, stage in self._store.stages():
            self._uploads.add(Upload(record, stage, stage.size(), now))

    def start_upload(self, repository: str, principal: str, algorithm: str | None, place: str = "") -> UploadState:
        """``place``: the repository whose bytes these are, where that is not ``repository``.

        Raises DigestInvalidError, OverloadedError, StorageFullError, ReadOnlyError.
        """
        name = digests.algorithm(algorithm or digests.CANONICAL.name).name
        self._uploads.require_room()
        upload_id = f"{self._identity.node_id}-{secrets.token_hex(16)}"
        record = UploadRecord(upload_id, repository, principal, name)
        stage = self._store.new_stage(record, place or repository)
        self._uploads.add(Upload(record, stage, 0, self._clock.monotonic()))
        return UploadState(upload_id, 0)

    def upload_state(self, key: UploadKey) -> UploadState:
        return self._uploads.of(key).state()

    def append(
        self,
        key: UploadKey,
        offset_bytes: int | None,
        chunks: Iterable[bytes],
        end: Callable[[], None],
        token: int | None = None,
    ) -> UploadState:
        """``end`` is called if a newer writer comes; it must make ``chunks`` end."""
        return self._appending.stream(self._uploads.of(key), offset_bytes, chunks, end, token or 0)

    def open_append(self, key: UploadKey, offset_bytes: int | None, host_id: str) -> StagingFile | None:
        upload = self._uploads.of(key)
        if not self._is_here(host_id):
            return None
        return self._appending.lend(upload, offset_bytes)

    def _is_here(self, host_id: str) -> bool:
        return bool(host_id) and host_id == self._host_id

    def advance(self, key: UploadKey, token: int, offset_bytes: int, *, is_last: bool) -> UploadState:
        return self._appending.advance(self._uploads.of(key), token, offset_bytes, is_last=is_last)

    def offer_place(self, upload_id: str, host_id: str) -> GivenPlace | None:
        """Where a file is to be put to become the bytes of this upload. Raises UploadUnknownError."""
        stage = self._uploads.by_id(upload_id).stage
        return stage.place() if self._is_here(host_id) and isinstance(stage, AdoptingStage) else None

    def adopt(self, upload_id: str, host_id: str) -> UploadState:
        """The file there is taken for the upload's bytes, and hashed.

        Raises:
            UploadUnknownError, OffsetError: the upload has bytes. RequestInvalidError: no such file. UnsupportedError.
        """
        upload = self._uploads.by_id(upload_id)
        if not self._is_here(host_id) or not isinstance(upload.stage, AdoptingStage):
            raise UnsupportedError("this storage node takes no files of others; send the bytes")
        return self._appending.adopt(upload, upload.stage)

    def finish_upload(self, key: UploadKey, digest: Digest) -> StoredBlob:
        digests.algorithm(digest.algorithm)
        joined = self._finishes.join(
            key,
            digest,
            lambda: self._uploads.of(key),
            lambda: self._finish_and_place(self._uploads.of(key), key, digest),
        )
        return self._again(joined, digest) if isinstance(joined, Result) else joined.result()

    def _finish_and_place(self, upload: Upload, key: UploadKey, digest: Digest) -> StoredBlob:
        with (
            self._finishes.at_work
        ):  # not while it waits for other nodes: one of them that hangs must not hold up all uploads
            stored = self._finish(upload, digest)
        # From here on the bytes are safe: a client that asks again after a failure of the rest does not begin anew.
        self._finishes.keep(key, stored)
        return self._placer.place(stored)

    def _again(self, result: Result, digest: Digest) -> StoredBlob:
        """A finish that was over before. What is remembered may have been swept since, so it is looked at again."""
        if isinstance(result.outcome, DigestInvalidError):
            raise DigestInvalidError(result.outcome.message, result.outcome.detail)
        want = Want(digest, result.outcome.size_bytes)
        if result.outcome.digest == digest:
            found = self._store.stat(want)
            # A copy that did not belong here is gone since all owners had theirs.
            placed = self._placer.place(found) if found is not None else self._placer.find(want)
            if placed is not None:
                return placed
        raise UploadUnknownError("no such upload; start another one")

    def _finish(self, upload: Upload, digest: Digest) -> StoredBlob:
        writer = upload.claim(None, _nobody, closing=Phase.FINISHING)
        try:
            stored = self._commit(upload, digest)
        except (DigestInvalidError, SyncFailedError, UploadUnknownError):
            self._drop(upload)
            raise
        except BaseException:
            upload.stage.release()
            upload.become(Phase.OPEN)
            raise
        finally:
            upload.leave(writer, self._clock.monotonic())
        upload.become(Phase.COMMITTED, digest)
        self._uploads.remove(upload)
        return stored

    def _commit(self, upload: Upload, digest: Digest) -> StoredBlob:
        size, stage = upload.offset_bytes, upload.stage
        stage.space.require_writable()
        if stage.is_lent:
            stage.space.require(size)
            stage.move(size)
        hashing = upload.hashing if upload.hashing.algorithm == digest.algorithm else Hashing(digest.algorithm)
        catch_up(hashing, stage, size)
        if hashing.hasher.hexdigest() != digest.encoded:
            raise DigestInvalidError(
                "the uploaded bytes have another digest than was named; the upload is gone, start another one",
                {"digest": str(digest), "size": size, "found": f"{digest.algorithm}:{hashing.hasher.hexdigest()}"},
            )
        upload.found_right()
        return self._store.commit(stage, digest, size)

    def _drop(self, upload: Upload) -> None:
        upload.become(Phase.DROPPED)
        self._uploads.remove(upload)
        upload.stage.destroy()

    def cancel_upload(self, key: UploadKey) -> None:
        upload = self._uploads.of(key)
        writer = upload.claim(None, _nobody, closing=Phase.FINISHING)
        try:
            self._drop(upload)
        finally:
            upload.leave(writer, self._clock.monotonic())

    def list_uploads(self) -> list[OpenUpload]:
        now = self._clock.monotonic()
        return sorted((upload.seen(now) for upload in self._uploads), key=lambda upload: upload.key.upload_id)

    def expire_uploads(self, expiry_seconds: float) -> int:
        """Drop what nobody has used for so long; how many."""
        count = 0
        for upload in self._uploads:
            if upload.abandon(self._clock.monotonic(), expiry_seconds):
                self._uploads.remove(upload)
                upload.stage.destroy()
                _LOG.info("an abandoned upload has expired", extra={"upload": upload.upload_id})
                count += 1
        return count

    def follow_upload(self, upload_id: str, offset_bytes: int, caller: Caller) -> Iterator[bytes]:
        finished = self._finishes.result(upload_id)
        if finished is not None:
            yield from self._read_on(finished.digest, offset_bytes)
            return
        upload = self._uploads.by_id(upload_id)

        def committed(offset_bytes: int) -> Iterator[bytes]:
            if upload.digest is None:
                raise BlobUnknownError("the upload has not become a blob")
            return self._read_on(upload.digest, offset_bytes)

        yield from Follower(upload, offset_bytes, caller, committed)

    def _read_on(self, digest: Digest, offset_bytes: int) -> Iterator[bytes]:
        return self._store.read(Want(digest), offset_bytes, None)

    def put_blob(self, digest: Digest, data: bytes, place: str = "") -> StoredBlob:
        digests.algorithm(digest.algorithm)
        if len(data) > MAX_PUT_BYTES:
            raise TooLargeError(f"one call puts at most {MAX_PUT_BYTES} bytes; use an upload")
        return self._store.put(digest, data, place)

    def receive(self, digest: Digest, size_bytes: int, chunks: Iterable[bytes], end: Callable[[], None]) -> StoredBlob:
        """A copy from another node, by the same way as an upload that nobody else knows of."""
        digests.algorithm(digest.algorithm)
        record = UploadRecord(f"{self._identity.node_id}-{secrets.token_hex(16)}", "", "", digest.algorithm)
        upload = Upload(record, self._store.new_copy(record.upload_id), 0, self._clock.monotonic())
        try:
            upload.stage.space.require(size_bytes)
            _require_size(self._appending.stream(upload, 0, chunks, end), size_bytes)
            return self._commit(upload, digest)
        except BaseException:
            upload.stage.destroy()
            raise

    def sum_partitions(self, first_partition: int, last_partition: int) -> list[PartitionSum]:
        """Of those that hold something."""
        _require_partitions(first_partition, last_partition)
        sums = (self._store.sum_of(partition) for partition in range(first_partition, last_partition + 1))
        return [found for found in sums if found.copies]

    def stat_blobs(self, wants: Sequence[Want]) -> list[StoredBlob | None]:
        return [self._store.stat(want) if _is_storable(want.digest) else None for want in wants]

    def prove_blob(self, want: Want) -> Generator[None, None, StoredBlob | None]:
        return (yield from self._store.prove(want)) if _is_storable(want.digest) else None

    def open_blob(self, want: Want, host_id: str) -> LocalBlob | None:
        return self._store.open_local(_storable(want)) if self._is_here(host_id) else None

    def read_blob(self, want: Want, offset_bytes: int, length_bytes: int | None) -> Iterator[bytes]:
        return self._store.read(_storable(want), offset_bytes, length_bytes)

    def delete_blob(self, digest: Digest, stamp: str, *, for_good: bool = False) -> bool:
        delete = self._store.discard if for_good else self._store.delete
        return _is_storable(digest) and delete(digest, stamp)

    def list_blobs(self, first_partition: int, last_partition: int) -> Iterator[list[ListedBlob]]:
        """A list for each partition that holds something."""
        _require_partitions(first_partition, last_partition)
        for partition in range(first_partition, last_partition + 1):
            if listed := self._store.listing(partition):
                yield listed

    @property
    def open_uploads(self) -> int:
        return len(self._uploads)

    def status(self) -> NodeStatus:
        room = self._space.room()
        return NodeStatus(
            node_id=self._identity.node_id,
            cluster_id=self._identity.cluster_id,
            version=__version__,
            host_id=self._host_id,
            capacity_bytes=room.capacity_bytes,
            free_bytes=room.free_bytes,
            reserve_bytes=self._space.reserve_bytes,
            read_only=self._space.is_read_only,
            uploads=len(self._uploads),
            quarantined=self._store.quarantined,
            rooms=self._store.rooms(),
        )

    def close(self) -> None:
        """Let the finishes that were begun come to their end."""
        self._finishes.close()
        self._store.close()


def _is_storable(digest: Digest) -> bool:
    """Only digests that can be computed have copies, and only those become file names."""
    return digest.algorithm in digests.ALGORITHMS


def _require_size(state: UploadState, size_bytes: int) -> None:
    if state.offset_bytes != size_bytes:
        raise SizeInvalidError("the copy broke off", {"expected": size_bytes, "received": state.offset_bytes})


def _require_partitions(first: int, last: int) -> None:
    if not 0 <= first <= last < PARTITIONS:
        raise RequestInvalidError(f"partitions go from 0 to {PARTITIONS - 1}, the first not after the last")


def _storable(want: Want) -> Want:
    if not _is_storable(want.digest):
        raise BlobUnknownError("the storage node has no copy of this blob", {"digest": str(want.digest)})
    return want


def _nobody() -> None:
    """A finish and a cancel are not ended by newer writers; those are refused."""
