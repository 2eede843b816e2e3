from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.paths import Kind, parse
from holdfast.errors import NameInvalidError

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("rest", "kind", "repository", "argument"),
    [
        ("", Kind.BASE, "", ""),
        ("_catalog", Kind.CATALOG, "", ""),
        ("_oci/ext/discover", Kind.DISCOVER, "", ""),
        ("a/b/_oci/ext/discover", Kind.DISCOVER, "a/b", ""),
        ("a/manifests/latest", Kind.MANIFEST, "a", "latest"),
        ("a/b/c/manifests/" + D, Kind.MANIFEST, "a/b/c", D),
        ("a/blobs/" + D, Kind.BLOB, "a", D),
        ("a/blobs/uploads", Kind.UPLOADS, "a", ""),
        ("a/blobs/uploads/", Kind.UPLOADS, "a", ""),
        ("a/blobs/uploads/n1-0123", Kind.UPLOAD, "a", "n1-0123"),
        ("a/tags/list", Kind.TAGS, "a", ""),
        ("a/referrers/" + D, Kind.REFERRERS, "a", D),
    ],
)
def test_every_endpoint_is_recognised(rest: str, kind: Kind, repository: str, argument: str) -> None:
    route = parse(rest)
    assert route is not None
    assert (route.kind, route.repository, route.argument) == (kind, repository, argument)


@pytest.mark.parametrize(
    ("rest", "kind", "repository"),
    [
        ("blobs/manifests/v1", Kind.MANIFEST, "blobs"),
        ("manifests/blobs/" + D, Kind.BLOB, "manifests"),
        ("tags/tags/list", Kind.TAGS, "tags"),
        ("x/tags/list/tags/list", Kind.TAGS, "x/tags/list"),
        ("x/blobs/uploads/manifests/v1", Kind.MANIFEST, "x/blobs/uploads"),
        ("x/blobs/uploads/blobs/uploads/id", Kind.UPLOAD, "x/blobs/uploads"),
        ("x/manifests/tags/list", Kind.TAGS, "x/manifests"),
    ],
)
def test_the_last_keyword_from_the_right_decides(rest: str, kind: Kind, repository: str) -> None:
    route = parse(rest)
    assert route is not None
    assert (route.kind, route.repository) == (kind, repository)


@pytest.mark.parametrize(
    "rest", ["a", "a/b", "a/manifests", "a/tags", "a/tags/lists", "a/blobs/uploads/x/y", "/", "_oci"]
)
def test_what_is_no_endpoint_is_none(rest: str) -> None:
    assert parse(rest) is None


@pytest.mark.parametrize(
    "name", ["", "A", "a//b", "../a", "a/..", "a/./b", "-a", "a-", "a__-b", "ä", "a b", "a%2fb", "x" * 256, "a\nb"]
)
def test_a_bad_repository_name_is_refused(name: str) -> None:
    with pytest.raises(NameInvalidError):
        parse(f"{name}/manifests/v1")


@given(st.text(max_size=300))
@example("a/blobs/uploads/")
def test_nothing_but_a_route_none_or_a_bad_name_comes_out(rest: str) -> None:
    try:
        route = parse(rest)
    except NameInvalidError:
        return
    assert route is None or route.repository == "" or ".." not in route.repository.split("/")
