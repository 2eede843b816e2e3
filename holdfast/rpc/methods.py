"""The methods of the storage service and of the sync service, a table for each.

Server handlers and client callables are both made from them, so they cannot disagree; a test compares each with its service's
descriptor. There are no generated ``_grpc`` stubs: those would put protobuf around the bytes of blobs (``RAW`` below).

Never here: a channel, a server, or an opinion about errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from holdfast.certs.peer import Role
from holdfast.wire import storage_pb2 as wire
from holdfast.wire import sync_pb2 as sync

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE: Final = "holdfast.wire.Storage"
SYNC_SERVICE: Final = "holdfast.wire.Sync"

# gRPC's default of 4 MiB would refuse a blob of 4 MiB in its envelope. Raw messages stay near 1 MiB: half of that costs throughput.
MAX_MESSAGE_BYTES: Final = 16 << 20
RAW_MESSAGE_BYTES: Final = 1 << 20
MAX_PUT_BYTES: Final = 4 << 20

HEADER_KEY: Final = "holdfast-header-bin"
# Which node the caller means, and which node it is itself, if it is one.
TARGET_KEY: Final = "holdfast-target"
SENDER_KEY: Final = "holdfast-sender"


# Who may call, where callers show certificates. Reading and deleting by stamp is for everybody of the cluster; bytes come in
# only from processes that serve: a certificate for the command line lies on desks.
EVERYBODY: Final = frozenset(Role) - {Role.ETCD}
WRITERS: Final = EVERYBODY - {Role.OPS}
# Whose uploads there are is nobody else's business.
OPERATORS: Final = frozenset({Role.OPS})
# Whoever has a worker fetch into a repository must have seen to it that the client may read there: that is what gateways do.
EDGES: Final = frozenset({Role.GATEWAY})


class Kind(Enum):
    """Who streams."""

    UNARY = "unary"
    STREAM_IN = "stream_in"
    STREAM_OUT = "stream_out"


class Lane(Enum):
    """Which bounded pool of the node serves it.

    Readers and followers must never take a thread from an append, and finishes that wait for other nodes none from their copies.
    """

    CONTROL = "control"
    WRITE = "write"
    COPY = "copy"
    READ = "read"


class RawType:
    """Marks messages that are the bytes themselves."""


RAW: Final = RawType()

MessageType = type[Message] | RawType


@dataclass(frozen=True, slots=True)
class Method:
    """One row."""

    name: str
    kind: Kind
    lane: Lane
    request: MessageType
    response: MessageType
    roles: frozenset[Role] = EVERYBODY
    service: str = SERVICE

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"


START_UPLOAD: Final = Method(
    "StartUpload", Kind.UNARY, Lane.CONTROL, wire.StartUploadRequest, wire.UploadState, WRITERS
)
GET_UPLOAD_STATE: Final = Method("GetUploadState", Kind.UNARY, Lane.CONTROL, wire.UploadKey, wire.UploadState)
OPEN_APPEND: Final = Method("OpenAppend", Kind.UNARY, Lane.WRITE, wire.OpenAppendRequest, wire.OpenAppendReply, WRITERS)
ADVANCE: Final = Method("Advance", Kind.UNARY, Lane.WRITE, wire.AdvanceRequest, wire.UploadState, WRITERS)
# Names no path: the file must lie where only those who own the node's directory can put it.
OFFER_PLACE: Final = Method("OfferPlace", Kind.UNARY, Lane.CONTROL, wire.AdoptRequest, wire.OfferPlaceReply, OPERATORS)
ADOPT: Final = Method("Adopt", Kind.UNARY, Lane.WRITE, wire.AdoptRequest, wire.UploadState, OPERATORS)
APPEND: Final = Method("Append", Kind.STREAM_IN, Lane.WRITE, RAW, wire.UploadState, WRITERS)
FINISH_UPLOAD: Final = Method(
    "FinishUpload", Kind.UNARY, Lane.WRITE, wire.FinishUploadRequest, wire.StoredBlob, WRITERS
)
CANCEL_UPLOAD: Final = Method("CancelUpload", Kind.UNARY, Lane.CONTROL, wire.UploadKey, wire.Done)
LIST_UPLOADS: Final = Method(
    "ListUploads", Kind.UNARY, Lane.CONTROL, wire.ListUploadsRequest, wire.ListUploadsReply, OPERATORS
)
FOLLOW_UPLOAD: Final = Method("FollowUpload", Kind.STREAM_OUT, Lane.READ, wire.FollowUploadRequest, RAW)
PUT_BLOB: Final = Method("PutBlob", Kind.UNARY, Lane.COPY, wire.PutBlobRequest, wire.StoredBlob, WRITERS)
RECEIVE: Final = Method("Receive", Kind.STREAM_IN, Lane.COPY, RAW, wire.StoredBlob, WRITERS)
SUM_PARTITIONS: Final = Method(
    "SumPartitions", Kind.UNARY, Lane.COPY, wire.SumPartitionsRequest, wire.SumPartitionsReply
)
STAT_BLOBS: Final = Method("StatBlobs", Kind.UNARY, Lane.CONTROL, wire.StatBlobsRequest, wire.StatBlobsReply)
PROVE_BLOB: Final = Method("ProveBlob", Kind.STREAM_OUT, Lane.COPY, wire.ProveBlobRequest, wire.ProveBlobReply, WRITERS)
OPEN_BLOB: Final = Method("OpenBlob", Kind.UNARY, Lane.CONTROL, wire.OpenBlobRequest, wire.OpenBlobReply)
READ_BLOB: Final = Method("ReadBlob", Kind.STREAM_OUT, Lane.READ, wire.ReadBlobRequest, RAW)
DELETE_BLOB: Final = Method("DeleteBlob", Kind.UNARY, Lane.CONTROL, wire.DeleteBlobRequest, wire.DeleteBlobReply)
LIST_BLOBS: Final = Method("ListBlobs", Kind.STREAM_OUT, Lane.READ, wire.ListBlobsRequest, wire.ListedBlobs)
GET_NODE_STATUS: Final = Method("GetNodeStatus", Kind.UNARY, Lane.CONTROL, wire.NodeStatusRequest, wire.NodeStatus)
COLLECT: Final = Method("Collect", Kind.STREAM_OUT, Lane.READ, wire.CollectRequest, wire.CollectReply, OPERATORS)

# A call waits in its thread while the upstream has not answered yet, so those for blobs, which a client's pull makes many at once
# of, take none from those for manifests, which come first.
RESOLVE: Final = Method(
    "Resolve", Kind.UNARY, Lane.CONTROL, sync.ResolveRequest, sync.ResolveReply, EDGES, SYNC_SERVICE
)
FETCH_MANIFEST: Final = Method(
    "FetchManifest", Kind.UNARY, Lane.CONTROL, sync.FetchRequest, sync.FetchManifestReply, EDGES, SYNC_SERVICE
)
FETCH_REFERRERS: Final = Method(
    "FetchReferrers", Kind.UNARY, Lane.CONTROL, sync.FetchRequest, sync.FetchReferrersReply, EDGES, SYNC_SERVICE
)
FETCH_BLOB: Final = Method(
    "FetchBlob", Kind.UNARY, Lane.READ, sync.FetchRequest, sync.FetchBlobReply, EDGES, SYNC_SERVICE
)
# Who is at work on what is nobody else's business.
GET_SYNC_STATUS: Final = Method(
    "GetSyncStatus", Kind.UNARY, Lane.CONTROL, sync.SyncStatusRequest, sync.SyncStatus, OPERATORS, SYNC_SERVICE
)

_ALL: Final = [method for method in list(globals().values()) if isinstance(method, Method)]
METHODS: Final = {method.name: method for method in _ALL if method.service == SERVICE}
SYNC_METHODS: Final = {method.name: method for method in _ALL if method.service == SYNC_SERVICE}


def serializer(message_type: MessageType) -> Callable[[object], bytes]:
    """What turns a value into a gRPC message."""
    if isinstance(message_type, RawType):
        return _identity
    return message_type.SerializeToString  # type: ignore[return-value]  # an unbound method: takes the message


def deserializer(message_type: MessageType) -> Callable[[bytes], object]:
    """What turns a gRPC message into a value."""
    return _identity if isinstance(message_type, RawType) else message_type.FromString


def _identity(message: object) -> bytes:
    if not isinstance(message, bytes):  # gRPC copies nothing and wants exactly bytes
        raise TypeError(f"a raw message is bytes, not {type(message).__name__}")
    return message
