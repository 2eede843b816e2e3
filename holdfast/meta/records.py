"""Values of the metadata store: what they mean, and how they become bytes.

Promises
  * A value is one byte that names its form, then a protobuf message (``proto/holdfast/wire/records.proto``).
  * Every form ever written stays readable: :class:`Codec` lifts older forms step by step before decoding.
  * What is written is the newest form that every process of the cluster reads (``holdfast.meta.forms``).
  * Decoding is strict: an unknown form, bytes that do not parse, or a missing field that the form requires is CorruptError.

Never here: keys, I/O, and no decoding of a manifest's references before someone asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from holdfast import digest as digests
from holdfast.errors import CorruptError, DigestInvalidError, ManifestInvalidError
from holdfast.manifest import MAX_REFERENCES, Reference
from holdfast.meta.forms import RUNNING, writable
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from holdfast.digest import Digest
    from holdfast.meta.forms import Version

Origin: TypeAlias = Literal["pushed", "upstream"]
_Wire = TypeVar("_Wire", bound=Message)

ID_BYTES: Final = 16
_ORIGINS: Final[dict[Origin, wire.Origin]] = {"pushed": wire.ORIGIN_PUSHED, "upstream": wire.ORIGIN_UPSTREAM}
_ORIGIN_NAMES: Final[dict[int, Origin]] = {number: name for name, number in _ORIGINS.items()}

# First byte of a binary digest. 0: the text of an algorithm that is merely referenced. Numbers are never used again.
_ALGORITHM_BYTES: Final = {"sha256": b"\x01", "sha512": b"\x02", "blake3": b"\x03"}
_ALGORITHM_NAMES: Final = {code[0]: name for name, code in _ALGORITHM_BYTES.items()}


@dataclass(frozen=True, slots=True)
class Codec(Generic[_Wire]):
    """One kind of record: its message, the form of today, and the ways between the forms.

    ``lifts[n]`` makes form n + 1 of form n, for reading; ``lowers[n]`` makes form n - 1 of form n, for writing while older programs
    run; ``since[n]`` is the first version that reads form n.
    """

    message: Callable[[], _Wire]
    form: int = 1
    lifts: Mapping[int, Callable[[bytes], bytes]] = field(default_factory=lambda: MappingProxyType({}))
    lowers: Mapping[int, Callable[[bytes], bytes]] = field(default_factory=lambda: MappingProxyType({}))
    since: Mapping[int, Version] = field(default_factory=lambda: MappingProxyType({}))

    def encode(self, message: _Wire) -> bytes:
        payload, form = message.SerializeToString(), self.form
        written = form if form == 1 else writable(form, self.since, RUNNING.minimum)
        for newer in range(form, written, -1):
            payload = self.lowers[newer](payload)
        return bytes([written]) + payload

    def decode(self, value: bytes) -> _Wire:
        """The message, lifted to the form of today.

        Raises:
            CorruptError: a form that is not known here, or bytes that do not parse.
        """
        message = self.message()
        try:
            message.ParseFromString(value[1:] if value[:1] == bytes([self.form]) else self._lift(value))
        except (DecodeError, ValueError) as cause:
            raise CorruptError(f"a {type(message).__name__} in the metadata does not parse") from cause
        return message

    def _lift(self, value: bytes) -> bytes:
        if not value or value[0] > self.form:
            raise CorruptError("a metadata record has an unknown form; was it written by a newer version?")
        payload = value[1:]
        for form in range(value[0], self.form):
            lift = self.lifts.get(form)
            if lift is None:
                raise CorruptError(f"a metadata record has form {form}, which no version of this program wrote")
            payload = lift(payload)
        return payload


REPOSITORY: Final = Codec(wire.RepositoryRecord)
BUMP: Final = Codec(wire.BumpRecord)
LINK: Final = Codec(wire.LinkRecord)
USAGE: Final = Codec(wire.UsageRecord)
TAG: Final = Codec(wire.TagRecord)
MANIFEST: Final = Codec(wire.ManifestRecord)


def pack_digest(digest: Digest) -> bytes:
    """A digest in binary."""
    code = _ALGORITHM_BYTES.get(digest.algorithm)
    return b"\0" + str(digest).encode() if code is None else code + bytes.fromhex(digest.encoded)


def unpack_digest(data: bytes) -> Digest:
    """A digest from its binary form.

    Raises:
        CorruptError: no digest.
    """
    try:
        if data[0] == 0:
            return digests.parse(data[1:].decode())
        return digests.parse(f"{_ALGORITHM_NAMES[data[0]]}:{data[1:].hex()}")
    except (IndexError, KeyError, UnicodeDecodeError, DigestInvalidError) as cause:
        raise CorruptError("a digest in the metadata does not parse") from cause


def pack_references(references: Iterable[Reference]) -> bytes:
    """References as one value.

    Raises:
        ManifestInvalidError: more than 10,000 of them.
    """
    packed = wire.References(
        items=[
            wire.Reference(
                digest=pack_digest(r.digest),
                size_bytes=r.size_bytes,
                is_manifest=r.is_manifest,
                may_be_absent=r.may_be_absent,
            )
            for r in references
        ]
    )
    if len(packed.items) > MAX_REFERENCES:
        raise ManifestInvalidError(f"a manifest references at most {MAX_REFERENCES} digests; split it into an index")
    return packed.SerializeToString()


def unpack_references(data: bytes) -> tuple[Reference, ...]:
    """What :func:`pack_references` packed.

    Raises:
        CorruptError: it does not parse.
    """
    try:
        items = wire.References.FromString(data).items
    except DecodeError as cause:
        raise CorruptError("the references of a manifest record do not parse") from cause
    return tuple(Reference(unpack_digest(i.digest), i.size_bytes, i.is_manifest, i.may_be_absent) for i in items)


def skim_references(data: bytes) -> list[tuple[bytes, int]]:
    """Digests, packed as they are, and sizes: a tenth of what decoding takes.

    Raises:
        CorruptError: they do not parse.
    """
    try:
        return [(item.digest, item.size_bytes) for item in wire.References.FromString(data).items]
    except DecodeError as cause:
        raise CorruptError("the references of a manifest record do not parse") from cause


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """``link/<name>//<digest>``, and the same under ``holder/``. ``renewed_seconds`` is wall clock: a hint, no proof."""

    size_bytes: int
    operation_id: bytes
    renewed_seconds: float
    origin: Origin = "pushed"

    def encode(self) -> bytes:
        return LINK.encode(
            wire.LinkRecord(
                operation_id=self.operation_id,
                size_bytes=self.size_bytes,
                renewed_seconds=self.renewed_seconds,
                origin=_ORIGINS[self.origin],
            )
        )

    @classmethod
    def decode(cls, value: bytes) -> LinkRecord:
        message = LINK.decode(value)
        return cls(message.size_bytes, message.operation_id, message.renewed_seconds, _origin(message.origin))


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """``usage/<name>//<shard>``."""

    blobs: int = 0
    size_bytes: int = 0

    def encode(self, operation_id: bytes) -> bytes:
        return USAGE.encode(wire.UsageRecord(operation_id=operation_id, blobs=self.blobs, size_bytes=self.size_bytes))

    @classmethod
    def decode(cls, value: bytes) -> UsageRecord:
        message = USAGE.decode(value)
        return cls(message.blobs, message.size_bytes)

    def changed(self, blobs: int, size_bytes: int) -> UsageRecord:
        """So much more, or less; what was linked before anybody counted may go, so it ends at nothing."""
        return UsageRecord(max(0, self.blobs + blobs), max(0, self.size_bytes + size_bytes))


