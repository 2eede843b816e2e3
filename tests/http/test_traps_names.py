"""What deletes take with them, what readers see while names move, and names that are none: one rule a test."""

from __future__ import annotations

import hashlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.conformance.content import DataSet, digest_of, random_blob
from tests.conformance.oci import Client, with_query
from tests.http.images import push_image

if TYPE_CHECKING:
    from tests.serving import Server


# What a delete takes with it.


def test_deleting_by_digest_takes_all_tags(client: Client, repo: str) -> None:
    digest, _ = push_image(client, repo, "a", "b")
    push_image(client, repo, "other")
    client.expect(202, "DELETE", f"/v2/{repo}/manifests/{digest}")
    assert client.head_manifest(repo, "a").status == client.head_manifest(repo, "b").status == 404
    assert client.expect(200, "GET", f"/v2/{repo}/tags/list").json()["tags"] == ["other"]


def test_deleting_by_tag_keeps_the_manifest_and_its_other_tags(client: Client, repo: str) -> None:
    digest, data = push_image(client, repo, "a", "b")
    client.expect(202, "DELETE", f"/v2/{repo}/manifests/a")
    assert client.head_manifest(repo, "a").status == 404
    assert client.get_manifest(repo, "b").body == client.get_manifest(repo, digest).body == data


def test_a_tag_does_not_come_back_with_its_manifest(client: Client, repo: str) -> None:
    digest, data = push_image(client, repo, "v1")
    client.expect(202, "DELETE", f"/v2/{repo}/manifests/{digest}")
    assert client.put_manifest(repo, digest, data).status == 201
    assert client.head_manifest(repo, "v1").status == 404


def test_deleting_an_index_leaves_its_children(client: Client, repo: str) -> None:
    data = DataSet()
    index = data.add_index()["digest"]
    for blob, content in data.blobs.items():
        client.push_blob(repo, blob, content)
    for digest, content in data.manifests.items():
        assert client.put_manifest(repo, digest, content, data.media_type(digest)).status == 201
    client.expect(202, "DELETE", f"/v2/{repo}/manifests/{index}")
    children = [digest for digest in data.manifests if digest != index]
    assert [client.head_manifest(repo, digest).status for digest in children] == [200, 200]


def test_what_is_still_referenced_is_not_deleted(client: Client, repo: str) -> None:
    push_image(client, repo, "v1")
    blob = client.get_manifest(repo, "v1").json()["layers"][0]["digest"]
    assert client.expect(405, "DELETE", f"/v2/{repo}/blobs/{blob}").error_code == "UNSUPPORTED"
    assert client.head_blob(repo, blob).status == 200


def test_a_repository_with_nothing_left_still_lists(client: Client, repo: str) -> None:
    digest, _ = push_image(client, repo, "v1")
    client.expect(202, "DELETE", f"/v2/{repo}/manifests/{digest}")
    assert client.expect(200, "GET", f"/v2/{repo}/tags/list").json() == {"name": repo, "tags": []}


# Readers of a moving tag.


def test_digest_and_body_belong_together_while_the_tag_moves(registry: Server, client: Client, repo: str) -> None:
    bodies = dict(push_image(client, repo, "moving") for _ in range(2))
    done = threading.Event()

    def read() -> int:
        reader, seen = Client(registry.host), 0
        while not done.is_set():
            got = reader.get_manifest(repo, "moving")
            assert got.header("Docker-Content-Digest") == f"sha256:{hashlib.sha256(got.body).hexdigest()}", str(got)
            head = reader.head_manifest(repo, "moving")
            assert head.header("Content-Length") == str(len(bodies[str(head.header("Docker-Content-Digest"))]))
            seen += 1
        reader.close()
        return seen

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        for body in itertools.islice(itertools.cycle(bodies.values()), 100):
            assert client.put_manifest(repo, "moving", body).status == 201
        done.set()
        assert all(reader.result() for reader in readers)


# Names that are none.

BAD_NAMES = [
    "UPPER/case",
    "a//b",
    "/a",
    "a/",
    "a/../b",
    "../../etc",
    "a/%2e%2e/b",
    "a/%2E%2E%2Fb",
    "..%2f..%2fetc%2fpasswd",
    "a%00b",
    "a%0ab",
    "%ff%fe",
    "a___b",
    "-a",
    "a-",
    "a b".replace(" ", "%20"),
    "a\\b".replace("\\", "%5C"),
    "x" * 256,
    "/".join(["x"] * 200),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_an_error_and_never_a_redirect(client: Client, name: str) -> None:
    digest, _ = random_blob(1)
    for method, rest in (
        ("GET", "manifests/latest"),
        ("HEAD", f"blobs/{digest}"),
        ("POST", "blobs/uploads/"),
        ("GET", "tags/list"),
        ("GET", f"referrers/{digest}"),
        ("DELETE", "manifests/latest"),
    ):
        answer = client.send(method, f"/v2/{name}/{rest}")
        assert answer.status in (400, 404), str(answer)
        assert answer.status == 404 or method == "HEAD" or answer.error_code == "NAME_INVALID", str(answer)


def test_the_longest_name_is_taken(client: Client) -> None:
    name = "longest/" + "x" * 247
    push_image(client, name, "t" * 128)
    assert client.get_manifest(name, "t" * 128).status == 200


@pytest.mark.parametrize("upload", ["..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "x" * 1000, "%00", "no-such-upload"])
def test_a_bad_upload_id_is_unknown(client: Client, repo: str, upload: str) -> None:
    push_image(client, repo)
    for method in ("GET", "PATCH", "DELETE"):
        answer = client.send(method, f"/v2/{repo}/blobs/uploads/{upload}")
        assert answer.status in (400, 404), str(answer)
    answer = client.send("PUT", with_query(f"/v2/{repo}/blobs/uploads/{upload}", digest=digest_of(b"")))
    assert answer.status in (400, 404), str(answer)


def test_an_upload_is_known_in_its_own_repository_only(client: Client, repo: str, repo2: str) -> None:
    push_image(client, repo2)
    location = client.start_upload(repo).location
    assert client.send("GET", location.replace(repo, repo2)).error_code == "BLOB_UPLOAD_UNKNOWN"
    client.expect(204, "GET", location)


@pytest.mark.parametrize(
    "name", ["blobs", "manifests", "tags", "tags/list", "blobs/uploads", "a/blobs/uploads/b", "referrers/x", "v2"]
)
def test_keywords_are_names_too(client: Client, name: str) -> None:
    digest, data = push_image(client, name, "v1")
    assert client.get_manifest(name, "v1").body == client.get_manifest(name, digest).body == data
    assert client.expect(200, "GET", f"/v2/{name}/tags/list").json()["name"] == name
    client.expect(200, "GET", f"/v2/{name}/referrers/{digest}")
