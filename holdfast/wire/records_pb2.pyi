from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORIGIN_UNSPECIFIED: _ClassVar[Origin]
    ORIGIN_PUSHED: _ClassVar[Origin]
    ORIGIN_UPSTREAM: _ClassVar[Origin]

class FindingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_OPEN: _ClassVar[FindingState]
    FINDING_HEALED: _ClassVar[FindingState]
    FINDING_LOST: _ClassVar[FindingState]
    FINDING_UNLINKED: _ClassVar[FindingState]
ORIGIN_UNSPECIFIED: Origin
ORIGIN_PUSHED: Origin
ORIGIN_UPSTREAM: Origin
FINDING_OPEN: FindingState
FINDING_HEALED: FindingState
FINDING_LOST: FindingState
FINDING_UNLINKED: FindingState

class RepositoryRecord(_message.Message):
    __slots__ = ("operation_id", "created_seconds")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    created_seconds: float
    def __init__(self, operation_id: _Optional[bytes] = ..., created_seconds: _Optional[float] = ...) -> None: ...

class BumpRecord(_message.Message):
    __slots__ = ("operation_id", "left_revision")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    LEFT_REVISION_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    left_revision: int
    def __init__(self, operation_id: _Optional[bytes] = ..., left_revision: _Optional[int] = ...) -> None: ...

class LinkRecord(_message.Message):
    __slots__ = ("operation_id", "size_bytes", "renewed_seconds", "origin")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RENEWED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    size_bytes: int
    renewed_seconds: float
    origin: Origin
    def __init__(self, operation_id: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., renewed_seconds: _Optional[float] = ..., origin: _Optional[_Union[Origin, str]] = ...) -> None: ...

