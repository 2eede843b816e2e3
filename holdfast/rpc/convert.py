"""Wire messages to domain values and back. The door is strict: a digest or size against the rules does not pass.

Never here: I/O, and errors of the transport (see ``failures``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.rpc.node import (
    GivenPlace,
    ListedBlob,
    LocalBlob,
    NodeStatus,
    OpenUpload,
    PartitionSum,
    RoomStatus,
    StagingFile,
    StoredBlob,
    UploadKey,
    UploadState,
    Want,
)
from holdfast.wire import storage_pb2 as wire

if TYPE_CHECKING:
    from holdfast.digest import Digest


def digest(text: str) -> Digest:
    """Raises DigestInvalidError."""
    return digests.parse(text)


def key_to_wire(key: UploadKey) -> wire.UploadKey:
    return wire.UploadKey(upload_id=key.upload_id, repository=key.repository, principal=key.principal)


def key(message: wire.UploadKey) -> UploadKey:
    return UploadKey(message.upload_id, message.repository, message.principal)


def state_to_wire(state: UploadState) -> wire.UploadState:
    return wire.UploadState(upload_id=state.upload_id, offset_bytes=state.offset_bytes, followers=state.followers)


def state(message: wire.UploadState) -> UploadState:
    return UploadState(message.upload_id, message.offset_bytes, message.followers)


def open_upload_to_wire(upload: OpenUpload) -> wire.ListUploadsReply.Upload:
    return wire.ListUploadsReply.Upload(
        key=key_to_wire(upload.key), offset_bytes=upload.offset_bytes, idle_seconds=upload.idle_seconds
    )


def open_upload(message: wire.ListUploadsReply.Upload) -> OpenUpload:
    return OpenUpload(key(message.key), message.offset_bytes, message.idle_seconds)


def staging_to_wire(file: StagingFile) -> wire.StagingFile:
    return wire.StagingFile(
        path=file.path, device=file.device, inode=file.inode, offset_bytes=file.offset_bytes, token=file.token
    )


def staging(message: wire.StagingFile) -> StagingFile:
    return StagingFile(message.path, message.device, message.inode, message.offset_bytes, message.token)


def place_to_wire(place: GivenPlace) -> wire.OfferPlaceReply:
    return wire.OfferPlaceReply(directory=place.directory, name=place.name, device=place.device, inode=place.inode)


def place(message: wire.OfferPlaceReply) -> GivenPlace:
    return GivenPlace(message.directory, message.name, message.device, message.inode)


def want_to_wire(want: Want) -> wire.Want:
    return wire.Want(digest=str(want.digest), size_bytes=want.size_bytes)


def want(message: wire.Want) -> Want:
    return Want(digest(message.digest), message.size_bytes if message.HasField("size_bytes") else None)


def stored_to_wire(blob: StoredBlob) -> wire.StoredBlob:
    return wire.StoredBlob(
        digest=str(blob.digest), size_bytes=blob.size_bytes, stamp=blob.stamp, layout_revision=blob.layout_revision
    )


def stored(message: wire.StoredBlob) -> StoredBlob:
    return StoredBlob(digest(message.digest), message.size_bytes, message.stamp, message.layout_revision)


def listed_to_wire(blob: ListedBlob) -> wire.StoredBlob:
    return wire.StoredBlob(digest=str(blob.digest), size_bytes=blob.size_bytes, stamp=blob.stamp)


def listed(message: wire.StoredBlob) -> ListedBlob:
    return ListedBlob(digest(message.digest), message.size_bytes, message.stamp)


def sum_to_wire(found: PartitionSum) -> wire.SumPartitionsReply.Sum:
    return wire.SumPartitionsReply.Sum(
        partition=found.partition, copies=found.copies, sum=found.total, size_bytes=found.size_bytes
    )


def sum_of(message: wire.SumPartitionsReply.Sum) -> PartitionSum:
    return PartitionSum(message.partition, message.copies, message.sum, message.size_bytes)


def answer_to_wire(blob: StoredBlob | None) -> wire.StatBlobsReply.Answer:
    if blob is None:
        return wire.StatBlobsReply.Answer(found=False)
    return wire.StatBlobsReply.Answer(found=True, blob=stored_to_wire(blob))


def answer(message: wire.StatBlobsReply.Answer) -> StoredBlob | None:
    return stored(message.blob) if message.found else None


def local_to_wire(blob: LocalBlob) -> wire.LocalBlob:
    return wire.LocalBlob(path=blob.path, device=blob.device, inode=blob.inode, size_bytes=blob.size_bytes)


def local(message: wire.LocalBlob) -> LocalBlob:
    return LocalBlob(message.path, message.device, message.inode, message.size_bytes)


def status_to_wire(status: NodeStatus) -> wire.NodeStatus:
    return wire.NodeStatus(
        node_id=status.node_id,
        cluster_id=status.cluster_id,
        version=status.version,
        host_id=status.host_id,
        capacity_bytes=status.capacity_bytes,
        free_bytes=status.free_bytes,
        reserve_bytes=status.reserve_bytes,
        read_only=status.read_only,
        uploads=status.uploads,
        quarantined=status.quarantined,
        rooms=[
            wire.RoomStatus(
                route=room.route,
                capacity_bytes=room.capacity_bytes,
                free_bytes=room.free_bytes,
                reserve_bytes=room.reserve_bytes,
                read_only=room.read_only,
            )
            for room in status.rooms
        ],
    )


def status(message: wire.NodeStatus) -> NodeStatus:
    return NodeStatus(
        node_id=message.node_id,
        cluster_id=message.cluster_id,
        version=message.version,
        host_id=message.host_id,
        capacity_bytes=message.capacity_bytes,
        free_bytes=message.free_bytes,
        reserve_bytes=message.reserve_bytes,
        read_only=message.read_only,
        uploads=message.uploads,
        quarantined=message.quarantined,
        rooms=tuple(
            RoomStatus(room.route, room.capacity_bytes, room.free_bytes, room.reserve_bytes, room.read_only)
            for room in message.rooms
        ),
    )
