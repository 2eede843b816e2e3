"""Digests and names: strict constructors."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import digest, names
from holdfast.errors import DigestInvalidError, NameInvalidError, TagInvalidError


def test_registered_algorithms_are_computed() -> None:
    assert str(digest.of(b"")) == "sha256:" + hashlib.sha256().hexdigest()
    assert digest.of(b"x", "sha512").encoded == hashlib.sha512(b"x").hexdigest()
    assert len(digest.of(b"x", "blake3").encoded) == 64


@pytest.mark.parametrize(
    "text",
    [
        "", "sha256", "sha256:", ":abc", "sha256:abc", "sha256:" + "A" * 64, "sha256:" + "g" * 64, "sha256:" + "a" * 65,
        "sha512:" + "a" * 64, "SHA256:" + "a" * 64, "sha256:" + "a" * 63 + "\n", "sha256:../../../../etc/passwd",
        "x" * 300 + ":a", "sha256+:" + "a" * 64, "sha256:" + "a" * 64 + "/..", "sha256:" + "٣" * 64,
    ],
)  # fmt: skip
def test_a_bad_digest_is_refused(text: str) -> None:
    with pytest.raises(DigestInvalidError):
        digest.parse(text)


def test_an_unknown_algorithm_may_be_named_but_not_computed() -> None:
    assert str(digest.parse("sha3+b64:aGk=")) == "sha3+b64:aGk="
    with pytest.raises(DigestInvalidError):
        digest.parse_computable("sha3+b64:aGk=")
    with pytest.raises(DigestInvalidError):
        digest.algorithm("md5")


def test_the_partition_is_the_first_twelve_bits() -> None:
    assert digest.parse("sha256:abc" + "0" * 61).partition == 0xABC
    other = digest.parse("sha3:xyz")
    assert other.partition == int(hashlib.sha256(b"sha3:xyz").hexdigest()[:3], 16)


@given(st.text(max_size=100))
def test_a_digest_is_valid_or_not_at_all(text: str) -> None:
    try:
        found = digest.parse(text)
    except DigestInvalidError:
        return
    assert str(found) == text
    assert "/" not in text


@pytest.mark.parametrize("name", ["a", "a/b", "a.b/c_d/e__f/g-h/i--j", "0", "a" * 255, "x/blobs/uploads"])
def test_good_names(name: str) -> None:
    assert names.repository(name) == name


@pytest.mark.parametrize(
    "name", ["", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", ".a", "a.", "..", "é", "a" * 256, "a\n"]
)
def test_bad_names(name: str) -> None:
    with pytest.raises(NameInvalidError):
        names.repository(name)


@pytest.mark.parametrize("tag", ["a", "_", "1.0", "A-b.C_d", "x" * 128])
def test_good_tags(tag: str) -> None:
    assert names.tag(tag) == tag


@pytest.mark.parametrize("tag", ["", ".a", "-a", "x" * 129, "a b", "a/b", "a:b", "a+b", "é", "a\n"])
def test_bad_tags(tag: str) -> None:
    with pytest.raises(TagInvalidError):
        names.tag(tag)