@dataclass(frozen=True, slots=True)
class TagRecord:
    """``tag/<name>//<tag>``. Alive only while the digest's record carries the same incarnation."""

    digest: Digest
    incarnation: bytes
    operation_id: bytes
    pushed_seconds: float

    def encode(self) -> bytes:
        return TAG.encode(
            wire.TagRecord(
                digest=pack_digest(self.digest),
                incarnation=self.incarnation,
                operation_id=self.operation_id,
                pushed_seconds=self.pushed_seconds,
            )
        )

    @classmethod
    def decode(cls, value: bytes) -> TagRecord:
        message = TAG.decode(value)
        return cls(
            unpack_digest(message.digest), _id(message.incarnation), message.operation_id, message.pushed_seconds
        )


@dataclass(frozen=True, slots=True)
class ManifestRecord:
    """``manifest/<name>//<digest>``: a live manifest. The digest is the key's, all else the value's.

    ``incarnation`` is new with every creation, so that tags of a deleted manifest stay dead when it is pushed again.
    """

    digest: Digest
    media_type: str
    size_bytes: int
    incarnation: bytes
    operation_id: bytes
    created_seconds: float
    origin: Origin = "pushed"
    subject: Digest | None = None
    artifact_type: str = ""
    packed_references: bytes = b""

    @property
    def references(self) -> tuple[Reference, ...]:
        """Decoded at every call: up to 10,000 of them."""
        return unpack_references(self.packed_references)

    def encode(self) -> bytes:
        return MANIFEST.encode(
            wire.ManifestRecord(
                incarnation=self.incarnation,
                operation_id=self.operation_id,
                media_type=self.media_type,
                size_bytes=self.size_bytes,
                origin=_ORIGINS[self.origin],
                created_seconds=self.created_seconds,
                subject=pack_digest(self.subject) if self.subject else b"",
                artifact_type=self.artifact_type,
                references=self.packed_references,
            )
        )

    @classmethod
    def decode(cls, digest: Digest, value: bytes) -> ManifestRecord:
        message = MANIFEST.decode(value)
        if not message.media_type:
            raise CorruptError("a manifest record has no media type")
        return cls(
            digest,
            message.media_type,
            message.size_bytes,
            _id(message.incarnation),
            message.operation_id,
            message.created_seconds,
            _origin(message.origin),
            unpack_digest(message.subject) if message.subject else None,
            message.artifact_type,
            message.references,
        )


def encode_repository(operation_id: bytes, created_seconds: float) -> bytes:
    """``repo/<name>``."""
    return REPOSITORY.encode(wire.RepositoryRecord(operation_id=operation_id, created_seconds=created_seconds))


def encode_bump(operation_id: bytes, left_revision: int = 0) -> bytes:
    """``removals/<name>`` and ``sweep/<partition>``: only that they changed, and through whom, matters.

    ``left_revision``: of the last removal that may have left links behind, if this is none.
    """
    return BUMP.encode(wire.BumpRecord(operation_id=operation_id, left_revision=left_revision))


def left_revision_in(value: bytes) -> int:
    """0: the bump itself may have left links behind. Raises CorruptError."""
    return BUMP.decode(value).left_revision


def _origin(number: int) -> Origin:
    try:
        return _ORIGIN_NAMES[number]
    except KeyError as cause:
        raise CorruptError("a metadata record has no known origin") from cause


def _id(value: bytes) -> bytes:
    if len(value) != ID_BYTES:
        raise CorruptError("a metadata record has no incarnation")
    return value
