"""Which tags, platforms and signed images are meant."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import digest as digests
from holdfast.config.sync import SyncTags
from holdfast.mirrors.selection import (
    Referrer,
    TagRule,
    attached_tags,
    is_attached,
    is_semver,
    is_signed,
    signature_tag,
    subject_of,
    wanted,
)
from holdfast.names import Tag, tag
from holdfast.patterns.platforms import parse

IMAGE = digests.of(b"image")
LONG = digests.of(b"image", "sha512")


@pytest.mark.parametrize(
    ("rule", "selected"),
    [
        ({}, "4.0 v4.1 latest 1.4 4.2-amd64"),
        ({"regex": "4.*"}, "4.0 v4.1 1.4 4.2-amd64"),
        ({"regex": "^4.*"}, "4.0 4.2-amd64"),
        ({"excludeRegex": ".*-(amd64|arm64)$"}, "4.0 v4.1 latest 1.4"),
        ({"semver": True}, "4.0 v4.1 1.4 4.2-amd64"),
        ({"regex": "4.*", "semver": True, "excludeRegex": "^v"}, "4.0 1.4 4.2-amd64"),
        ({"regex": "", "excludeRegex": ""}, "4.0 v4.1 latest 1.4 4.2-amd64"),
    ],
)
def test_tags_are_selected_as_zot_selects_them(rule: dict[str, Any], selected: str) -> None:
    tags = [*map(tag, ["4.0", "v4.1", "latest", "1.4", "4.2-amd64"])]
    assert TagRule.of(SyncTags.model_validate(rule)).selected(tags) == tuple(selected.split())


def test_without_rules_every_image_is_selected_but_nothing_attached_to_one() -> None:
    assert TagRule.of(None).selected([Tag("v1"), *attached_tags(IMAGE), Tag(f"sha256-{IMAGE.encoded}")]) == ("v1",)


@pytest.mark.parametrize(
    "text", ["1", "v1", "1.2", "v1.2.3", "1.2.3-rc.1", "1.2.3-alpha-x+build.7", "2024.01.15", "01.02"]
)
def test_what_zot_takes_for_a_semantic_version_is_one(text: str) -> None:
    assert is_semver(text)


@pytest.mark.parametrize(
    "text", ["latest", "1s0", "2v9", "1.2.3.4", "V1", "1.", "1.2-", "v", "1.2.3-a..b", "stable-1.2"]
)
def test_other_tags_are_none(text: str) -> None:
    assert not is_semver(text)


def test_cosign_s_tags_belong_to_their_image() -> None:
    assert attached_tags(IMAGE) == tuple(f"sha256-{IMAGE.encoded}.{kind}" for kind in ("sig", "att", "sbom"))
    assert {subject_of(found) for found in attached_tags(IMAGE)} == {IMAGE}
    assert subject_of(f"sha256-{IMAGE.encoded}") == IMAGE


def test_no_tag_is_too_long_to_be_one() -> None:
    assert attached_tags(LONG) == ()
    assert signature_tag(LONG) is None
    assert signature_tag(IMAGE) == attached_tags(IMAGE)[0]


@pytest.mark.parametrize(
    "text", ["latest", f"sha256-{'0' * 63}", f"sha256-{'0' * 64}.txt", f"sha1-{'0' * 64}", "sha256-x.sig"]
)
def test_a_tag_of_its_own_belongs_to_nothing(text: str) -> None:
    assert subject_of(text) is None
    assert not is_attached(text)


def test_a_referrers_tag_with_half_a_digest_is_no_image() -> None:
    """distribution-spec cuts the encoded part at 64 characters."""
    cut = f"sha512-{LONG.encoded[:64]}"
    assert is_attached(cut)
    assert subject_of(cut) is None


@pytest.mark.parametrize(
    ("tags", "referrers", "signed"),
    [
        ([], [], False),
        ([f"sha256-{IMAGE.encoded}.sig"], [], True),
        ([f"sha256-{IMAGE.encoded}.att", f"sha256-{'0' * 64}.sig"], [], False),
        ([], [Referrer("application/vnd.cncf.notary.signature")], True),
        ([], [Referrer("application/vnd.dev.cosign.artifact.sig.v1+json")], True),
        ([], [Referrer("application/vnd.dev.cosign.simplesigning.v1+json")], True),
        ([], [Referrer("application/spdx+json"), Referrer(None)], False),
        ([], [Referrer("application/vnd.dev.sigstore.bundle.v0.3+json")], True),
        (
            [],
            [
                Referrer(
                    "application/vnd.dev.sigstore.bundle.v0.3+json",
                    {"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"},
                )
            ],
            True,
        ),
        (
            [],
            [
                Referrer(
                    "application/vnd.dev.sigstore.bundle.v0.3+json",
                    {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"},
                )
            ],
            False,
        ),
    ],
)
def test_an_image_is_signed_by_a_signature_of_cosign_or_notation(
    tags: list[str], referrers: list[Referrer], signed: bool
) -> None:
    assert is_signed(IMAGE, tags, referrers) is signed


def test_a_child_without_a_platform_cannot_be_left_out() -> None:
    assert wanted(None, [parse("linux/amd64")])
    assert wanted(parse("linux/arm64"), [])
    assert not wanted(parse("linux/arm64"), [parse("linux/amd64")])
