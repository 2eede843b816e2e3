"""A storage node over gRPC.

Promises: every unary call has a deadline; whatever goes wrong is one of ``holdfast.errors``, inside iterators as well; nothing is
retried here (whoever knows the other copies decides that). The channel is made by the first call, so a client may be built before
a fork and used after it; the call after a renewal of this process's certificate makes another, and what is under way ends on the
former one.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc

from holdfast.clock import SystemClock
from holdfast.errors import (
    HoldfastError,
    NodeSilentError,
    NodeUnreachableError,
    RequestInvalidError,
    StaleWriterError,
    TooLargeError,
)
from holdfast.rpc import collecting, convert, failures
from holdfast.rpc import methods as m
from holdfast.rpc.channel import open_channel, require_protection
from holdfast.rpc.feed import Feed
from holdfast.rpc.link import Link
from holdfast.rpc.localfile import LocalFile, settle
from holdfast.rpc.stalls import StallWatch
from holdfast.wire import storage_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from holdfast.digest import Digest
    from holdfast.rpc.collecting import News, Order
    from holdfast.rpc.credentials import Credentials
    from holdfast.rpc.node import (
        GivenPlace,
        ListedBlob,
        LocalBlob,
        NodeStatus,
        OpenUpload,
        PartitionSum,
        StoredBlob,
        UploadKey,
        UploadState,
        Want,
    )

    _Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

_STALLS: Final = StallWatch(SystemClock())


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a call may take, in seconds."""

    control_seconds: float = 10.0
    # On top of that: a node that was restarted fsyncs each copy before it says "have it", and reads directories that are cold.
    each_copy_seconds: float = 0.1
    each_partition_seconds: float = 0.5
    # A short-circuit step waits for the node to hash at most some MiB, an append's end for its last queue.
    advance_seconds: float = 60.0
    # A finish fsyncs, and may read everything once more; repeated, it joins the one that is under way.
    finish_seconds: float = 600.0
    put_seconds: float = 60.0
    # A reader who has other copies wants to go on with one of them much sooner.
    first_byte_seconds: float = 30.0
    next_byte_seconds: float = 30.0
    patient_seconds: float = 30.0
    # The first time a node reads every directory that it has.
    sum_seconds: float = 120.0
    # A node that copies bytes to another one waits so long until it takes more of them.
    push_seconds: float = 30.0


