"""What real clients do while they push that surprises a registry: one rule a test.

Sources: captures of docker, podman, containerd, oras-py and regclient, and their source code.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.content import digest_of, random_blob
from tests.conformance.oci import Client, with_query
from tests.http import wire
from tests.http.images import push_image

if TYPE_CHECKING:
    from tests.conformance.oci import Answer
    from tests.serving import Server


# Bodies come in every coding and without the headers one would expect.


def test_a_chunked_patch_needs_no_content_type(client: Client, repo: str) -> None:
    digest, data = random_blob(200_000)
    patched = client.expect(202, "PATCH", client.start_upload(repo).location, data)
    assert patched.header("Range") == "0-199999"
    client.expect(201, "PUT", with_query(patched.location, digest=digest))
    assert client.get_blob(repo, digest).body == data


def test_chunks_may_have_extensions_trailers_and_any_size(registry: Server, client: Client, repo: str) -> None:
    location = client.start_upload(repo).location
    body = b'1;name="v"\r\na\r\n00001\r\nb\r\nA\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n'
    status, headers, _ = wire.ask(registry.port, "PATCH", location, "Transfer-Encoding: chunked", body=body)
    assert (status, headers["range"]) == (202, "0-11")
    client.expect(201, "PUT", with_query(location, digest=digest_of(b"ab0123456789")))


@pytest.mark.parametrize(
    "body",
    [b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n"],
    ids=["no number", "no end", "negative"],
)
def test_malformed_chunks_are_refused_and_never_committed(
    registry: Server, client: Client, repo: str, body: bytes
) -> None:
    location = with_query(client.start_upload(repo).location, digest=digest_of(b"hello"))
    status, _, _ = wire.ask(registry.port, "PUT", location, "Transfer-Encoding: chunked", body=body)
    assert status == 400
    assert client.head_blob(repo, digest_of(b"hello")).status == 404


def test_an_empty_chunked_patch_changes_nothing(client: Client, repo: str) -> None:
    digest, data = random_blob(100)
    started = client.start_upload(repo)
    assert client.expect(202, "PATCH", started.location, b"").header("Range") == "0-0"
    client.expect(202, "PATCH", started.location, data)
    assert client.expect(202, "PATCH", started.location, b"").header("Range") == "0-99"
    client.expect(201, "PUT", with_query(started.location, digest=digest), b"")


def test_put_and_delete_need_no_content_length(registry: Server, client: Client, repo: str) -> None:
    digest, data = random_blob(100)
    location = client.expect(202, "PATCH", client.start_upload(repo).location, data).location
    assert wire.ask(registry.port, "PUT", with_query(location, digest=digest))[0] == 201
    assert wire.ask(registry.port, "DELETE", f"/v2/{repo}/blobs/{digest}")[0] == 202
    location = client.start_upload(repo).location
    assert wire.ask(registry.port, "DELETE", location)[0] == 204


def test_content_range_that_contradicts_the_length_is_refused(client: Client, repo: str) -> None:
    location = client.start_upload(repo).location
    answer = client.expect(400, "PATCH", location, b"x" * 10, length=10, headers=[("Content-Range", "0-10")])
    assert answer.error_code == "SIZE_INVALID"
    assert client.expect(204, "GET", location).header("Range") == "0-0"


# Retries, and several at once.


def test_the_first_location_stays_good(client: Client, repo: str) -> None:
    digest, data = random_blob(300)
    first = client.start_upload(repo).location
    for start in (0, 100, 200):
        chunk = data[start : start + 100]
        span = [("Content-Range", f"{start}-{start + 99}")]
        client.expect(202, "PATCH", first, chunk, length=100, headers=span)
        assert client.expect(204, "GET", first).header("Range") == f"0-{start + 99}"
        again = client.expect(416, "PATCH", first, chunk, length=100, headers=span)
        assert again.header("Range") == f"0-{start + 99}"
        assert again.header("Location")
    client.expect(201, "PUT", with_query(first, digest=digest))
    assert client.get_blob(repo, digest).body == data


def test_an_upload_is_closed_twice_and_the_blob_stays(client: Client, repo: str) -> None:
    digest, data = random_blob(100)
    target = with_query(client.start_upload(repo).location, digest=digest)
    client.expect(201, "PUT", target, data, length=100)
    assert client.send("PUT", target).status in (201, 404)
    assert client.get_blob(repo, digest).body == data


def test_a_put_without_digest_leaves_the_upload_as_it_was(client: Client, repo: str) -> None:
    digest, data = random_blob(100)
    location = client.expect(202, "PATCH", client.start_upload(repo).location, data).location
    assert client.expect(400, "PUT", location).error_code == "DIGEST_INVALID"
    client.expect(201, "PUT", with_query(location, digest=digest))


def test_sessions_that_close_the_same_digest_at_once_all_succeed(registry: Server, client: Client, repo: str) -> None:
    digest, data = random_blob(50_000)
    clients = [Client(registry.host) for _ in range(8)]
    targets = [with_query(one.start_upload(repo).location, digest=digest) for one in clients]
    barrier = threading.Barrier(len(clients))

    def close(number: int) -> int:
        barrier.wait(20)
        return clients[number].send("PUT", targets[number], data, length=len(data)).status

    with ThreadPoolExecutor(len(clients)) as pool:
        assert set(pool.map(close, range(len(clients)))) == {201}
    assert client.get_blob(repo, digest).body == data
    for one in clients:
        one.close()


def test_every_request_may_come_on_another_connection(registry: Server, repo: str) -> None:
    """Which process answers is the kernel's choice: whatever one has acknowledged, all have seen."""

    def ask(method: str, target: str, *args: Any, **options: Any) -> Answer:
        one = Client(registry.host)
        try:
            return one.send(method, target, *args, **options)
        finally:
            one.close()

    for _ in range(5):
        digest, data = random_blob(4000)
        location = ask("POST", f"/v2/{repo}/blobs/uploads/").location
        for start in range(0, 4000, 1000):
            span = [("Content-Range", f"{start}-{start + 999}")]
            assert ask("PATCH", location, data[start : start + 1000], length=1000, headers=span).status == 202
            assert ask("GET", location).header("Range") == f"0-{start + 999}"
        assert ask("PUT", with_query(location, digest=digest)).status == 201
        assert ask("HEAD", f"/v2/{repo}/blobs/{digest}").status == 200
        assert ask("DELETE", f"/v2/{repo}/blobs/{digest}").status == 202
        assert {ask("HEAD", f"/v2/{repo}/blobs/{digest}").status for _ in range(4)} == {404}


