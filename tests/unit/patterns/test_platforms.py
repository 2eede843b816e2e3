"""A platform means the same however it is spelled."""

from __future__ import annotations

import pytest

from holdfast.patterns.platforms import Platform, normal, parse


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm64", "linux/aarch64"),
        ("linux/amd64", "Linux/x86_64"),
        ("linux/amd64", "linux/amd64/v1"),
        ("linux/arm/v7", "linux/arm/7"),
    ],
)
def test_spellings_of_one_platform_are_equal(one: str, other: str) -> None:
    assert parse(one) == parse(other)


@pytest.mark.parametrize(
    "text", ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "linux amd64", "linux//v7", "a/b\n"]
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="linux/amd64"):
        parse(text)


@pytest.mark.parametrize(
    ("wanted", "image", "wants"),
    [
        ("linux/arm", ("linux", "arm", "v6"), True),
        ("linux/arm/v7", ("linux", "arm", "v6"), False),
        ("linux/arm/v7", ("linux", "arm", ""), True),
        ("linux/arm64/v8", ("linux", "arm64", ""), True),
        ("linux/amd64", ("linux", "amd64", "v3"), True),
        ("linux/amd64/v3", ("linux", "amd64", ""), False),
        ("linux/amd64", ("windows", "amd64", ""), False),
        ("linux/amd64", ("unknown", "unknown", ""), False),
    ],
)
def test_without_a_variant_every_one_is_wanted(wanted: str, image: tuple[str, str, str], wants: bool) -> None:
    assert parse(wanted).wants(normal(*image)) is wants


def test_a_platform_reads_back_from_its_text() -> None:
    assert parse(str(Platform("linux", "arm", "v6"))) == Platform("linux", "arm", "v6")
    assert str(parse("linux/arm64/v8")) == "linux/arm64"
