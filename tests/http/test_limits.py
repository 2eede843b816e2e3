"""Limits of what is taken: manifests, tags at once, request lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.conformance.content import digest_of
from tests.conformance.oci import OCI_INDEX
from tests.http import wire

if TYPE_CHECKING:
    from tests.conformance.oci import Client
    from tests.serving import Server

MAX_BYTES = 4 * 1024 * 1024
MAX_TAGS = 46
LONGEST_TAG = 128
TYPE = ("Content-Type", OCI_INDEX)


def index_of(size_bytes: int) -> bytes:
    """An index of exactly this size."""
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"filler": "{}"}})
    head, tail = body.split("{}")
    return (head + "x" * (size_bytes - len(head) - len(tail)) + tail).encode()


@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "chunked"])
def test_a_manifest_of_4_mib_is_taken(client: Client, repo: str, chunked: bool) -> None:
    data = index_of(MAX_BYTES)
    target = f"/v2/{repo}/manifests/{digest_of(data)}"
    client.expect(201, "PUT", target, data, length=None if chunked else len(data), headers=[TYPE])
    assert client.get_manifest(repo, digest_of(data)).body == data


@pytest.mark.parametrize("size_bytes", [MAX_BYTES + 1, 20 * 1024 * 1024])
@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "chunked"])
def test_a_larger_manifest_is_refused(client: Client, repo: str, chunked: bool, size_bytes: int) -> None:
    data = index_of(size_bytes)
    length = None if chunked else len(data)
    answer = client.expect(413, "PUT", f"/v2/{repo}/manifests/big", data, length=length, headers=[TYPE])
    assert answer.error_code == "SIZE_INVALID"
    assert client.head_manifest(repo, "big").status == 404


def test_a_manifest_that_says_it_is_too_large_is_refused_before_it_comes(registry: Server, repo: str) -> None:
    lines = (f"Content-Type: {OCI_INDEX}", f"Content-Length: {MAX_BYTES + 1}")
    status, headers, _ = wire.ask(registry.port, "PUT", f"/v2/{repo}/manifests/big", *lines)
    assert (status, headers["connection"]) == (413, "close")


def put_with_tags(client: Client, repo: str, tags: list[str], status: int) -> list[str]:
    """The tags of ``OCI-Tag``, or the error code."""
    data = index_of(1000)
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = client.expect(status, "PUT", f"/v2/{repo}/manifests/{digest_of(data)}?{query}", data, headers=[TYPE])
    if status != 201:
        assert client.head_manifest(repo, digest_of(data)).status == 404, "a refused push left the manifest behind"
        return [answer.error_code]
    return [tag.strip() for tag in (answer.header("OCI-Tag") or "").split(",")]


def test_46_of_the_longest_tags_are_set_at_once(client: Client, repo: str) -> None:
    tags = [f"{number:0{LONGEST_TAG}}" for number in range(MAX_TAGS)]
    assert put_with_tags(client, repo, tags, 201) == tags
    assert client.expect(200, "GET", f"/v2/{repo}/tags/list").json()["tags"] == tags


def test_a_47th_tag_is_too_many(client: Client, repo: str) -> None:
    assert put_with_tags(client, repo, [f"t{number}" for number in range(MAX_TAGS + 1)], 414) == ["TAG_INVALID"]


def test_one_bad_tag_spoils_the_push(client: Client, repo: str) -> None:
    assert put_with_tags(client, repo, ["good", "-bad"], 400) == ["TAG_INVALID"]
    assert put_with_tags(client, repo, ["x" * (LONGEST_TAG + 1)], 400) == ["TAG_INVALID"]


def test_a_tag_given_twice_is_set_once(client: Client, repo: str) -> None:
    assert put_with_tags(client, repo, ["a", "b", "a"], 201) == ["a", "b"]


def test_tag_parameters_do_not_go_with_a_tag_in_the_path(client: Client, repo: str) -> None:
    client.expect(400, "PUT", f"/v2/{repo}/manifests/a?tag=b", index_of(1000), headers=[TYPE])
    assert client.head_manifest(repo, "a").status == 404


def test_a_request_line_that_is_too_long_is_answered_in_json(registry: Server) -> None:
    status, headers, body = wire.ask(registry.port, "GET", "/v2/" + "x" * 9000 + "/tags/list")
    assert (status, headers["content-type"]) == (414, "application/json")
    assert json.loads(body)["errors"][0]["code"]


@pytest.mark.parametrize("lines", [["X-Long: " + "x" * 9000], [f"X-{n}: y" for n in range(200)]], ids=["long", "many"])
def test_headers_that_are_too_much_are_answered_in_json(registry: Server, lines: list[str]) -> None:
    status, headers, body = wire.ask(registry.port, "GET", "/v2/", *lines)
    assert (status, headers["content-type"]) == (431, "application/json")
    assert json.loads(body)["errors"][0]["code"]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "SHA256", "sha256:", "nonsense"])
def test_an_upload_by_an_unknown_algorithm_is_refused(client: Client, repo: str, algorithm: str) -> None:
    answer = client.expect(400, "POST", f"/v2/{repo}/blobs/uploads/?digest-algorithm={algorithm}")
    assert answer.error_code == "DIGEST_INVALID"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "blake3"])
def test_an_upload_by_a_registered_algorithm_is_opened(client: Client, repo: str, algorithm: str) -> None:
    client.expect(202, "POST", f"/v2/{repo}/blobs/uploads/?digest-algorithm={algorithm}")
