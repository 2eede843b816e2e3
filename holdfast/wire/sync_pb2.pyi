from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

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

class SyncStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SyncStatus(_message.Message):
    __slots__ = ("worker", "version", "fetches", "upstreams", "samples")
    class Fetch(_message.Message):
        __slots__ = ("digest", "repositories", "upload_id", "upstream", "total_bytes", "first_bytes", "offset_bytes", "began_seconds", "running_seconds", "followers")
        DIGEST_FIELD_NUMBER: _ClassVar[int]
        REPOSITORIES_FIELD_NUMBER: _ClassVar[int]
        UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
        UPSTREAM_FIELD_NUMBER: _ClassVar[int]
        TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
        FIRST_BYTES_FIELD_NUMBER: _ClassVar[int]
        OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
        BEGAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
        RUNNING_SECONDS_FIELD_NUMBER: _ClassVar[int]
        FOLLOWERS_FIELD_NUMBER: _ClassVar[int]
        digest: str
        repositories: _containers.RepeatedScalarFieldContainer[str]
        upload_id: str
        upstream: str
        total_bytes: int
        first_bytes: int
        offset_bytes: int
        began_seconds: float
        running_seconds: float
        followers: int
        def __init__(self, digest: _Optional[str] = ..., repositories: _Optional[_Iterable[str]] = ..., upload_id: _Optional[str] = ..., upstream: _Optional[str] = ..., total_bytes: _Optional[int] = ..., first_bytes: _Optional[int] = ..., offset_bytes: _Optional[int] = ..., began_seconds: _Optional[float] = ..., running_seconds: _Optional[float] = ..., followers: _Optional[int] = ...) -> None: ...
    class Upstream(_message.Message):
        __slots__ = ("url", "last_success_seconds", "last_failure_seconds", "last_failure", "held_seconds", "throttled", "requests", "received_bytes", "refused_for_pace")
        URL_FIELD_NUMBER: _ClassVar[int]
        LAST_SUCCESS_SECONDS_FIELD_NUMBER: _ClassVar[int]
        LAST_FAILURE_SECONDS_FIELD_NUMBER: _ClassVar[int]
        LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
        HELD_SECONDS_FIELD_NUMBER: _ClassVar[int]
        THROTTLED_FIELD_NUMBER: _ClassVar[int]
        REQUESTS_FIELD_NUMBER: _ClassVar[int]
        RECEIVED_BYTES_FIELD_NUMBER: _ClassVar[int]
        REFUSED_FOR_PACE_FIELD_NUMBER: _ClassVar[int]
        url: str
        last_success_seconds: float
        last_failure_seconds: float
        last_failure: str
        held_seconds: float
        throttled: bool
        requests: int
        received_bytes: int
        refused_for_pace: int
        def __init__(self, url: _Optional[str] = ..., last_success_seconds: _Optional[float] = ..., last_failure_seconds: _Optional[float] = ..., last_failure: _Optional[str] = ..., held_seconds: _Optional[float] = ..., throttled: _Optional[bool] = ..., requests: _Optional[int] = ..., received_bytes: _Optional[int] = ..., refused_for_pace: _Optional[int] = ...) -> None: ...
    class Sample(_message.Message):
        __slots__ = ("name", "upstream", "value")
        NAME_FIELD_NUMBER: _ClassVar[int]
        UPSTREAM_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        name: str
        upstream: str
        value: float
        def __init__(self, name: _Optional[str] = ..., upstream: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    WORKER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FETCHES_FIELD_NUMBER: _ClassVar[int]
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    worker: str
    version: str
    fetches: _containers.RepeatedCompositeFieldContainer[SyncStatus.Fetch]
    upstreams: _containers.RepeatedCompositeFieldContainer[SyncStatus.Upstream]
    samples: _containers.RepeatedCompositeFieldContainer[SyncStatus.Sample]
    def __init__(self, worker: _Optional[str] = ..., version: _Optional[str] = ..., fetches: _Optional[_Iterable[_Union[SyncStatus.Fetch, _Mapping]]] = ..., upstreams: _Optional[_Iterable[_Union[SyncStatus.Upstream, _Mapping]]] = ..., samples: _Optional[_Iterable[_Union[SyncStatus.Sample, _Mapping]]] = ...) -> None: ...
