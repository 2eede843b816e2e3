from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ResolveRequest(_message.Message):
    __slots__ = ("repository", "tag")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    repository: str
    tag: str
    def __init__(self, repository: _Optional[str] = ..., tag: _Optional[str] = ...) -> None: ...

class ResolveReply(_message.Message):
    __slots__ = ("digest", "warning", "fresh_seconds")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    FRESH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    digest: str
    warning: str
    fresh_seconds: float
    def __init__(self, digest: _Optional[str] = ..., warning: _Optional[str] = ..., fresh_seconds: _Optional[float] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("repository", "digest")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    repository: str
    digest: str
    def __init__(self, repository: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class FetchManifestReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchReferrersReply(_message.Message):
    __slots__ = ("warning", "fresh_seconds")
    WARNING_FIELD_NUMBER: _ClassVar[int]
    FRESH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    warning: str
    fresh_seconds: float
    def __init__(self, warning: _Optional[str] = ..., fresh_seconds: _Optional[float] = ...) -> None: ...

class FetchBlobReply(_message.Message):
    __slots__ = ("upload_id", "size_bytes")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    size_bytes: int
    def __init__(self, upload_id: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...
