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
ORIGIN_UNSPECIFIED: Origin
ORIGIN_PUSHED: Origin
ORIGIN_UPSTREAM: Origin

class RepositoryRecord(_message.Message):
    __slots__ = ("operation_id", "created_seconds")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    created_seconds: float
    def __init__(self, operation_id: _Optional[bytes] = ..., created_seconds: _Optional[float] = ...) -> None: ...

class BumpRecord(_message.Message):
    __slots__ = ("operation_id",)
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    operation_id: bytes
    def __init__(self, operation_id: _Optional[bytes] = ...) -> None: ...

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