class UsageRecord(_message.Message):
    __slots__ = ("operation_id", "blobs", "size_bytes")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    blobs: int
    size_bytes: int
    def __init__(self, operation_id: _Optional[bytes] = ..., blobs: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class TagRecord(_message.Message):
    __slots__ = ("digest", "incarnation", "operation_id", "pushed_seconds")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    PUSHED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    incarnation: bytes
    operation_id: bytes
    pushed_seconds: float
    def __init__(self, digest: _Optional[bytes] = ..., incarnation: _Optional[bytes] = ..., operation_id: _Optional[bytes] = ..., pushed_seconds: _Optional[float] = ...) -> None: ...

class ManifestRecord(_message.Message):
    __slots__ = ("incarnation", "operation_id", "media_type", "size_bytes", "origin", "created_seconds", "subject", "artifact_type", "references")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CREATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_TYPE_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    incarnation: bytes
    operation_id: bytes
    media_type: str
    size_bytes: int
    origin: Origin
    created_seconds: float
    subject: bytes
    artifact_type: str
    references: bytes
    def __init__(self, incarnation: _Optional[bytes] = ..., operation_id: _Optional[bytes] = ..., media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., origin: _Optional[_Union[Origin, str]] = ..., created_seconds: _Optional[float] = ..., subject: _Optional[bytes] = ..., artifact_type: _Optional[str] = ..., references: _Optional[bytes] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("digest", "size_bytes", "is_manifest", "may_be_absent")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    IS_MANIFEST_FIELD_NUMBER: _ClassVar[int]
    MAY_BE_ABSENT_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    size_bytes: int
    is_manifest: bool
    may_be_absent: bool
    def __init__(self, digest: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., is_manifest: _Optional[bool] = ..., may_be_absent: _Optional[bool] = ...) -> None: ...

class References(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Reference]
    def __init__(self, items: _Optional[_Iterable[_Union[Reference, _Mapping]]] = ...) -> None: ...

class MemberRecord(_message.Message):
    __slots__ = ("operation_id", "address", "zone", "capacity_bytes", "weight", "zone_ordered", "weight_ordered", "intent", "joined_seconds")
    class Intent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MEMBER_PRESENT: _ClassVar[MemberRecord.Intent]
        MEMBER_DRAINING: _ClassVar[MemberRecord.Intent]
        MEMBER_REMOVED: _ClassVar[MemberRecord.Intent]
    MEMBER_PRESENT: MemberRecord.Intent
    MEMBER_DRAINING: MemberRecord.Intent
    MEMBER_REMOVED: MemberRecord.Intent
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ZONE_ORDERED_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_ORDERED_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    JOINED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    address: str
    zone: str
    capacity_bytes: int
    weight: int
    zone_ordered: str
    weight_ordered: int
    intent: MemberRecord.Intent
    joined_seconds: float
    def __init__(self, operation_id: _Optional[bytes] = ..., address: _Optional[str] = ..., zone: _Optional[str] = ..., capacity_bytes: _Optional[int] = ..., weight: _Optional[int] = ..., zone_ordered: _Optional[str] = ..., weight_ordered: _Optional[int] = ..., intent: _Optional[_Union[MemberRecord.Intent, str]] = ..., joined_seconds: _Optional[float] = ...) -> None: ...

class AliveRecord(_message.Message):
    __slots__ = ("boot_id", "version", "host_id", "free_bytes", "capacity_bytes", "read_only", "quarantined", "repair", "directory", "reserve_bytes", "wall_seconds")
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    RESERVE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    boot_id: bytes
    version: str
    host_id: str
    free_bytes: int
    capacity_bytes: int
    read_only: bool
    quarantined: int
    repair: RepairProgress
    directory: str
    reserve_bytes: int
    wall_seconds: float
    def __init__(self, boot_id: _Optional[bytes] = ..., version: _Optional[str] = ..., host_id: _Optional[str] = ..., free_bytes: _Optional[int] = ..., capacity_bytes: _Optional[int] = ..., read_only: _Optional[bool] = ..., quarantined: _Optional[int] = ..., repair: _Optional[_Union[RepairProgress, _Mapping]] = ..., directory: _Optional[str] = ..., reserve_bytes: _Optional[int] = ..., wall_seconds: _Optional[float] = ...) -> None: ...

class ProcessRecord(_message.Message):
    __slots__ = ("version", "address")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    version: str
    address: str
    def __init__(self, version: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class FetchRecord(_message.Message):
    __slots__ = ("operation_id", "worker", "upload_id")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    worker: str
    upload_id: str
    def __init__(self, operation_id: _Optional[bytes] = ..., worker: _Optional[str] = ..., upload_id: _Optional[str] = ...) -> None: ...

class MirrorCounts(_message.Message):
    __slots__ = ("seen", "changed", "skipped", "failed", "size_bytes")
    SEEN_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    seen: int
    changed: int
    skipped: int
    failed: int
    size_bytes: int
    def __init__(self, seen: _Optional[int] = ..., changed: _Optional[int] = ..., skipped: _Optional[int] = ..., failed: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class MirrorRunRecord(_message.Message):
    __slots__ = ("operation_id", "number", "is_running", "answered", "started_seconds", "ended_seconds", "succeeded_seconds", "counts", "failure", "failed_run", "title")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    IS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    STARTED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENDED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    FAILED_RUN_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    number: int
    is_running: bool
    answered: int
    started_seconds: float
    ended_seconds: float
    succeeded_seconds: float
    counts: MirrorCounts
    failure: MirrorFailure
    failed_run: int
    title: str
    def __init__(self, operation_id: _Optional[bytes] = ..., number: _Optional[int] = ..., is_running: _Optional[bool] = ..., answered: _Optional[int] = ..., started_seconds: _Optional[float] = ..., ended_seconds: _Optional[float] = ..., succeeded_seconds: _Optional[float] = ..., counts: _Optional[_Union[MirrorCounts, _Mapping]] = ..., failure: _Optional[_Union[MirrorFailure, _Mapping]] = ..., failed_run: _Optional[int] = ..., title: _Optional[str] = ...) -> None: ...

class MirrorFailure(_message.Message):
    __slots__ = ("message", "repository", "tag", "seconds")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    message: str
    repository: str
    tag: str
    seconds: float
    def __init__(self, message: _Optional[str] = ..., repository: _Optional[str] = ..., tag: _Optional[str] = ..., seconds: _Optional[float] = ...) -> None: ...

class MirrorPartRecord(_message.Message):
    __slots__ = ("operation_id", "number", "worker", "cursor", "is_done")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    IS_DONE_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    number: int
    worker: str
    cursor: str
    is_done: bool
    def __init__(self, operation_id: _Optional[bytes] = ..., number: _Optional[int] = ..., worker: _Optional[str] = ..., cursor: _Optional[str] = ..., is_done: _Optional[bool] = ...) -> None: ...

class PullRecord(_message.Message):
    __slots__ = ("pulled_seconds",)
    PULLED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    pulled_seconds: float
    def __init__(self, pulled_seconds: _Optional[float] = ...) -> None: ...

class TurnRecord(_message.Message):
    __slots__ = ("operation_id", "worker")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    worker: str
    def __init__(self, operation_id: _Optional[bytes] = ..., worker: _Optional[str] = ...) -> None: ...

class RepairProgress(_message.Message):
    __slots__ = ("version", "partitions_done", "partitions_total", "copied_blobs", "copied_bytes", "failures", "answered")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_DONE_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    COPIED_BLOBS_FIELD_NUMBER: _ClassVar[int]
    COPIED_BYTES_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    version: int
    partitions_done: int
    partitions_total: int
    copied_blobs: int
    copied_bytes: int
    failures: int
    answered: int
    def __init__(self, version: _Optional[int] = ..., partitions_done: _Optional[int] = ..., partitions_total: _Optional[int] = ..., copied_blobs: _Optional[int] = ..., copied_bytes: _Optional[int] = ..., failures: _Optional[int] = ..., answered: _Optional[int] = ...) -> None: ...

class LayoutsRecord(_message.Message):
    __slots__ = ("operation_id", "live")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    live: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, operation_id: _Optional[bytes] = ..., live: _Optional[_Iterable[int]] = ...) -> None: ...

class LayoutRecord(_message.Message):
    __slots__ = ("operation_id", "layout", "created_seconds")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    CREATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    layout: bytes
    created_seconds: float
    def __init__(self, operation_id: _Optional[bytes] = ..., layout: _Optional[bytes] = ..., created_seconds: _Optional[float] = ...) -> None: ...

class SigningKeyRecord(_message.Message):
    __slots__ = ("operation_id", "secret", "created_seconds")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    CREATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    secret: bytes
    created_seconds: float
    def __init__(self, operation_id: _Optional[bytes] = ..., secret: _Optional[bytes] = ..., created_seconds: _Optional[float] = ...) -> None: ...

class SessionRecord(_message.Message):
    __slots__ = ("operation_id", "user", "groups", "account", "mark", "until_seconds")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    UNTIL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    user: str
    groups: _containers.RepeatedScalarFieldContainer[str]
    account: str
    mark: bytes
    until_seconds: float
    def __init__(self, operation_id: _Optional[bytes] = ..., user: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ..., account: _Optional[str] = ..., mark: _Optional[bytes] = ..., until_seconds: _Optional[float] = ...) -> None: ...

class ApiKeyRecord(_message.Message):
    __slots__ = ("operation_id", "owner", "label", "scopes", "digest", "created_seconds", "expires_seconds", "creator")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CREATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    owner: str
    label: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    digest: bytes
    created_seconds: float
    expires_seconds: float
    creator: str
    def __init__(self, operation_id: _Optional[bytes] = ..., owner: _Optional[str] = ..., label: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., digest: _Optional[bytes] = ..., created_seconds: _Optional[float] = ..., expires_seconds: _Optional[float] = ..., creator: _Optional[str] = ...) -> None: ...

class RobotRecord(_message.Message):
    __slots__ = ("operation_id", "scopes", "digest", "created_seconds", "rotated_seconds", "expires_seconds", "description")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CREATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ROTATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    scopes: _containers.RepeatedScalarFieldContainer[str]
    digest: bytes
    created_seconds: float
    rotated_seconds: float
    expires_seconds: float
    description: str
    def __init__(self, operation_id: _Optional[bytes] = ..., scopes: _Optional[_Iterable[str]] = ..., digest: _Optional[bytes] = ..., created_seconds: _Optional[float] = ..., rotated_seconds: _Optional[float] = ..., expires_seconds: _Optional[float] = ..., description: _Optional[str] = ...) -> None: ...

class UseRecord(_message.Message):
    __slots__ = ("used_seconds",)
    USED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    used_seconds: float
    def __init__(self, used_seconds: _Optional[float] = ...) -> None: ...

class ScrubRecord(_message.Message):
    __slots__ = ("operation_id", "answered", "current", "last", "answering")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    ANSWERING_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    answered: int
    current: ScrubRound
    last: ScrubRound
    answering: int
    def __init__(self, operation_id: _Optional[bytes] = ..., answered: _Optional[int] = ..., current: _Optional[_Union[ScrubRound, _Mapping]] = ..., last: _Optional[_Union[ScrubRound, _Mapping]] = ..., answering: _Optional[int] = ...) -> None: ...

class ScrubRound(_message.Message):
    __slots__ = ("began_seconds", "ended_seconds", "partitions_done", "blobs", "size_bytes", "wrong", "missing", "unclear", "findings", "unread")
    BEGAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENDED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_DONE_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WRONG_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    UNCLEAR_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    began_seconds: float
    ended_seconds: float
    partitions_done: int
    blobs: int
    size_bytes: int
    wrong: int
    missing: int
    unclear: int
    findings: _containers.RepeatedCompositeFieldContainer[ScrubFinding]
    unread: int
    def __init__(self, began_seconds: _Optional[float] = ..., ended_seconds: _Optional[float] = ..., partitions_done: _Optional[int] = ..., blobs: _Optional[int] = ..., size_bytes: _Optional[int] = ..., wrong: _Optional[int] = ..., missing: _Optional[int] = ..., unclear: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[ScrubFinding, _Mapping]]] = ..., unread: _Optional[int] = ...) -> None: ...

class ScrubFinding(_message.Message):
    __slots__ = ("digest", "fault", "state")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    digest: str
    fault: str
    state: FindingState
    def __init__(self, digest: _Optional[str] = ..., fault: _Optional[str] = ..., state: _Optional[_Union[FindingState, str]] = ...) -> None: ...

class LostRecord(_message.Message):
    __slots__ = ("operation_id", "fault", "found_seconds")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    FOUND_SECONDS_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    fault: str
    found_seconds: float
    def __init__(self, operation_id: _Optional[bytes] = ..., fault: _Optional[str] = ..., found_seconds: _Optional[float] = ...) -> None: ...
