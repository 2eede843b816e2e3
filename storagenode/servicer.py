"""The storage service over gRPC: each method unwraps, asks the node, wraps. Errors leave through ``holdfast.rpc.serving``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.message import DecodeError

from holdfast.errors import RequestInvalidError
from holdfast.rpc import collecting, convert
from holdfast.rpc import methods as m
from holdfast.wire import storage_pb2 as wire
from storagenode.collecting.orders import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import grpc

    from holdfast.rpc.collecting import News, Order
    from storagenode.node import StorageNode

_Header = TypeVar("_Header", wire.AppendHeader, wire.ReceiveHeader)

# A listing travels in messages of about 50 kB.
_LIST_BATCH: Final = 500


def _believe() -> None:
    """For a node that has no metadata to look at."""


class Servicer:
    """One behaviour for each method of the table. ``require_right`` raises an UnavailableError where the metadata is not to be
    believed, so that nobody's word that a copy is nobody's counts either.
    """

    def __init__(
        self,
        node: StorageNode,
        collect: Callable[[Order], Generator[News]] = refuse,
        require_right: Callable[[], None] = _believe,
    ) -> None:
        self._node = node
        self._collect = collect
        self._require_right = require_right

    def behaviours(self) -> dict[str, Callable[[Any, Any], Any]]:
        return {
            m.START_UPLOAD.name: self.start_upload,
            m.GET_UPLOAD_STATE.name: self.upload_state,
            m.OPEN_APPEND.name: self.open_append,
            m.ADVANCE.name: self.advance,
            m.OFFER_PLACE.name: self.offer_place,
            m.ADOPT.name: self.adopt,
            m.APPEND.name: self.append,
            m.FINISH_UPLOAD.name: self.finish_upload,
            m.CANCEL_UPLOAD.name: self.cancel_upload,
            m.LIST_UPLOADS.name: self.list_uploads,
            m.FOLLOW_UPLOAD.name: self.follow_upload,
            m.PUT_BLOB.name: self.put_blob,
            m.RECEIVE.name: self.receive,
            m.SUM_PARTITIONS.name: self.sum_partitions,
            m.STAT_BLOBS.name: self.stat_blobs,
            m.PROVE_BLOB.name: self.prove_blob,
            m.OPEN_BLOB.name: self.open_blob,
            m.READ_BLOB.name: self.read_blob,
            m.DELETE_BLOB.name: self.delete_blob,
            m.LIST_BLOBS.name: self.list_blobs,
            m.GET_NODE_STATUS.name: self.status,
            m.COLLECT.name: self.collect,
        }

    def start_upload(self, request: wire.StartUploadRequest, _context: grpc.ServicerContext) -> wire.UploadState:
        state = self._node.start_upload(request.repository, request.principal, request.algorithm or None, request.place)
        return convert.state_to_wire(state)

    def upload_state(self, request: wire.UploadKey, _context: grpc.ServicerContext) -> wire.UploadState:
        return convert.state_to_wire(self._node.upload_state(convert.key(request)))

    def open_append(self, request: wire.OpenAppendRequest, _context: grpc.ServicerContext) -> wire.OpenAppendReply:
        file = self._node.open_append(convert.key(request.key), _offset(request), request.host_id)
        return wire.OpenAppendReply(file=convert.staging_to_wire(file) if file else None)

    def advance(self, request: wire.AdvanceRequest, _context: grpc.ServicerContext) -> wire.UploadState:
        key = convert.key(request.key)
        state = self._node.advance(key, request.token, request.offset_bytes, is_last=request.last)
        return convert.state_to_wire(state)

    def offer_place(self, request: wire.AdoptRequest, _context: grpc.ServicerContext) -> wire.OfferPlaceReply:
        place = self._node.offer_place(request.upload_id, request.host_id)
        return convert.place_to_wire(place) if place else wire.OfferPlaceReply()

    def adopt(self, request: wire.AdoptRequest, _context: grpc.ServicerContext) -> wire.UploadState:
        return convert.state_to_wire(self._node.adopt(request.upload_id, request.host_id))

    def append(self, request: Iterator[bytes], context: grpc.ServicerContext) -> wire.UploadState:
        header = _header(context, wire.AppendHeader)
        # Cancelling the call is what makes a stream of messages end that waits for a client.
        token = header.token if header.HasField("token") else None
        state = self._node.append(convert.key(header.key), _offset(header), request, context.cancel, token)
        return convert.state_to_wire(state)

    def finish_upload(self, request: wire.FinishUploadRequest, _context: grpc.ServicerContext) -> wire.StoredBlob:
        stored = self._node.finish_upload(convert.key(request.key), convert.digest(request.digest))
        return convert.stored_to_wire(stored)

    def list_uploads(self, _request: wire.ListUploadsRequest, _context: grpc.ServicerContext) -> wire.ListUploadsReply:
        return wire.ListUploadsReply(uploads=map(convert.open_upload_to_wire, self._node.list_uploads()))

    def cancel_upload(self, request: wire.UploadKey, _context: grpc.ServicerContext) -> wire.Done:
        self._node.cancel_upload(convert.key(request))
        return wire.Done()

    def follow_upload(self, request: wire.FollowUploadRequest, context: grpc.ServicerContext) -> Iterator[bytes]:
        return self._node.follow_upload(request.upload_id, request.offset_bytes, context)

    def put_blob(self, request: wire.PutBlobRequest, _context: grpc.ServicerContext) -> wire.StoredBlob:
        return convert.stored_to_wire(self._node.put_blob(convert.digest(request.digest), request.data, request.place))

    def receive(self, request: Iterator[bytes], context: grpc.ServicerContext) -> wire.StoredBlob:
        header = _header(context, wire.ReceiveHeader)
        return convert.stored_to_wire(
            self._node.receive(convert.digest(header.digest), header.size_bytes, request, context.cancel)
        )

    def sum_partitions(
        self, request: wire.SumPartitionsRequest, _context: grpc.ServicerContext
    ) -> wire.SumPartitionsReply:
        found = self._node.sum_partitions(request.first_partition, request.last_partition)
        return wire.SumPartitionsReply(sums=[convert.sum_to_wire(one) for one in found])

    def stat_blobs(self, request: wire.StatBlobsRequest, _context: grpc.ServicerContext) -> wire.StatBlobsReply:
        found = self._node.stat_blobs([convert.want(want) for want in request.wants])
        return wire.StatBlobsReply(answers=[convert.answer_to_wire(blob) for blob in found])

    def prove_blob(
        self, request: wire.ProveBlobRequest, _context: grpc.ServicerContext
    ) -> Iterator[wire.ProveBlobReply]:
        proving = self._node.prove_blob(convert.want(request.want))
        try:
            while True:
                next(proving)
                yield wire.ProveBlobReply()
        except StopIteration as end:
            answer = convert.answer_to_wire(end.value)
        finally:
            proving.close()
        yield wire.ProveBlobReply(answer=answer)

    def open_blob(self, request: wire.OpenBlobRequest, _context: grpc.ServicerContext) -> wire.OpenBlobReply:
        blob = self._node.open_blob(convert.want(request.want), request.host_id)
        return wire.OpenBlobReply(blob=convert.local_to_wire(blob) if blob else None)

    def read_blob(self, request: wire.ReadBlobRequest, _context: grpc.ServicerContext) -> Iterator[bytes]:
        length = request.length_bytes if request.HasField("length_bytes") else None
        return self._node.read_blob(convert.want(request.want), request.offset_bytes, length)

    def delete_blob(self, request: wire.DeleteBlobRequest, _context: grpc.ServicerContext) -> wire.DeleteBlobReply:
        self._require_right()
        deleted = self._node.delete_blob(convert.digest(request.digest), request.stamp, for_good=request.for_good)
        return wire.DeleteBlobReply(deleted=deleted)

    def list_blobs(self, request: wire.ListBlobsRequest, _context: grpc.ServicerContext) -> Iterator[wire.ListedBlobs]:
        batch: list[wire.StoredBlob] = []
        for partition in self._node.list_blobs(request.first_partition, request.last_partition):
            for blob in partition:
                batch.append(convert.listed_to_wire(blob))
                if len(batch) == _LIST_BATCH:
                    yield wire.ListedBlobs(blobs=batch)
                    batch = []
        if batch:
            yield wire.ListedBlobs(blobs=batch)

    def status(self, _request: wire.NodeStatusRequest, _context: grpc.ServicerContext) -> wire.NodeStatus:
        return convert.status_to_wire(self._node.status())

    def collect(self, request: wire.CollectRequest, _context: grpc.ServicerContext) -> Iterator[wire.CollectReply]:
        with contextlib.closing(self._collect(collecting.order(request))) as following:
            yield from map(collecting.news_to_wire, following)


def _offset(message: wire.OpenAppendRequest | wire.AppendHeader) -> int | None:
    return message.offset_bytes if message.HasField("offset_bytes") else None


def _header(context: grpc.ServicerContext, kind: type[_Header]) -> _Header:
    for key, value in context.invocation_metadata():
        if key == m.HEADER_KEY and isinstance(value, bytes):
            try:
                return kind.FromString(value)
            except DecodeError as error:
                raise RequestInvalidError(f"the metadata {m.HEADER_KEY} is no {kind.__name__}") from error
    raise RequestInvalidError(f"this call needs a header in the metadata {m.HEADER_KEY}")
