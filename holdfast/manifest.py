"""Manifests and indexes: from bytes to what the registry must know about them, without any I/O.

Promises: :func:`parse` accepts the four media types that clients push (image-spec manifest.md and image-index.md, and Docker
schema 2 with its list), keeps unknown members out of the way, and refuses everything else with a reason. The bytes are stored
and returned exactly as sent; nothing here re-encodes them.

What is checked follows image-spec's JSON schemas, with one waiver: ``layers`` may be empty (distribution-spec conformance,
"no-layers"). What is not checked, on purpose: the content of blobs, platforms, annotations beyond their types, and the
existence of a ``subject`` (distribution-spec, "Pushing manifests with subject").
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import DigestInvalidError, ManifestInvalidError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.digest import Digest

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
ACCEPTED: Final = IMAGES | INDEXES

# distribution-spec: registries should take at least 4 MB; every big client and server caps at exactly 4 MiB.
MAX_BYTES: Final = 4 * 1024 * 1024
# One metadata record holds them all (etcd takes 1.5 MiB a request).
MAX_REFERENCES: Final = 10_000
_MAX_DEPTH: Final = 32
# The most references have a few objects each; beyond that, reading a document costs more than it can be worth.
_MAX_CONTAINERS: Final = 10 * MAX_REFERENCES
# All but brackets: strings with what is in them, and what stands between. A string that does not end matches too, so that
# one pass is enough whatever comes.
_NO_BRACKETS: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)++', re.DOTALL)

# image-spec schema/defs-descriptor.json (RFC 6838, section 4.2).
_MEDIA_TYPE: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}", re.ASCII
)
# Layers that clients never push (image-spec layer.md, "Non-Distributable Layers", and Docker's foreign layers).
_NON_DISTRIBUTABLE: Final = (
    "application/vnd.oci.image.layer.nondistributable.",
    "application/vnd.docker.image.rootfs.foreign.",
)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a manifest names: a blob (config, layer) or, in an index, a child.

    ``is_manifest`` tells what the index says of the child; old BuildKit caches list blobs there, so existence is looked up by
    digest alone. ``may_be_absent``: non-distributable layers and anything with ``urls``.
    """

    digest: Digest
    size_bytes: int
    is_manifest: bool = False
    may_be_absent: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the registry must know about a manifest. ``artifact_type`` follows distribution-spec, "Listing Referrers"."""

    media_type: str
    references: tuple[Reference, ...]
    subject: Digest | None
    artifact_type: str | None
    annotations: Mapping[str, str]


def media_type_of(content_type: str | None) -> str | None:
    """The media type without parameters, lower-cased; None when there is none."""
    if not content_type:
        return None
    return content_type.split(";", 1)[0].strip().lower() or None


def parse(data: bytes, content_type: str | None) -> Manifest:
    """Read a manifest as pushed.

    ``content_type`` is the request's header as sent; absent, the body's ``mediaType`` decides, else its shape.

    Raises:
        TooLargeError: over 4 MiB.
        ManifestInvalidError: not JSON, not an accepted type, or against the schema.
        DigestInvalidError: a digest in it breaks the grammar.
    """
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"a manifest has at most {MAX_BYTES} bytes")
    body = _decode(data)
    media_type = _media_type(body, media_type_of(content_type))
    if body.get("schemaVersion") != 2 or isinstance(body.get("schemaVersion"), bool):
        raise ManifestInvalidError("schemaVersion must be 2")
    # CVE-2021-41190: a document that can be read as both types means different things to different clients.
    mixed = ("manifests",) if media_type in IMAGES else ("layers", "config")
    for member in mixed:
        if member in body:
            raise ManifestInvalidError(f"a manifest of type {media_type} must not have {member!r}")
    references, config_type = _image(body) if media_type in IMAGES else (_index(body), None)
    if len(references) > MAX_REFERENCES:
        raise ManifestInvalidError(f"a manifest references at most {MAX_REFERENCES} digests")
    subject = _descriptor(body["subject"], "subject") if body.get("subject") is not None else None
    return Manifest(
        media_type=media_type,
        references=references,
        subject=subject[1] if subject else None,
        artifact_type=_artifact_type(body) or config_type,
        annotations=_annotations(body.get("annotations")),
    )


def describe(data: bytes) -> tuple[str | None, dict[str, str]]:
    """Artifact type and annotations of a manifest that was accepted before, for a referrers list. Never raises on such bytes."""
    body = _decode(data)
    config = body.get("config")
    config_type = config.get("mediaType") if isinstance(config, dict) else None
    return _artifact_type(body) or config_type, dict(_annotations(body.get("annotations")))


def _decode(data: bytes) -> dict[str, object]:
    try:
        # The scanner of json recurses; a depth bound keeps a bomb of brackets from being more than a 400.
        _refuse_deep(data)
        # UTF-8 and no byte order mark (RFC 8259, section 8.1): json would guess UTF-16 as well, other clients would not.
        body = json.loads(data.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalidError("the manifest is not a JSON document") from error
    if not isinstance(body, dict):
        raise ManifestInvalidError("the manifest is not a JSON object")
    return body


def _refuse_deep(data: bytes) -> None:
    if data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        return
    brackets = _NO_BRACKETS.sub(b"", data)
    if len(brackets) > 2 * _MAX_CONTAINERS:
        raise ManifestInvalidError(f"the manifest has more than {_MAX_CONTAINERS} objects and lists")
    depth = 0
    for sign in brackets:
        depth += 1 if sign in b"[{" else -1
        if depth > _MAX_DEPTH:
            raise ManifestInvalidError(f"the manifest nests deeper than {_MAX_DEPTH} levels")


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two members of one name are read differently by different parsers: refused, as CVE-2021-41190 teaches."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ManifestInvalidError("the manifest has the same member twice")
    return result


def _media_type(body: Mapping[str, object], header: str | None) -> str:
    declared = body.get("mediaType")
    if declared is not None and not isinstance(declared, str):
        raise ManifestInvalidError("mediaType must be a string")
    if header and declared and header != declared:
        raise ManifestInvalidError(f"Content-Type {header[:200]} and mediaType {declared[:200]} differ")
    found = header or declared
    if not found:
        found = OCI_INDEX if "manifests" in body else OCI_MANIFEST
    if found not in ACCEPTED:
        raise ManifestInvalidError(
            f"manifests of type {found[:200]} are not accepted; push an OCI image manifest or index, or Docker schema 2"
        )
    return found


def _image(body: Mapping[str, object]) -> tuple[tuple[Reference, ...], str]:
    layers = body.get("layers")
    if not isinstance(layers, list):
        raise ManifestInvalidError("an image manifest needs a list of layers")
    config_type, digest, size_bytes, absent = _descriptor(body.get("config"), "config")
    found = {digest: Reference(digest, size_bytes, may_be_absent=absent)}
    for number, layer in enumerate(layers):
        _add(found, _descriptor(layer, f"layers[{number}]"), is_manifest=False)
    return tuple(found.values()), config_type


def _index(body: Mapping[str, object]) -> tuple[Reference, ...]:
    children = body.get("manifests")
    if not isinstance(children, list):
        raise ManifestInvalidError("an index needs a list of manifests")
    found: dict[Digest, Reference] = {}
    for number, child in enumerate(children):
        _add(found, _descriptor(child, f"manifests[{number}]"), is_manifest=True)
    return tuple(found.values())


def _add(found: dict[Digest, Reference], described: tuple[str, Digest, int, bool], *, is_manifest: bool) -> None:
    _, digest, size_bytes, absent = described
    known = found.get(digest)
    if known is not None and known.size_bytes != size_bytes:
        raise ManifestInvalidError("one digest is given two sizes", {"digest": str(digest)})
    # Named once as required and once as optional: required.
    found[digest] = Reference(digest, size_bytes, is_manifest, absent and (known is None or known.may_be_absent))


def _descriptor(value: object, where: str) -> tuple[str, Digest, int, bool]:
    """(media type, digest, size, may be absent) of a content descriptor (descriptor.md, "Properties")."""
    if not isinstance(value, dict):
        raise ManifestInvalidError(f"{where} must be a descriptor")
    media_type = value.get("mediaType")
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise ManifestInvalidError(f"{where}.mediaType must be a media type")
    size_bytes = value.get("size")
    if not isinstance(size_bytes, int) or isinstance(size_bytes, bool) or not 0 <= size_bytes < 2**63:
        raise ManifestInvalidError(f"{where}.size must be a number of bytes")
    text = value.get("digest")
    if not isinstance(text, str):
        raise ManifestInvalidError(f"{where}.digest must be a digest")
    try:
        digest = digests.parse(text)
    except DigestInvalidError as error:
        raise ManifestInvalidError(f"{where}.digest: {error}", error.detail) from error
    urls = value.get("urls")
    absent = media_type.startswith(_NON_DISTRIBUTABLE) or (isinstance(urls, list) and bool(urls))
    return media_type, digest, size_bytes, absent


def _artifact_type(body: Mapping[str, object]) -> str | None:
    value = body.get("artifactType")
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        raise ManifestInvalidError("artifactType must be a media type")
    return value


def _annotations(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ManifestInvalidError("annotations must map names to strings")
    return value
