"""What the conformance cases push: blobs, images, indexes and artifacts, random enough never to have been pushed before.

A :class:`DataSet` is everything one case pushes, in the order in which it is pushed. Building sends nothing. JSON is compact and in
the member order of the image-spec's Go types, because that is what the official program sends.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import secrets
import tarfile
from dataclasses import dataclass, field
from typing import Any, Final

from tests.conformance.oci import OCI_INDEX, OCI_MANIFEST

OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
EMPTY_JSON: Final = "application/vnd.oci.empty.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ELSEWHERE: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"
LAYER_ELSEWHERE_GZIP: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
EXAMPLE_1: Final = "application/vnd.example.oci.conformance.v1"
EXAMPLE_2: Final = "application/vnd.example.oci.conformance.v2"
AMD64: Final = {"architecture": "amd64", "os": "linux"}
ARM64: Final = {"architecture": "arm64", "os": "linux"}
PLATFORMS: Final = (AMD64, ARM64)

Descriptor = dict[str, Any]


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def random_blob(size_bytes: int, algorithm: str = "sha256") -> tuple[str, bytes]:
    data = secrets.token_bytes(size_bytes)
    return digest_of(data, algorithm), data


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Form:
    """How the images of a data set look. Layers are tar files, with ``layer_type`` random bytes or ``layer_data``."""

    algorithm: str = "sha256"
    compressed: bool = True
    layer_count: int = 2
    layer_type: str = ""
    layer_data: bytes | None = None
    config_type: str = OCI_CONFIG
    artifact_type: str = ""
    annotations: dict[str, str] = field(default_factory=dict)
    unique_annotation: bool = False
    inline_data: bool = False
    extra_member: bool = False
    subject: Descriptor | None = None


PLAIN: Final = Form()
# An artifact as image-spec's manifest.md guides: empty config, one layer of the artifact's own type.
ARTIFACT: Final = Form(artifact_type=EXAMPLE_1, config_type=EMPTY_JSON, layer_count=1, layer_type=EXAMPLE_1)
GREETING: Final = {"org.opencontainers.conformance": "hello conformance test"}


@dataclass(slots=True)
class DataSet:
    """``manifests`` in push order; ``referrers`` maps a subject to the descriptors that must be listed for it."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    referrers: dict[str, list[Descriptor]] = field(default_factory=dict)
    # Push every manifest by digest with its tags in ``?tag=`` (end-7b).
    tag_parameters: bool = False
    # Manifests that must be refused: their bytes are not what their digest names.
    refused: set[str] = field(default_factory=set)

    def media_type(self, digest: str) -> str:
        return str(json.loads(self.manifests[digest])["mediaType"])

    def subject(self, digest: str) -> str | None:
        subject = json.loads(self.manifests[digest]).get("subject")
        return subject["digest"] if subject else None

    def add_blob(self, data: bytes, media_type: str, form: Form) -> Descriptor:
        digest = digest_of(data, form.algorithm)
        self.blobs[digest] = data
        return _describe(media_type, digest, data, form)

    def add_image(self, form: Form = PLAIN, platform: Descriptor = AMD64, tag: str = "") -> Descriptor:
        """Layers, config and manifest; the manifest's descriptor."""
        layers, diff_ids = [], []
        for number in range(form.layer_count):
            data, media_type, diff_id = _layer(number, form)
            layers.append(self.add_blob(data, media_type, form))
            diff_ids.append(diff_id)
        config = b"{}" if form.config_type != OCI_CONFIG else _config(platform, diff_ids, form)
        return self.add_manifest(self.add_blob(config, form.config_type, form), layers, form, tag)

    def add_manifest(
        self, config: Descriptor, layers: list[Descriptor], form: Form = PLAIN, tag: str = ""
    ) -> Descriptor:
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
        return self._add(body, form, form.artifact_type or config["mediaType"], tag)

    def add_index(self, form: Form = PLAIN, platforms: tuple[Descriptor, ...] = PLATFORMS, tag: str = "") -> Descriptor:
        """An image for every platform and an index over them; the index's descriptor."""
        children = [{**self.add_image(form, platform), "platform": platform} for platform in platforms]
        return self.add_index_of(children, form, tag)

    def add_index_of(self, children: list[Descriptor], form: Form = PLAIN, tag: str = "") -> Descriptor:
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
        return self._add(body, form, form.artifact_type, tag)

    def _add(self, body: dict[str, Any], form: Form, artifact_type: str, tag: str) -> Descriptor:
        annotations = dict(form.annotations)
        if form.unique_annotation:
            annotations[f"org.example.{secrets.token_hex(8)}"] = secrets.token_hex(8)
        if form.artifact_type:
            body["artifactType"] = form.artifact_type
        if form.subject:
            body["subject"] = form.subject
        if annotations:
            body["annotations"] = annotations
        data = compact(body | _extra(form))
        digest = digest_of(data, form.algorithm)
        self.manifests[digest] = data
        if tag:
            self.tags[tag] = digest
        descriptor = _describe(body["mediaType"], digest, data, form)
        if form.subject:
            listed = {**descriptor, "artifactType": artifact_type, "annotations": annotations}
            self.referrers.setdefault(form.subject["digest"], []).append(listed)
        return descriptor


def _describe(media_type: str, digest: str, data: bytes, form: Form) -> Descriptor:
    descriptor: Descriptor = {"mediaType": media_type, "digest": digest, "size": len(data)}
    if form.inline_data:
        descriptor["data"] = base64.b64encode(data).decode()
    return descriptor


def _layer(number: int, form: Form) -> tuple[bytes, str, str]:
    """Bytes, media type, and the digest of the uncompressed bytes."""
    if form.layer_type:
        data = secrets.token_bytes(2048) if form.layer_data is None else form.layer_data
        return data, form.layer_type, digest_of(data, form.algorithm)
    plain = _tar(number)
    diff_id = digest_of(plain, form.algorithm)
    return (gzip.compress(plain, mtime=0), LAYER_GZIP, diff_id) if form.compressed else (plain, LAYER, diff_id)


def _tar(number: int) -> bytes:
    text = f"Contents of file {number}.\nToday's lucky number is {secrets.randbits(63)}.\n".encode()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        entry = tarfile.TarInfo(f"./conformance-{number}.txt")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return whole.getvalue()


def _config(platform: Descriptor, diff_ids: list[str], form: Form) -> bytes:
    body = {"author": "Conformance Test", **platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    return compact(body | _extra(form))


def _extra(form: Form) -> dict[str, str]:
    return {"org.opencontainers.conformance.test": secrets.token_hex(8)} if form.extra_member else {}
