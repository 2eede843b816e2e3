"""The data sets of the official conformance program, by its names (distribution-spec, conformance/README.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.conformance.content import (
    AMD64,
    ARM64,
    ARTIFACT,
    EMPTY_JSON,
    EXAMPLE_2,
    GREETING,
    LAYER_ELSEWHERE,
    LAYER_ELSEWHERE_GZIP,
    LAYER_GZIP,
    OCI_CONFIG,
    DataSet,
    Form,
    compact,
    random_blob,
)
from tests.conformance.oci import OCI_MANIFEST, OCTETS

if TYPE_CHECKING:
    from collections.abc import Callable

# 390 annotations of 10,000 characters: 3.9 MB, just below the 4 MB that every registry should take.
_LARGE: Final = {f"large-annotation-{number}": "A" * 10_000 for number in range(390)}


def image() -> DataSet:
    data = DataSet()
    data.add_image(tag="image")
    return data


def image_uncompressed() -> DataSet:
    data = DataSet()
    data.add_image(Form(compressed=False), tag="image-uncompressed")
    return data


def large_manifest() -> DataSet:
    data = DataSet()
    data.add_image(Form(annotations=_LARGE), tag="large-manifest")
    return data


def index() -> DataSet:
    data = DataSet()
    data.add_index(tag="index")
    return data


def nested_index() -> DataSet:
    data = DataSet()
    data.add_index_of([data.add_index(), data.add_index()], tag="index-of-index")
    return data


def empty_index() -> DataSet:
    data = DataSet()
    data.add_index(platforms=(), tag="index")
    return data


def artifact() -> DataSet:
    data = DataSet()
    data.add_image(ARTIFACT, tag="artifact")
    return data


def artifact_index() -> DataSet:
    data = DataSet()
    data.add_index(ARTIFACT, tag="artifact-index")
    return data


def artifact_without_layers() -> DataSet:
    data = DataSet()
    data.add_image(replace(ARTIFACT, layer_type=EMPTY_JSON, layer_data=b"{}"), tag="artifact-without-layers")
    return data


def artifacts_with_subject() -> DataSet:
    data = DataSet()
    subject = data.add_image(tag="image")
    data.add_image(Form(subject=subject))
    signed = replace(ARTIFACT, annotations=GREETING, unique_annotation=True, subject=subject)
    data.add_image(signed, tag="tagged-artifact1")
    data.add_image(replace(signed, artifact_type=EXAMPLE_2, layer_type=OCTETS), tag="tagged-artifact2")
    return data


def index_with_subject() -> DataSet:
    data = DataSet()
    subject = data.add_index(tag="index")
    signed = replace(ARTIFACT, annotations=GREETING, unique_annotation=True, subject=subject)
    data.add_index(signed, tag="tagged-artifact")
    return data


def missing_subject() -> DataSet:
    data = DataSet()
    subject = {"mediaType": OCI_MANIFEST, "digest": random_blob(16)[0], "size": 123}
    signed = replace(ARTIFACT, annotations=GREETING, unique_annotation=True, subject=subject)
    data.add_image(signed, tag="tagged-artifact")
    return data


def data_field() -> DataSet:
    data = DataSet()
    data.add_image(Form(inline_data=True), tag="data-field")
    return data


def non_distributable_layers() -> DataSet:
    data = DataSet()
    elsewhere = [_elsewhere(LAYER_ELSEWHERE_GZIP, 123456), _elsewhere(LAYER_ELSEWHERE, 12345)]
    layer = data.add_blob(random_blob(512)[1], LAYER_GZIP, Form())
    diff_ids = [*(one["digest"] for one in elsewhere), layer["digest"]]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = data.add_blob(compact({**AMD64, "config": {}, "rootfs": rootfs}), OCI_CONFIG, Form())
    data.add_manifest(config, [*elsewhere, layer], tag="non-distributable-image")
    return data


def _elsewhere(media_type: str, size_bytes: int) -> dict[str, object]:
    digest, _ = random_blob(256)
    urls = [f"https://store.example.com/blobs/sha256/{digest.removeprefix('sha256:')}"]
    return {"mediaType": media_type, "digest": digest, "size": size_bytes, "urls": urls}


def custom_fields() -> DataSet:
    data = DataSet()
    data.add_index(Form(extra_member=True), tag="custom-fields")
    return data


def no_layers() -> DataSet:
    data = DataSet()
    data.add_image(Form(layer_count=0), tag="no-layers")
    return data


def sparse() -> DataSet:
    """An image one of whose layers, and an index one of whose children, is never pushed."""
    data = DataSet()
    data.add_image(tag="sparse-image")
    data.blobs.pop(next(iter(data.blobs)))
    child = {"mediaType": OCI_MANIFEST, "digest": random_blob(1024)[0], "size": 1024, "platform": ARM64}
    data.add_index_of([{**data.add_image(), "platform": AMD64}, child], tag="sparse-index")
    return data


def sha512() -> DataSet:
    """By digest only: a tag pushed without ``?tag=`` is a sha256 tag."""
    data = DataSet()
    data.add_index(Form(algorithm="sha512"))
    return data


def tag_param_sha256() -> DataSet:
    return _tag_parameters("sha256")


def tag_param_sha512() -> DataSet:
    return _tag_parameters("sha512")


def _tag_parameters(algorithm: str) -> DataSet:
    """Every manifest has a tag, the index has two."""
    name = f"tag-param-{algorithm}"
    data = DataSet(tag_parameters=True)
    data.add_index(Form(algorithm=algorithm), tag=name)
    data.tags |= {f"{name}-{number}": digest for number, digest in enumerate(data.manifests)}
    return data


def bad_digest_image() -> DataSet:
    data = DataSet()
    digest = data.add_image()["digest"]
    data.manifests[digest] += b"  "
    data.refused.add(digest)
    return data


DATA_SETS: Final[dict[str, Callable[[], DataSet]]] = {
    "image": image,
    "image-uncompressed": image_uncompressed,
    "large-manifest": large_manifest,
    "index": index,
    "nested-index": nested_index,
    "empty-index": empty_index,
    "artifact": artifact,
    "artifact-index": artifact_index,
    "artifact-without-layers": artifact_without_layers,
    "artifacts-with-subject": artifacts_with_subject,
    "index-with-subject": index_with_subject,
    "missing-subject": missing_subject,
    "data-field": data_field,
    "non-distributable-layers": non_distributable_layers,
    "custom-fields": custom_fields,
    "no-layers": no_layers,
    "sha512": sha512,
    "tag-param-sha256": tag_param_sha256,
    "tag-param-sha512": tag_param_sha512,
    "bad-digest-image": bad_digest_image,
}
# Needs a registry that takes manifests whose content is not there (http.sparseManifests).
SPARSE: Final = {"sparse": sparse}
