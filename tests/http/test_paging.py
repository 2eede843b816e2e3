"""Lists, page by page: tags, repositories and referrers (distribution-spec, "Content Discovery")."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.content import ARTIFACT, DataSet, compact, digest_of, random_blob
from tests.conformance.oci import OCI_INDEX
from tests.http.images import push_image

if TYPE_CHECKING:
    from tests.conformance.oci import Answer, Client

TAGS_AT_ONCE = 46
# containerd reads no list that is larger.
CONTAINERD_BYTES = 4393216


def push_tags(client: Client, repo: str, tags: list[str]) -> None:
    digest, data = push_image(client, repo)
    rest = iter(tags)
    while batch := list(itertools.islice(rest, TAGS_AT_ONCE)):
        assert client.put_manifest(repo, f"{digest}?" + "&".join(f"tag={tag}" for tag in batch), data).status == 201


def link_of(answer: Answer) -> str | None:
    """The target of the one Link in the one form that podman, crane, oras and regctl all understand."""
    values = answer.values("Link")
    if not values:
        return None
    found = re.fullmatch(r'<(/v2/[^<>;,\s]+)>; rel="next"', values[0])
    assert found, values
    assert len(values) == 1
    return found[1]


def pages(client: Client, target: str, key: str) -> list[list[Any]]:
    """Follow Links to the end."""
    found: list[list[Any]] = []
    following: str | None = target
    while following:
        answer = client.expect(200, "GET", following)
        found.append(answer.json()[key])
        following = link_of(answer)
        assert len(found) < 100, "the Links go round in circles"
    return found


def test_1000_tags_are_listed_in_byte_order_and_page_by_page(client: Client, repo: str) -> None:
    tags = [f"{letter}{number}" for letter in "AZ_az0" for number in range(170)][:1000]
    push_tags(client, repo, tags)
    whole = client.expect(200, "GET", f"/v2/{repo}/tags/list")
    assert (whole.json(), link_of(whole)) == ({"name": repo, "tags": sorted(tags)}, None)
    for n in (300, 999, 1000):
        found = pages(client, f"/v2/{repo}/tags/list?n={n}", "tags")
        assert [len(page) for page in found[:-1]] == [n] * (len(found) - 1)
        assert [tag for page in found for tag in page] == sorted(tags)
        assert all(found), "a Link led to an empty page"


def test_a_link_is_exactly_what_simple_parsers_expect(client: Client, repo: str) -> None:
    push_tags(client, repo, ["a", "b", "c"])
    answer = client.expect(200, "GET", f"/v2/{repo}/tags/list?n=2")
    assert answer.values("Link") == [f'</v2/{repo}/tags/list?n=2&last=b>; rel="next"']
    assert answer.json()["tags"] == ["a", "b"]
    assert link_of(client.expect(200, "GET", f"/v2/{repo}/tags/list?n=3")) is None


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("n=0", []),
        ("n=0&last=a", []),
        ("n=1", ["a"]),
        ("n=00001", ["a"]),
        ("n=999999999999", ["a", "c", "e"]),
        ("last=a", ["c", "e"]),
        ("last=b", ["c", "e"]),
        ("last=e", []),
        ("last=zzz", []),
        ("last=-not-a-tag", ["a", "c", "e"]),
        ("last=", ["a", "c", "e"]),
        ("n=1&last=d", ["e"]),
        ("last=a&n=1", ["c"]),
    ],
)
def test_pages_of_tags(client: Client, repo: str, query: str, wanted: list[str]) -> None:
    push_tags(client, repo, ["a", "c", "e"])
    assert client.expect(200, "GET", f"/v2/{repo}/tags/list?{query}").json()["tags"] == wanted


def test_a_page_of_no_tags_has_no_link(client: Client, repo: str) -> None:
    push_tags(client, repo, ["a", "b"])
    assert link_of(client.expect(200, "GET", f"/v2/{repo}/tags/list?n=0")) is None


@pytest.mark.parametrize("n", ["-1", "abc", "1.5", "1e3", "%20", "0x10", "9" * 30, "%D9%A3"])
@pytest.mark.parametrize("target", ["{repo}/tags/list", "_catalog"])
def test_a_page_of_no_number_is_refused(client: Client, repo: str, target: str, n: str) -> None:
    push_image(client, repo)
    answer = client.expect(400, "GET", f"/v2/{target.format(repo=repo)}?n={n}")
    assert answer.error_code == "PAGINATION_NUMBER_INVALID"


def test_the_catalog_is_paged(client: Client, repo: str) -> None:
    names = sorted(f"{repo}/{letter}" for letter in "abcde")
    for name in names:
        push_image(client, name, "v1")
    found = [name for page in pages(client, "/v2/_catalog?n=3", "repositories") for name in page]
    assert found == sorted(set(found)), "the catalog is not in order, or says things twice"
    assert set(names) <= set(found)
    answer = client.expect(200, "GET", f"/v2/_catalog?n=2&last={names[0]}")
    assert answer.json()["repositories"] == names[1:3]
    assert client.expect(200, "GET", "/v2/_catalog?n=0").json()["repositories"] == []


def push_referrers(client: Client, repo: str, count: int, note: str, types: list[str]) -> tuple[str, dict[str, str]]:
    """A subject that is never pushed, and the digests of its referrers with their artifact types."""
    subject, _ = random_blob(10)
    client.push_blob(repo, digest_of(b"{}"), b"{}")
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}
    pushed = {}
    for number in range(count):
        body = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": types[number % len(types)],
            "config": empty,
            "layers": [empty],
            "subject": {"mediaType": OCI_INDEX, "digest": subject, "size": 5},
            "annotations": {"number": str(number), "note": note},
        }
        data = compact(body)
        assert client.put_manifest(repo, digest_of(data), data).status == 201
        pushed[digest_of(data)] = str(body["artifactType"])
    return subject, pushed


def test_many_referrers_are_listed_once_each(client: Client, repo: str) -> None:
    subject, pushed = push_referrers(client, repo, 120, "", ["a/a", "b/b+c"])
    found = [d for page in pages(client, f"/v2/{repo}/referrers/{subject}", "manifests") for d in page]
    assert {d["digest"]: d["artifactType"] for d in found} == pushed
    assert len(found) == len(pushed)


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("artifactType=b/b%2Bc", {"b/b+c"}),
        ("artifactType=a%2Fa", {"a/a"}),
        ("artifactType=a/a&artifactType=b/b%2Bc", {"a/a", "b/b+c"}),
        ("artifactType=a/none", set()),
    ],
)
def test_referrers_are_filtered(client: Client, repo: str, query: str, types: set[str]) -> None:
    subject, pushed = push_referrers(client, repo, 6, "", ["a/a", "b/b+c", "c/c"])
    answer = client.expect(200, "GET", f"/v2/{repo}/referrers/{subject}?{query}")
    assert answer.header("OCI-Filters-Applied") == "artifactType"
    assert {d["digest"] for d in answer.json()["manifests"]} == {d for d, kind in pushed.items() if kind in types}


def test_an_empty_filter_is_no_filter(client: Client, repo: str) -> None:
    subject, pushed = push_referrers(client, repo, 2, "", ["a/a"])
    answer = client.expect(200, "GET", f"/v2/{repo}/referrers/{subject}?artifactType=")
    assert answer.header("OCI-Filters-Applied") is None
    assert len(answer.json()["manifests"]) == len(pushed)


def test_no_page_of_referrers_is_larger_than_containerd_reads(client: Client, repo: str) -> None:
    subject, pushed = push_referrers(client, repo, 5, "n" * 2_000_000, ["a/a"])
    found: dict[str, Any] = {}
    following: str | None = f"/v2/{repo}/referrers/{subject}?artifactType=a/a"
    while following:
        answer = client.expect(200, "GET", following)
        assert len(answer.body) <= CONTAINERD_BYTES
        assert answer.header("Content-Type") == OCI_INDEX
        found |= {d["digest"]: d for d in answer.json()["manifests"]}
        following = link_of(answer)
    assert set(found) == set(pushed)


@pytest.mark.parametrize("note", ["ä€😀", "half a pair \ud800", "\x7f\u2028", 'quoted " and \\', "{}[]"])
def test_annotations_come_back_as_they_were(client: Client, repo: str, note: str) -> None:
    subject, _ = push_referrers(client, repo, 1, note, ["a/a"])
    (found,) = client.expect(200, "GET", f"/v2/{repo}/referrers/{subject}").json()["manifests"]
    assert found["annotations"]["note"] == note


def test_referrers_of_a_bad_digest_are_refused(client: Client, repo: str) -> None:
    push_image(client, repo)
    for digest in ("nonsense", "sha256:short", "latest"):
        assert client.expect(400, "GET", f"/v2/{repo}/referrers/{digest}").error_code == "DIGEST_INVALID"


def test_what_the_fallback_tag_lists_is_listed(client: Client, repo: str) -> None:
    """Pushed by a client that did not know the API; "Enabling the Referrers API" wants it served all the same."""
    subject, _ = push_image(client, repo)
    data = DataSet()
    artifact = data.add_image(ARTIFACT)
    for blob, content in data.blobs.items():
        client.push_blob(repo, blob, content)
    assert client.put_manifest(repo, artifact["digest"], data.manifests[artifact["digest"]]).status == 201
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [artifact]}).encode()
    assert client.put_manifest(repo, subject.replace(":", "-"), index, OCI_INDEX).status == 201
    listed = client.expect(200, "GET", f"/v2/{repo}/referrers/{subject}").json()["manifests"]
    assert [d["digest"] for d in listed] == [artifact["digest"]]