# Queries are re-encoded, re-ordered and added to.


def test_the_location_is_relative_and_needs_no_decoding(client: Client, repo: str) -> None:
    started = client.start_upload(repo)
    place = started.header("Location") or ""
    assert place.startswith(f"/v2/{repo}/blobs/uploads/")
    assert "%" not in place


@pytest.mark.parametrize(
    "query", ["digest={}", "x=1&digest={}", "digest={}&x=1", "digest={}&ns=docker.io&origin=a", "&digest={}&"]
)
@pytest.mark.parametrize("escaped", [False, True], ids=["plain", "escaped"])
def test_the_digest_is_found_anywhere_in_the_query(client: Client, repo: str, query: str, escaped: bool) -> None:
    digest, data = random_blob(100)
    text = query.format(digest.replace(":", "%3A") if escaped else digest)
    client.expect(201, "PUT", f"{client.start_upload(repo).location}?{text}", data, length=100)


def test_a_mount_source_may_be_escaped(client: Client, repo: str, repo2: str) -> None:
    digest, data = random_blob(100)
    client.push_blob(repo2, digest, data)
    query = f"from={repo2.replace('/', '%2F')}&mount={digest.replace(':', '%3A')}&origin=registry.example"
    client.expect(201, "POST", f"/v2/{repo}/blobs/uploads/?{query}")


def test_the_namespace_of_a_mirror_request_is_ignored(client: Client, repo: str) -> None:
    digest, data = push_image(client, repo, "v1")
    ns = "ns=registry.example%3A5000"
    for reference in (digest, "v1"):
        assert client.expect(200, "GET", f"/v2/{repo}/manifests/{reference}?{ns}").body == data
        client.expect(200, "HEAD", f"/v2/{repo}/manifests/{reference}?{ns}")
    client.expect(200, "GET", f"/v2/{repo}/tags/list?{ns}")
    client.expect(202, "POST", f"/v2/{repo}/blobs/uploads/?{ns}")


# A mount that makes no sense is an upload.


@pytest.mark.parametrize(
    "digest", ["sha256:short", "nonsense", "", "sha256:" + "g" * 64, "sha256:" + "a" * 64, "md5:00"]
)
def test_a_mount_of_a_bad_digest_opens_a_session_or_is_refused(client: Client, repo: str, digest: str) -> None:
    for source in ({}, {"from": "some/where"}):
        answer = client.send("POST", with_query(f"/v2/{repo}/blobs/uploads/", mount=digest, **source))
        assert answer.status in (202, 400), str(answer)


@pytest.mark.parametrize("source", ["UPPER/Case", "../etc", "", "a//b", "x" * 300])
def test_a_mount_from_a_bad_name_opens_a_session(client: Client, repo: str, source: str) -> None:
    digest, _ = random_blob(10)
    query = {"mount": digest, "from": source}
    client.expect(202, "POST", with_query(f"/v2/{repo}/blobs/uploads/", **query))
