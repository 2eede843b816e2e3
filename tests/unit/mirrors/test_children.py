"""Which children of an index are meant, and what follows them."""

from __future__ import annotations

import pytest

from holdfast import manifest as manifests
from holdfast.mirrors.children import children, selected
from holdfast.patterns.platforms import parse
from tests.unit.mirrors.images import LAYER, blob, child, digest_of, image, index

AMD, ARM, OTHER = image(blob("amd")), image(blob("arm")), image(blob("other"))
PROOF, PLAIN = image(blob("proof")), image(blob("plain"))
BUILT = index(
    child(AMD, "linux/amd64"),
    child(ARM, "linux/arm64/v8"),
    child(PROOF, "unknown/unknown", about=AMD),
    child(PLAIN),
)
NAMES = {digest_of(data): name for name, data in (("amd", AMD), ("arm", ARM), ("proof", PROOF), ("plain", PLAIN))}


@pytest.mark.parametrize(
    ("platforms", "meant"),
    [
        ([], "amd arm proof plain"),
        (["linux/amd64"], "amd proof plain"),
        (["linux/arm64"], "arm plain"),
        (["linux/arm64", "linux/amd64"], "amd arm proof plain"),
        (["windows/amd64"], "plain"),
    ],
)
def test_an_attestation_follows_its_image(platforms: list[str], meant: str) -> None:
    found = selected(BUILT, [parse(text) for text in platforms])
    assert " ".join(NAMES[each.digest] for each in found) == meant


def test_a_digest_for_two_platforms_is_meant_once_and_by_either() -> None:
    twice = index(child(AMD, "linux/amd64"), child(AMD, "linux/386"))
    assert len(children(twice)) == 2
    assert [each.digest for each in selected(twice, [parse("linux/386")])] == [digest_of(AMD)]


def test_a_blob_in_an_index_is_no_manifest() -> None:
    (found,) = children(index(blob("cache", LAYER)))
    assert not found.is_manifest
    assert found.size_bytes == len("cache")


@pytest.mark.parametrize(
    "platform", ["linux", 7, {}, {"os": "linux"}, {"os": 1, "architecture": 2}, {"os": "linux", "architecture": None}]
)
def test_a_platform_that_is_none_is_no_reason_to_fail(platform: object) -> None:
    data = index(child(AMD, platform=None) | {"platform": platform})
    manifests.parse(data, None)
    assert [each.platform for each in children(data)] == [None]


@pytest.mark.parametrize("annotations", [None, {"vnd.docker.reference.digest": "no digest"}])
def test_an_attestation_that_names_no_image_is_a_child_like_others(annotations: object) -> None:
    data = index(child(AMD, "linux/amd64") | {"annotations": annotations})
    assert [each.about for each in children(data)] == [None]