class GrpcNode:
    """Implements ``holdfast.rpc.node.NodeClient``."""

    def __init__(
        self,
        target: str,
        *,
        host_id: str,
        node_id: str | None = None,
        deadlines: Deadlines | None = None,
        credentials: Credentials | None = None,
        insecure: bool = False,
        sender: str | None = None,
    ) -> None:
        """``host_id`` is this machine's (``holdfast.rpc.host``); "" turns the short circuits off. ``node_id``: whose address this
        should be; another node that lives there refuses. ``sender``: the node that this process is, if it is one.

        Raises:
            ConfigError: ``target`` is beyond this machine, there are no ``credentials``, and ``insecure`` does not allow that.
        """
        require_protection(target, credentials is not None, insecure=insecure)
        self._target = target
        self._credentials = credentials
        self._insecure = insecure
        self._host_id = host_id
        self._node_id = node_id
        named = ((m.TARGET_KEY, node_id), (m.SENDER_KEY, sender))
        self._names: _Metadata = tuple((key, name) for key, name in named if name is not None)
        self._deadlines = deadlines or Deadlines()
        self._lock = threading.Lock()
        self._link: Link | None = None
        # Former links end by themselves when their last call has; close() must find them before that.
        self._former: weakref.WeakSet[Link] = weakref.WeakSet()

    @property
    def node_id(self) -> str:
        """Asked of the node the first time. Raises NodeUnreachableError."""
        if self._node_id is None:
            self._node_id = self.status().node_id
        return self._node_id

    def start_upload(self, repository: str, principal: str, algorithm: str | None, place: str = "") -> UploadState:
        request = wire.StartUploadRequest(
            repository=repository, principal=principal, algorithm=algorithm or "", place=place
        )
        return convert.state(self._unary(m.START_UPLOAD, request, self._deadlines.control_seconds))

    def upload_state(self, key: UploadKey) -> UploadState:
        request = convert.key_to_wire(key)
        return convert.state(self._unary(m.GET_UPLOAD_STATE, request, self._deadlines.control_seconds))

    def append(
        self, key: UploadKey, offset_bytes: int | None, chunks: Iterable[bytes], token: int | None = None
    ) -> UploadState:
        header = wire.AppendHeader(key=convert.key_to_wire(key), offset_bytes=offset_bytes, token=token)
        link = self._current_link()
        try:
            return convert.state(self._send(link, m.APPEND, header.SerializeToString(), chunks))
        except grpc.RpcError as error:
            raise self._append_error(key, link, error) from error

    def _send(
        self, link: Link, method: m.Method, header: bytes, chunks: Iterable[bytes], patience_seconds: float = math.inf
    ) -> Any:
        """Stream messages to the node; its answer. ``patience_seconds``: how long it may take no more of them.

        Raises grpc.RpcError, NodeUnreachableError, and what ``chunks`` raises.
        """
        feed = Feed()
        call = link.callable(method).future(feed, metadata=((m.HEADER_KEY, header), *self._names))
        call.add_done_callback(lambda _call: feed.stop())
        try:
            for chunk in chunks:
                with _STALLS.waiting(call, patience_seconds):
                    is_taken = all(feed.push(message) for message in _messages(chunk))
                if not is_taken:
                    break
        except BaseException:
            # What was sent stays: end the stream in order, and do not go on before the node has let go of it.
            feed.end()
            settle(call, self._deadlines.advance_seconds)
            raise
        feed.end()
        try:
            return call.result(timeout=self._deadlines.advance_seconds)
        except grpc.FutureTimeoutError as error:
            call.cancel()
            raise NodeUnreachableError("the storage node did not confirm what it was sent; try again") from error
        except grpc.FutureCancelledError as error:
            raise NodeUnreachableError("the connection to the storage node was closed; try again") from error

    def receive(self, digest: Digest, size_bytes: int, chunks: Iterable[bytes]) -> StoredBlob:
        header = wire.ReceiveHeader(digest=str(digest), size_bytes=size_bytes).SerializeToString()
        try:
            link = self._current_link()
            return convert.stored(self._send(link, m.RECEIVE, header, chunks, self._deadlines.push_seconds))
        except grpc.RpcError as error:
            raise failures.from_rpc_error(error) from error

    def sum_partitions(self, first_partition: int, last_partition: int) -> Sequence[PartitionSum]:
        request = wire.SumPartitionsRequest(first_partition=first_partition, last_partition=last_partition)
        reply = self._unary(m.SUM_PARTITIONS, request, self._reading_seconds(first_partition, last_partition))
        return [convert.sum_of(found) for found in reply.sums]

    def _reading_seconds(self, first_partition: int, last_partition: int) -> float:
        count = last_partition - first_partition + 1
        return self._deadlines.control_seconds + self._deadlines.each_partition_seconds * count

    def _append_error(self, key: UploadKey, link: Link, error: grpc.RpcError) -> HoldfastError:
        """A node that cuts one stream and goes on answering did so for a newer writer."""
        if error.code() is grpc.StatusCode.CANCELLED and not link.is_closed:
            try:
                self.upload_state(key)
            except HoldfastError as gone:
                return gone
            return StaleWriterError("a newer request has taken this upload over; ask where it stands and go on there")
        return failures.from_rpc_error(error)

    def offer_place(self, upload_id: str) -> GivenPlace | None:
        """Where a file is to be put to become an upload's bytes; None: not on this host. Raises UploadUnknownError."""
        request = wire.AdoptRequest(upload_id=upload_id, host_id=self._host_id)
        reply = self._unary(m.OFFER_PLACE, request, self._deadlines.control_seconds)
        return convert.place(reply) if reply.directory else None

    def adopt(self, upload_id: str) -> UploadState:
        """Have the file there taken for the bytes of the upload, which has none; answered when it is hashed.

        Raises:
            UploadUnknownError, OffsetError, RequestInvalidError, UnsupportedError.
        """
        request = wire.AdoptRequest(upload_id=upload_id, host_id=self._host_id)
        return convert.state(self._unary(m.ADOPT, request, self._deadlines.finish_seconds))

    def open_append(self, key: UploadKey, offset_bytes: int | None) -> LocalFile | None:
        if not self._host_id:
            return None
        request = wire.OpenAppendRequest(key=convert.key_to_wire(key), offset_bytes=offset_bytes, host_id=self._host_id)
        reply = self._unary(m.OPEN_APPEND, request, self._deadlines.advance_seconds)
        if not reply.HasField("file"):
            return None
        file = convert.staging(reply.file)
        local = LocalFile(self.advance, key, file)
        if not _is_here(file.path, file.device, file.inode):
            # Another view of the file system. Said now, the node need not fear a writer and can keep the file.
            local.close(file.offset_bytes)
            return None
        return local

    def finish_upload(self, key: UploadKey, digest: Digest) -> StoredBlob:
        request = wire.FinishUploadRequest(key=convert.key_to_wire(key), digest=str(digest))
        return convert.stored(self._unary(m.FINISH_UPLOAD, request, self._deadlines.finish_seconds))

    def cancel_upload(self, key: UploadKey) -> None:
        self._unary(m.CANCEL_UPLOAD, convert.key_to_wire(key), self._deadlines.advance_seconds)

    def list_uploads(self) -> Sequence[OpenUpload]:
        reply = self._unary(m.LIST_UPLOADS, wire.ListUploadsRequest(), self._deadlines.control_seconds)
        return [convert.open_upload(upload) for upload in reply.uploads]

    def follow_upload(
        self, upload_id: str, offset_bytes: int, patience_seconds: float = math.inf
    ) -> Iterator[bytes | memoryview]:
        request = wire.FollowUploadRequest(upload_id=upload_id, offset_bytes=offset_bytes)
        return self._stream(m.FOLLOW_UPLOAD, request, patience_seconds, patience_seconds)

    def put_blob(self, digest: Digest, data: bytes, place: str = "") -> StoredBlob:
        if len(data) > m.MAX_PUT_BYTES:
            raise TooLargeError(f"one call puts at most {m.MAX_PUT_BYTES} bytes; use an upload")
        request = wire.PutBlobRequest(digest=str(digest), data=data, place=place)
        return convert.stored(self._unary(m.PUT_BLOB, request, self._deadlines.put_seconds))

    def stat_blobs(self, wants: Sequence[Want]) -> list[StoredBlob | None]:
        request = wire.StatBlobsRequest(wants=[convert.want_to_wire(want) for want in wants])
        deadline = self._deadlines.control_seconds + self._deadlines.each_copy_seconds * len(wants)
        reply = self._unary(m.STAT_BLOBS, request, deadline)
        return [convert.answer(answer) for answer in reply.answers]

    def prove_blob(self, want: Want, heard: Callable[[], None]) -> StoredBlob | None:
        request = wire.ProveBlobRequest(want=convert.want_to_wire(want))
        patience = self._deadlines.control_seconds
        answer = None
        try:
            for reply in self._stream(m.PROVE_BLOB, request, patience, patience):
                heard()
                answer = convert.answer(reply.answer) if reply.HasField("answer") else None
        except NodeUnreachableError as error:
            if not _is_unknown_there(error):
                raise
            (answer,) = self.stat_blobs([want])  # a node of a version that trusts the size
        return answer

    def open_blob(self, want: Want) -> LocalBlob | None:
        if not self._host_id:
            return None
        request = wire.OpenBlobRequest(want=convert.want_to_wire(want), host_id=self._host_id)
        reply = self._unary(m.OPEN_BLOB, request, self._deadlines.control_seconds)
        return convert.local(reply.blob) if reply.HasField("blob") else None

    def read_blob(
        self, want: Want, offset_bytes: int, length_bytes: int | None, *, patient: bool = False
    ) -> Iterator[bytes | memoryview]:
        request = wire.ReadBlobRequest(
            want=convert.want_to_wire(want), offset_bytes=offset_bytes, length_bytes=length_bytes
        )
        limits = self._deadlines
        if patient:
            return self._stream(m.READ_BLOB, request, limits.patient_seconds, limits.patient_seconds)
        return self._stream(m.READ_BLOB, request, limits.first_byte_seconds, limits.next_byte_seconds)

    def delete_blob(self, digest: Digest, stamp: str, *, for_good: bool = False) -> bool:
        request = wire.DeleteBlobRequest(digest=str(digest), stamp=stamp, for_good=for_good)
        return bool(self._unary(m.DELETE_BLOB, request, self._deadlines.control_seconds).deleted)

    def list_blobs(self, first_partition: int, last_partition: int) -> Iterator[ListedBlob]:
        request = wire.ListBlobsRequest(first_partition=first_partition, last_partition=last_partition)
        patience = self._reading_seconds(first_partition, last_partition)
        for batch in self._stream(m.LIST_BLOBS, request, patience, patience):
            for blob in batch.blobs:
                yield convert.listed(blob)

    def status(self) -> NodeStatus:
        return convert.status(self._unary(m.GET_NODE_STATUS, wire.NodeStatusRequest(), self._deadlines.control_seconds))

    def collect(self, order: Order) -> Iterator[News]:
        patience = self._deadlines.patient_seconds
        try:
            yield from map(
                collecting.news, self._stream(m.COLLECT, collecting.order_to_wire(order), patience, patience)
            )
        except NodeUnreachableError as error:
            if _is_unknown_there(error):
                raise RequestInvalidError(
                    "the storage node is of a version that takes no such order; upgrade it"
                ) from error
            raise

    def close(self) -> None:
        """Ends what is under way. A later call opens a new channel."""
        with self._lock:
            links = [*self._former, *([self._link] if self._link else [])]
            self._link = None
        for link in links:
            link.close()

    def _current_link(self) -> Link:
        version = self._credentials.version if self._credentials else 0
        with self._lock:
            if self._link is not None and self._link.version < version:
                self._former.add(self._link)
                self._link = None
            if self._link is None:
                channel = open_channel(self._target, self._credentials, insecure=self._insecure)
                self._link = Link(channel, version)
            return self._link

    def _unary(self, method: m.Method, request: object, deadline_seconds: float) -> Any:
        link = self._current_link()
        try:
            return link.callable(method)(request, timeout=deadline_seconds, metadata=self._names)
        except grpc.RpcError as error:
            raise failures.from_rpc_error(error) from error
        except ValueError as error:  # gRPC's word for a channel that another thread has just closed
            raise NodeUnreachableError("the connection to the storage node was closed; try again") from error

    def _stream(
        self, method: m.Method, request: object, first_seconds: float = math.inf, next_seconds: float = math.inf
    ) -> Iterator[Any]:
        """Messages; the node is given so long for the first and for each of the others."""
        link = self._current_link()  # held until the stream ends, which keeps the channel
        call, patience, wait = None, first_seconds, None
        try:
            call = link.callable(method)(request, metadata=self._names)
            while True:
                with _STALLS.waiting(call, patience) as wait:
                    message = next(call, None)
                if message is None:
                    return
                yield message
                patience = next_seconds
        except grpc.RpcError as error:
            if wait is not None and wait.is_over:
                raise NodeSilentError(f"the storage node said nothing for {patience:g} seconds") from error
            raise failures.from_rpc_error(error) from error
        except ValueError as error:
            raise NodeUnreachableError("the connection to the storage node was closed; try again") from error
        finally:
            if call is not None:
                call.cancel()

    def advance(self, request: wire.AdvanceRequest) -> tuple[Any, Link]:
        """A future of the node's answer, and the link to hold until it is there; for ``LocalFile``."""
        link = self._current_link()
        call = link.callable(m.ADVANCE).future(request, timeout=self._deadlines.advance_seconds, metadata=self._names)
        return call, link


def _is_unknown_there(error: NodeUnreachableError) -> bool:
    """The other side does not have this method, says gRPC."""
    return error.detail == {"status": grpc.StatusCode.UNIMPLEMENTED.name}


def _messages(chunk: bytes) -> Iterator[bytes]:
    if len(chunk) <= 2 * m.RAW_MESSAGE_BYTES:
        if chunk:
            yield bytes(chunk)
        return
    view = memoryview(chunk)
    for start in range(0, len(view), m.RAW_MESSAGE_BYTES):
        yield bytes(view[start : start + m.RAW_MESSAGE_BYTES])


def _is_here(path: str, device: int, inode: int) -> bool:
    try:
        found = Path(path).lstat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (device, inode) and os.access(path, os.W_OK)
