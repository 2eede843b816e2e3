from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Raw(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Failure(_message.Message):
    __slots__ = ("error", "message", "detail")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    error: str
    message: str
    detail: str
    def __init__(self, error: _Optional[str] = ..., message: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class UploadKey(_message.Message):
    __slots__ = ("upload_id", "repository", "principal")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    repository: str
    principal: str
    def __init__(self, upload_id: _Optional[str] = ..., repository: _Optional[str] = ..., principal: _Optional[str] = ...) -> None: ...

class StartUploadRequest(_message.Message):
    __slots__ = ("repository", "principal", "algorithm", "place")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    repository: str
    principal: str
    algorithm: str
    place: str
    def __init__(self, repository: _Optional[str] = ..., principal: _Optional[str] = ..., algorithm: _Optional[str] = ..., place: _Optional[str] = ...) -> None: ...

class UploadState(_message.Message):
    __slots__ = ("upload_id", "offset_bytes", "followers")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    FOLLOWERS_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    offset_bytes: int
    followers: int
    def __init__(self, upload_id: _Optional[str] = ..., offset_bytes: _Optional[int] = ..., followers: _Optional[int] = ...) -> None: ...

class AppendHeader(_message.Message):
    __slots__ = ("key", "offset_bytes", "token")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    key: UploadKey
    offset_bytes: int
    token: int
    def __init__(self, key: _Optional[_Union[UploadKey, _Mapping]] = ..., offset_bytes: _Optional[int] = ..., token: _Optional[int] = ...) -> None: ...

class OpenAppendRequest(_message.Message):
    __slots__ = ("key", "offset_bytes", "host_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    key: UploadKey
    offset_bytes: int
    host_id: str
    def __init__(self, key: _Optional[_Union[UploadKey, _Mapping]] = ..., offset_bytes: _Optional[int] = ..., host_id: _Optional[str] = ...) -> None: ...

class OpenAppendReply(_message.Message):
    __slots__ = ("file",)
    FILE_FIELD_NUMBER: _ClassVar[int]
    file: StagingFile
    def __init__(self, file: _Optional[_Union[StagingFile, _Mapping]] = ...) -> None: ...

class StagingFile(_message.Message):
    __slots__ = ("path", "device", "inode", "offset_bytes", "token")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    INODE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    path: str
    device: int
    inode: int
    offset_bytes: int
    token: int
    def __init__(self, path: _Optional[str] = ..., device: _Optional[int] = ..., inode: _Optional[int] = ..., offset_bytes: _Optional[int] = ..., token: _Optional[int] = ...) -> None: ...

class AdvanceRequest(_message.Message):
    __slots__ = ("key", "token", "offset_bytes", "last")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    key: UploadKey
    token: int
    offset_bytes: int
    last: bool
    def __init__(self, key: _Optional[_Union[UploadKey, _Mapping]] = ..., token: _Optional[int] = ..., offset_bytes: _Optional[int] = ..., last: _Optional[bool] = ...) -> None: ...

class AdoptRequest(_message.Message):
    __slots__ = ("upload_id", "host_id")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    host_id: str
    def __init__(self, upload_id: _Optional[str] = ..., host_id: _Optional[str] = ...) -> None: ...

class OfferPlaceReply(_message.Message):
    __slots__ = ("directory", "name", "device", "inode")
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    INODE_FIELD_NUMBER: _ClassVar[int]
    directory: str
    name: str
    device: int
    inode: int
    def __init__(self, directory: _Optional[str] = ..., name: _Optional[str] = ..., device: _Optional[int] = ..., inode: _Optional[int] = ...) -> None: ...

class FinishUploadRequest(_message.Message):
    __slots__ = ("key", "digest")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    key: UploadKey
    digest: str
    def __init__(self, key: _Optional[_Union[UploadKey, _Mapping]] = ..., digest: _Optional[str] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListUploadsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListUploadsReply(_message.Message):
    __slots__ = ("uploads",)
    class Upload(_message.Message):
        __slots__ = ("key", "offset_bytes", "idle_seconds")
        KEY_FIELD_NUMBER: _ClassVar[int]
        OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
        IDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
        key: UploadKey
        offset_bytes: int
        idle_seconds: float
        def __init__(self, key: _Optional[_Union[UploadKey, _Mapping]] = ..., offset_bytes: _Optional[int] = ..., idle_seconds: _Optional[float] = ...) -> None: ...
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    uploads: _containers.RepeatedCompositeFieldContainer[ListUploadsReply.Upload]
    def __init__(self, uploads: _Optional[_Iterable[_Union[ListUploadsReply.Upload, _Mapping]]] = ...) -> None: ...

class FollowUploadRequest(_message.Message):
    __slots__ = ("upload_id", "offset_bytes")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    offset_bytes: int
    def __init__(self, upload_id: _Optional[str] = ..., offset_bytes: _Optional[int] = ...) -> None: ...

class PutBlobRequest(_message.Message):
    __slots__ = ("digest", "data", "place")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    digest: str
    data: bytes
    place: str
    def __init__(self, digest: _Optional[str] = ..., data: _Optional[bytes] = ..., place: _Optional[str] = ...) -> None: ...

class StoredBlob(_message.Message):
    __slots__ = ("digest", "size_bytes", "stamp", "layout_revision")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_REVISION_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size_bytes: int
    stamp: str
    layout_revision: int
    def __init__(self, digest: _Optional[str] = ..., size_bytes: _Optional[int] = ..., stamp: _Optional[str] = ..., layout_revision: _Optional[int] = ...) -> None: ...

class Want(_message.Message):
    __slots__ = ("digest", "size_bytes")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size_bytes: int
    def __init__(self, digest: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class StatBlobsRequest(_message.Message):
    __slots__ = ("wants",)
    WANTS_FIELD_NUMBER: _ClassVar[int]
    wants: _containers.RepeatedCompositeFieldContainer[Want]
    def __init__(self, wants: _Optional[_Iterable[_Union[Want, _Mapping]]] = ...) -> None: ...

class StatBlobsReply(_message.Message):
    __slots__ = ("answers",)
    class Answer(_message.Message):
        __slots__ = ("found", "blob")
        FOUND_FIELD_NUMBER: _ClassVar[int]
        BLOB_FIELD_NUMBER: _ClassVar[int]
        found: bool
        blob: StoredBlob
        def __init__(self, found: _Optional[bool] = ..., blob: _Optional[_Union[StoredBlob, _Mapping]] = ...) -> None: ...
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[StatBlobsReply.Answer]
    def __init__(self, answers: _Optional[_Iterable[_Union[StatBlobsReply.Answer, _Mapping]]] = ...) -> None: ...

class ProveBlobRequest(_message.Message):
    __slots__ = ("want",)
    WANT_FIELD_NUMBER: _ClassVar[int]
    want: Want
    def __init__(self, want: _Optional[_Union[Want, _Mapping]] = ...) -> None: ...

class ProveBlobReply(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: StatBlobsReply.Answer
    def __init__(self, answer: _Optional[_Union[StatBlobsReply.Answer, _Mapping]] = ...) -> None: ...

class OpenBlobRequest(_message.Message):
    __slots__ = ("want", "host_id")
    WANT_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    want: Want
    host_id: str
    def __init__(self, want: _Optional[_Union[Want, _Mapping]] = ..., host_id: _Optional[str] = ...) -> None: ...

class OpenBlobReply(_message.Message):
    __slots__ = ("blob",)
    BLOB_FIELD_NUMBER: _ClassVar[int]
    blob: LocalBlob
    def __init__(self, blob: _Optional[_Union[LocalBlob, _Mapping]] = ...) -> None: ...

class LocalBlob(_message.Message):
    __slots__ = ("path", "device", "inode", "size_bytes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    INODE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    path: str
    device: int
    inode: int
    size_bytes: int
    def __init__(self, path: _Optional[str] = ..., device: _Optional[int] = ..., inode: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ReadBlobRequest(_message.Message):
    __slots__ = ("want", "offset_bytes", "length_bytes")
    WANT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    LENGTH_BYTES_FIELD_NUMBER: _ClassVar[int]
    want: Want
    offset_bytes: int
    length_bytes: int
    def __init__(self, want: _Optional[_Union[Want, _Mapping]] = ..., offset_bytes: _Optional[int] = ..., length_bytes: _Optional[int] = ...) -> None: ...

class DeleteBlobRequest(_message.Message):
    __slots__ = ("digest", "stamp", "for_good")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    FOR_GOOD_FIELD_NUMBER: _ClassVar[int]
    digest: str
    stamp: str
    for_good: bool
    def __init__(self, digest: _Optional[str] = ..., stamp: _Optional[str] = ..., for_good: _Optional[bool] = ...) -> None: ...

class DeleteBlobReply(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: _Optional[bool] = ...) -> None: ...

class ListBlobsRequest(_message.Message):
    __slots__ = ("first_partition", "last_partition")
    FIRST_PARTITION_FIELD_NUMBER: _ClassVar[int]
    LAST_PARTITION_FIELD_NUMBER: _ClassVar[int]
    first_partition: int
    last_partition: int
    def __init__(self, first_partition: _Optional[int] = ..., last_partition: _Optional[int] = ...) -> None: ...

class ListedBlobs(_message.Message):
    __slots__ = ("blobs",)
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    blobs: _containers.RepeatedCompositeFieldContainer[StoredBlob]
    def __init__(self, blobs: _Optional[_Iterable[_Union[StoredBlob, _Mapping]]] = ...) -> None: ...

class ReceiveHeader(_message.Message):
    __slots__ = ("digest", "size_bytes")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size_bytes: int
    def __init__(self, digest: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class SumPartitionsRequest(_message.Message):
    __slots__ = ("first_partition", "last_partition")
    FIRST_PARTITION_FIELD_NUMBER: _ClassVar[int]
    LAST_PARTITION_FIELD_NUMBER: _ClassVar[int]
    first_partition: int
    last_partition: int
    def __init__(self, first_partition: _Optional[int] = ..., last_partition: _Optional[int] = ...) -> None: ...

class SumPartitionsReply(_message.Message):
    __slots__ = ("sums",)
    class Sum(_message.Message):
        __slots__ = ("partition", "copies", "sum", "size_bytes")
        PARTITION_FIELD_NUMBER: _ClassVar[int]
        COPIES_FIELD_NUMBER: _ClassVar[int]
        SUM_FIELD_NUMBER: _ClassVar[int]
        SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
        partition: int
        copies: int
        sum: bytes
        size_bytes: int
        def __init__(self, partition: _Optional[int] = ..., copies: _Optional[int] = ..., sum: _Optional[bytes] = ..., size_bytes: _Optional[int] = ...) -> None: ...
    SUMS_FIELD_NUMBER: _ClassVar[int]
    sums: _containers.RepeatedCompositeFieldContainer[SumPartitionsReply.Sum]
    def __init__(self, sums: _Optional[_Iterable[_Union[SumPartitionsReply.Sum, _Mapping]]] = ...) -> None: ...

class NodeStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NodeStatus(_message.Message):
    __slots__ = ("node_id", "cluster_id", "version", "host_id", "capacity_bytes", "free_bytes", "reserve_bytes", "read_only", "uploads", "quarantined", "rooms")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESERVE_BYTES_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
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
    rooms: _containers.RepeatedCompositeFieldContainer[RoomStatus]
    def __init__(self, node_id: _Optional[str] = ..., cluster_id: _Optional[str] = ..., version: _Optional[str] = ..., host_id: _Optional[str] = ..., capacity_bytes: _Optional[int] = ..., free_bytes: _Optional[int] = ..., reserve_bytes: _Optional[int] = ..., read_only: _Optional[bool] = ..., uploads: _Optional[int] = ..., quarantined: _Optional[int] = ..., rooms: _Optional[_Iterable[_Union[RoomStatus, _Mapping]]] = ...) -> None: ...

class RoomStatus(_message.Message):
    __slots__ = ("route", "capacity_bytes", "free_bytes", "reserve_bytes", "read_only")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESERVE_BYTES_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    route: str
    capacity_bytes: int
    free_bytes: int
    reserve_bytes: int
    read_only: bool
    def __init__(self, route: _Optional[str] = ..., capacity_bytes: _Optional[int] = ..., free_bytes: _Optional[int] = ..., reserve_bytes: _Optional[int] = ..., read_only: _Optional[bool] = ...) -> None: ...

class CollectRequest(_message.Message):
    __slots__ = ("dry_run", "allowed_bytes")
    class AllowedBytesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_BYTES_FIELD_NUMBER: _ClassVar[int]
    dry_run: bool
    allowed_bytes: _containers.ScalarMap[str, int]
    def __init__(self, dry_run: _Optional[bool] = ..., allowed_bytes: _Optional[_Mapping[str, int]] = ...) -> None: ...

class CollectReply(_message.Message):
    __slots__ = ("step", "done", "total", "report")
    STEP_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    step: str
    done: int
    total: int
    report: CollectReport
    def __init__(self, step: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., report: _Optional[_Union[CollectReport, _Mapping]] = ...) -> None: ...

class CollectReport(_message.Message):
    __slots__ = ("stores", "uploads_dropped", "uploads_open")
    STORES_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_DROPPED_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_OPEN_FIELD_NUMBER: _ClassVar[int]
    stores: _containers.RepeatedCompositeFieldContainer[CollectedStore]
    uploads_dropped: Amount
    uploads_open: Amount
    def __init__(self, stores: _Optional[_Iterable[_Union[CollectedStore, _Mapping]]] = ..., uploads_dropped: _Optional[_Union[Amount, _Mapping]] = ..., uploads_open: _Optional[_Union[Amount, _Mapping]] = ...) -> None: ...

class CollectedStore(_message.Message):
    __slots__ = ("route", "collected", "links", "swept", "kept", "waiting", "first_due_seconds", "last_due_seconds", "emptied", "trash", "held_back", "refused", "blobs", "retired")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    COLLECTED_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    SWEPT_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    FIRST_DUE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LAST_DUE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EMPTIED_FIELD_NUMBER: _ClassVar[int]
    TRASH_FIELD_NUMBER: _ClassVar[int]
    HELD_BACK_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    route: str
    collected: bool
    links: Amount
    swept: Amount
    kept: Amount
    waiting: Amount
    first_due_seconds: float
    last_due_seconds: float
    emptied: Amount
    trash: Amount
    held_back: Amount
    refused: str
    blobs: Amount
    retired: Amount
    def __init__(self, route: _Optional[str] = ..., collected: _Optional[bool] = ..., links: _Optional[_Union[Amount, _Mapping]] = ..., swept: _Optional[_Union[Amount, _Mapping]] = ..., kept: _Optional[_Union[Amount, _Mapping]] = ..., waiting: _Optional[_Union[Amount, _Mapping]] = ..., first_due_seconds: _Optional[float] = ..., last_due_seconds: _Optional[float] = ..., emptied: _Optional[_Union[Amount, _Mapping]] = ..., trash: _Optional[_Union[Amount, _Mapping]] = ..., held_back: _Optional[_Union[Amount, _Mapping]] = ..., refused: _Optional[str] = ..., blobs: _Optional[_Union[Amount, _Mapping]] = ..., retired: _Optional[_Union[Amount, _Mapping]] = ...) -> None: ...

class Amount(_message.Message):
    __slots__ = ("count", "bytes")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    count: int
    bytes: int
    def __init__(self, count: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...
