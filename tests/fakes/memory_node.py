"""A storage node in memory. Implements ``holdfast.rpc.node.NodeClient`` and passes the same contract suite as the real one.

    node = MemoryNode()
    key = UploadKey(node.start_upload("library/alpine", "", None).upload_id, "library/alpine")
    node.append(key, 0, [b"abc"])
    node.finish_upload(key, digest.of(b"abc"))

Features for tests: ``fail_with`` (every call raises it), ``blobs`` (change a value to damage a copy), ``calls`` (names, in order).
It offers no short circuits.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.errors import (
    BlobUnknownError,
    CorruptError,
    DigestInvalidError,
    OffsetError,
    RangeInvalidError,
    RequestInvalidError,
    SizeInvalidError,
    StaleWriterError,
    TooLargeError,
    UploadUnknownError,
)
from holdfast.rpc.methods import MAX_PUT_BYTES, RAW_MESSAGE_BYTES
from holdfast.rpc.node import ListedBlob, NodeStatus, OpenUpload, PartitionSum, StoredBlob, UploadKey, UploadState, Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.errors import HoldfastError
    from holdfast.rpc.collecting import News, Order
    from holdfast.rpc.node import LocalAppend, LocalBlob


@dataclass
class _Upload:
    repository: str
    principal: str
    data: bytearray = field(default_factory=bytearray)
    committed: bool = False
    dropped: bool = False
    token: int = 0
    followers: int = 0


class MemoryNode:
    def __init__(self, node_id: str = "memory") -> None:
        self._node_id = node_id
        self.blobs: dict[Digest, bytes] = {}
        self.quarantine: list[Digest] = []
        self.fail_with: HoldfastError | None = None
        self.calls: list[str] = []
        self._stamps: dict[Digest, int] = {}
        self._uploads: dict[str, _Upload] = {}
        self._results: dict[UploadKey, tuple[Digest, int] | DigestInvalidError] = {}
        self._changed = threading.Condition()
        self._count = 0

    @property
    def node_id(self) -> str:
        return self._node_id

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.fail_with is not None:
            raise self.fail_with

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _stored(self, digest: Digest) -> StoredBlob:
        self._stamps[digest] = self._next()
        return StoredBlob(digest, len(self.blobs[digest]), f"s{self._stamps[digest]}")

    def _upload(self, key: UploadKey) -> _Upload:
        found = self._uploads.get(key.upload_id)
        if found is None or (found.repository, found.principal) != (key.repository, key.principal) or found.committed:
            raise UploadUnknownError("no such upload")
        return found

    def start_upload(self, repository: str, principal: str, algorithm: str | None, place: str = "") -> UploadState:
        self._called("start_upload")
        digests.algorithm(algorithm or "sha256")
        with self._changed:
            upload_id = f"{self._node_id}-{self._next():032x}"
            self._uploads[upload_id] = _Upload(repository, principal)
            return UploadState(upload_id, 0)

    def upload_state(self, key: UploadKey) -> UploadState:
        self._called("upload_state")
        with self._changed:
            upload = self._upload(key)
            return UploadState(key.upload_id, len(upload.data), upload.followers)

    def append(
        self, key: UploadKey, offset_bytes: int | None, chunks: Iterable[bytes], token: int | None = None
    ) -> UploadState:
        self._called("append")
        upload = self._upload(key)
        if token is not None:
            if token < upload.token:
                raise StaleWriterError("a later writer has the upload")
            upload.token = token
        if offset_bytes not in {None, len(upload.data)}:
            raise OffsetError("the upload stands elsewhere", len(upload.data))
        for chunk in chunks:
            with self._changed:
                upload.data += chunk
                self._changed.notify_all()
        return UploadState(key.upload_id, len(upload.data))

    def open_append(self, key: UploadKey, offset_bytes: int | None) -> LocalAppend | None:
        self._called("open_append")
        self._upload(key)
        return None

    def finish_upload(self, key: UploadKey, digest: Digest) -> StoredBlob:
        self._called("finish_upload")
        digests.algorithm(digest.algorithm)
        with self._changed:
            if key in self._results:
                return self._again(self._results[key], digest)
            upload = self._upload(key)
            if digests.of(bytes(upload.data), digest.algorithm) != digest:
                upload.dropped = True
                del self._uploads[key.upload_id]
                self._results[key] = DigestInvalidError("other bytes than named", {"digest": str(digest)})
                self._changed.notify_all()
                raise self._results[key]
            self.blobs[digest] = bytes(upload.data)
            upload.committed = True
            self._results[key] = (digest, len(upload.data))
            self._changed.notify_all()
            return self._stored(digest)

    def _again(self, result: tuple[Digest, int] | DigestInvalidError, digest: Digest) -> StoredBlob:
        if isinstance(result, DigestInvalidError):
            raise result
        found = self._stat(Want(*result)) if result[0] == digest else None
        if found is None:
            raise UploadUnknownError("no such upload")
        return found

    def list_uploads(self) -> Sequence[OpenUpload]:
        self._called("list_uploads")
        open_ones = {name: upload for name, upload in self._uploads.items() if not upload.committed}
        return [
            OpenUpload(UploadKey(name, upload.repository, upload.principal), len(upload.data), 0.0)
            for name, upload in sorted(open_ones.items())
        ]

    def cancel_upload(self, key: UploadKey) -> None:
        self._called("cancel_upload")
        with self._changed:
            self._upload(key).dropped = True
            del self._uploads[key.upload_id]
            self._changed.notify_all()

    def follow_upload(self, upload_id: str, offset_bytes: int, patience_seconds: float = math.inf) -> Iterator[bytes]:
        self._called("follow_upload")
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise UploadUnknownError("no such upload")
        upload.followers += 1
        try:
            yield from self._followed(upload, offset_bytes)
        finally:
            upload.followers -= 1

    def _followed(self, upload: _Upload, offset_bytes: int) -> Iterator[bytes]:
        while True:
            with self._changed:
                while not (upload.committed or upload.dropped or len(upload.data) - 1 > offset_bytes):
                    self._changed.wait()
                if upload.dropped:
                    raise CorruptError("the upload was dropped")
                end = len(upload.data) if upload.committed else len(upload.data) - 1
                data = bytes(upload.data[offset_bytes : min(end, offset_bytes + RAW_MESSAGE_BYTES)])
            if not data:
                return
            yield data
            offset_bytes += len(data)

    def put_blob(self, digest: Digest, data: bytes, place: str = "") -> StoredBlob:
        self._called("put_blob")
        if len(data) > MAX_PUT_BYTES:
            raise TooLargeError("use an upload")
        if digests.of(data, digest.algorithm) != digest:
            raise DigestInvalidError("other bytes than named", {"digest": str(digest)})
        with self._changed:
            self.blobs[digest] = data
            return self._stored(digest)

    def receive(self, digest: Digest, size_bytes: int, chunks: Iterable[bytes]) -> StoredBlob:
        self._called("receive")
        digests.algorithm(digest.algorithm)
        data = b"".join(chunks)
        if len(data) != size_bytes:
            raise SizeInvalidError("another size", {"expected": size_bytes, "received": len(data)})
        if digests.of(data, digest.algorithm) != digest:
            raise DigestInvalidError("other bytes than named", {"digest": str(digest)})
        with self._changed:
            self.blobs[digest] = data
            return self._stored(digest)

    def sum_partitions(self, first_partition: int, last_partition: int) -> Sequence[PartitionSum]:
        self._called("sum_partitions")
        held: dict[int, list[str]] = {}
        for blob in self.list_blobs(first_partition, last_partition):
            held.setdefault(blob.digest.partition, []).append(f"{blob.digest} {blob.size_bytes}")
        return [PartitionSum(number, len(names), "\n".join(names).encode()) for number, names in held.items()]

    def stat_blobs(self, wants: Sequence[Want]) -> list[StoredBlob | None]:
        self._called("stat_blobs")
        with self._changed:
            return [self._stat(want) for want in wants]

    def _stat(self, want: Want) -> StoredBlob | None:
        data = self.blobs.get(want.digest)
        if data is None:
            return None
        if want.size_bytes not in {None, len(data)}:
            self._look_into(want.digest)
            return None
        return self._stored(want.digest)

    def _look_into(self, digest: Digest) -> None:
        """At once; a real node takes its time."""
        if digests.of(self.blobs[digest], digest.algorithm) != digest:
            self._isolate(digest)

    def prove_blob(self, want: Want, heard: Callable[[], None]) -> StoredBlob | None:
        self._called("prove_blob")
        heard()
        with self._changed:
            data = self.blobs.get(want.digest)
            if data is not None and digests.of(data, want.digest.algorithm) != want.digest:
                self._isolate(want.digest)
            return self._stat(want)

    def _isolate(self, digest: Digest) -> None:
        self.quarantine.append(digest)
        del self.blobs[digest]

    def open_blob(self, want: Want) -> LocalBlob | None:
        self._called("open_blob")
        self._checked(want)
        return None

    def _checked(self, want: Want) -> bytes:
        data = self.blobs.get(want.digest)
        if data is None:
            raise BlobUnknownError("no copy")
        if want.size_bytes not in {None, len(data)}:
            self._look_into(want.digest)
            raise CorruptError("another size")
        return data

    def read_blob(
        self, want: Want, offset_bytes: int, length_bytes: int | None, *, patient: bool = False
    ) -> Iterator[bytes]:
        self._called("read_blob")
        data = self._checked(want)
        if data and offset_bytes >= len(data):
            raise RangeInvalidError("ends before", len(data))
        end = len(data) if length_bytes is None else min(len(data), offset_bytes + length_bytes)
        messages = [data[at : min(end, at + RAW_MESSAGE_BYTES)] for at in range(offset_bytes, end, RAW_MESSAGE_BYTES)]
        if offset_bytes == 0 and end == len(data) and digests.of(data, want.digest.algorithm) != want.digest:
            yield from messages[:-1]
            self._isolate(want.digest)
            raise CorruptError("other bytes")
        yield from messages

    def delete_blob(self, digest: Digest, stamp: str, *, for_good: bool = False) -> bool:
        self._called("delete_blob")
        with self._changed:
            if digest not in self.blobs or stamp != f"s{self._stamps.get(digest, 0)}":
                return False
            del self.blobs[digest]
            return True

    def list_blobs(self, first_partition: int, last_partition: int) -> Iterator[ListedBlob]:
        self._called("list_blobs")
        if not 0 <= first_partition <= last_partition <= 4095:
            raise RequestInvalidError("partitions go from 0 to 4095")
        chosen = [digest for digest in self.blobs if first_partition <= digest.partition <= last_partition]
        for digest in sorted(chosen, key=lambda digest: (digest.partition, str(digest))):
            yield ListedBlob(digest, len(self.blobs[digest]), f"s{self._stamps.get(digest, 0)}")

    def status(self) -> NodeStatus:
        self._called("status")
        uploads = sum(not upload.committed for upload in self._uploads.values())
        return NodeStatus(
            node_id=self._node_id,
            cluster_id="local",
            version="0.1.0",
            host_id="",
            capacity_bytes=1 << 40,
            free_bytes=1 << 39,
            reserve_bytes=0,
            read_only=False,
            uploads=uploads,
            quarantined=len(self.quarantine),
        )

    def collect(self, _order: Order) -> Iterator[News]:
        self._called("collect")
        raise RequestInvalidError("nothing is collected here")

    def close(self) -> None:
        """Nothing is held."""
