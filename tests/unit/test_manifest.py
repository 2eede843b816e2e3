from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import digest, manifest
from holdfast.errors import InputError, ManifestInvalidError, TooLargeError

D1, D2, D3 = (str(digest.of(bytes([i]))) for i in range(3))
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": D2, "size": 7}
IMAGE: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": manifest.OCI_MANIFEST,
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": D1, "size": 3},
    "layers": [LAYER],
}
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": manifest.OCI_INDEX,
    "manifests": [{"mediaType": manifest.OCI_MANIFEST, "digest": D3, "size": 9, "platform": None}],
}


def parse(body: object, content_type: str | None = None) -> manifest.Manifest:
    return manifest.parse(json.dumps(body).encode(), content_type)


def test_an_image_names_its_config_and_layers() -> None:
    found = parse(IMAGE)
    assert [(str(r.digest), r.size_bytes, r.is_manifest) for r in found.references] == [(D1, 3, False), (D2, 7, False)]
    assert found.artifact_type == "application/vnd.oci.image.config.v1+json"


def test_an_index_names_its_children() -> None:
    found = parse(INDEX)
    assert [(str(r.digest), r.is_manifest) for r in found.references] == [(D3, True)]
    assert found.artifact_type is None


@pytest.mark.parametrize("empty", [IMAGE | {"layers": []}, INDEX | {"manifests": []}])
def test_empty_lists_are_legal(empty: dict[str, Any]) -> None:
    parse(empty)


@pytest.mark.parametrize(
    ("content_type", "body", "media_type"),
    [
        (manifest.OCI_MANIFEST, IMAGE, manifest.OCI_MANIFEST),
        (f"{manifest.OCI_MANIFEST}; charset=utf-8", IMAGE, manifest.OCI_MANIFEST),
        (None, IMAGE, manifest.OCI_MANIFEST),
        (None, {k: v for k, v in IMAGE.items() if k != "mediaType"}, manifest.OCI_MANIFEST),
        (None, {k: v for k, v in INDEX.items() if k != "mediaType"}, manifest.OCI_INDEX),
        (manifest.DOCKER_MANIFEST, IMAGE | {"mediaType": manifest.DOCKER_MANIFEST}, manifest.DOCKER_MANIFEST),
        (manifest.DOCKER_LIST, INDEX | {"mediaType": manifest.DOCKER_LIST}, manifest.DOCKER_LIST),
    ],
)
def test_the_type_is_the_headers_then_the_bodys_then_the_shapes(
    content_type: str | None, body: dict[str, Any], media_type: str
) -> None:
    assert parse(body, content_type).media_type == media_type


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (manifest.OCI_INDEX, IMAGE),
        (manifest.DOCKER_MANIFEST, IMAGE),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", {"schemaVersion": 1}),
        ("application/json", {k: v for k, v in IMAGE.items() if k != "mediaType"}),
        (None, IMAGE | {"schemaVersion": 1}),
        (None, IMAGE | {"schemaVersion": True}),
        (None, IMAGE | {"manifests": []}),  # CVE-2021-41190
        (None, INDEX | {"layers": []}),
        (None, INDEX | {"config": IMAGE["config"]}),
        (None, IMAGE | {"layers": None}),
        (None, IMAGE | {"layers": {}}),
        (None, IMAGE | {"config": None}),
        (None, IMAGE | {"config": IMAGE["config"] | {"size": -1}}),
        (None, IMAGE | {"config": IMAGE["config"] | {"size": True}}),
        (None, IMAGE | {"config": IMAGE["config"] | {"size": 1.5}}),
        (None, IMAGE | {"config": IMAGE["config"] | {"digest": "sha256:../../etc"}}),
        (None, IMAGE | {"config": IMAGE["config"] | {"mediaType": "none"}}),
        (None, IMAGE | {"layers": [LAYER, LAYER | {"size": 8}]}),
        (None, IMAGE | {"annotations": {"a": 1}}),
        (None, IMAGE | {"artifactType": "x"}),
        (None, IMAGE | {"subject": "x"}),
        (None, []),
        (None, "x"),
        (None, None),
    ],
)
def test_what_is_not_a_manifest_is_refused(content_type: str | None, body: object) -> None:
    with pytest.raises(ManifestInvalidError):
        parse(body, content_type)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"\xff\xfe", b"nul", b"NaN", b'{"schemaVersion": 2, "schemaVersion": 2}', b"[" * 100_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000, b'{"schemaVersion": Infinity}', b"1" * 5000,
    ],
)  # fmt: skip
def test_bytes_that_are_no_json_object_are_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalidError):
        manifest.parse(data, None)


def test_brackets_inside_strings_are_no_depth() -> None:
    parse(IMAGE | {"annotations": {"text": '[{"' * 500, "quote": '\\"[[['}})


def test_four_mebibytes_and_not_one_more() -> None:
    padding = manifest.MAX_BYTES - len(json.dumps(IMAGE | {"annotations": {"a": ""}}).encode())
    body = json.dumps(IMAGE | {"annotations": {"a": "x" * padding}}).encode()
    assert len(body) == manifest.MAX_BYTES
    manifest.parse(body, None)
    with pytest.raises(TooLargeError):
        manifest.parse(body + b" ", None)


def test_ten_thousand_references_and_not_one_more() -> None:
    layers = [LAYER | {"digest": str(digest.of(str(i).encode()))} for i in range(manifest.MAX_REFERENCES)]
    assert len(parse(IMAGE | {"layers": layers[:-1]}).references) == manifest.MAX_REFERENCES
    with pytest.raises(ManifestInvalidError):
        parse(IMAGE | {"layers": layers})


@pytest.mark.parametrize(
    "layer",
    [
        LAYER | {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
        LAYER | {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"},
        LAYER | {"urls": ["https://example.com/layer"]},
    ],
)
def test_layers_that_live_elsewhere_may_be_absent(layer: dict[str, Any]) -> None:
    assert parse(IMAGE | {"layers": [layer]}).references[1].may_be_absent
    # named once as required and once as optional: required
    assert not parse(IMAGE | {"layers": [layer, LAYER]}).references[1].may_be_absent


def test_subject_artifact_type_and_annotations_are_read() -> None:
    subject = {"mediaType": manifest.OCI_MANIFEST, "digest": D3, "size": 1}
    body = IMAGE | {"subject": subject, "artifactType": "application/x", "annotations": {"k": "v"}}
    found = parse(body)
    assert (str(found.subject), found.artifact_type, found.annotations) == (D3, "application/x", {"k": "v"})
    assert manifest.describe(json.dumps(body).encode()) == ("application/x", {"k": "v"})


def test_unknown_members_and_algorithms_are_no_fault() -> None:
    odd = LAYER | {"digest": "sha3-256:abcd", "org.example": {"deep": [1]}, "data": "eyJ9"}
    assert str(parse(IMAGE | {"layers": [odd], "x": 1}).references[1].digest) == "sha3-256:abcd"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(
    st.sampled_from([IMAGE, INDEX]),
    st.sampled_from(
        ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations", "artifactType"]
    ),
    json_values,
)
def test_any_value_in_any_member_is_accepted_or_refused_in_form(base: dict[str, Any], member: str, value: Any) -> None:
    try:
        parse(base | {member: value})
    except InputError:
        return


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_form(data: bytes) -> None:
    with pytest.raises(InputError):
        manifest.parse(data, None)
