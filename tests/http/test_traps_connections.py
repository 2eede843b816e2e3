"""What real clients do with connections, headers and heads that surprises a registry: one rule a test.

Sources: captures of docker, podman, skopeo, containerd and crane, and their source code.
"""

from __future__ import annotations

import http.client
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.conformance.content import digest_of, random_blob
from tests.conformance.oci import OCI_MANIFEST, OCTETS, Client
from tests.http import wire
from tests.http.images import push_image

if TYPE_CHECKING:
    from tests.serving import Server

SIX_ACCEPTS = [
    ("Accept", media_type)
    for media_type in (
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
        OCI_MANIFEST,
    )
]


# docker, podman and containerd try TLS first, and fall back only if the answer looks like HTTP.


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="registry.example")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_a_tls_hello_on_the_plain_port_is_answered_in_http(registry: Server) -> None:
    for _ in range(20):
        answer = wire.exchange(registry.port, client_hello())
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:80]
    assert registry.request("GET", "/v2/")[0] == 200


def test_a_tls_hello_that_comes_in_pieces_is_answered_in_http(registry: Server) -> None:
    hello = client_hello()
    with wire.connect(registry.port) as sock:
        sock.sendall(hello[:1])
        assert sock.recv(7) == b"HTTP/1."


# docker closes after every request, crane keeps dozens of connections.


def test_a_client_may_close_after_every_request(registry: Server, client: Client, repo: str) -> None:
    digest, data = random_blob(3000)
    client.push_blob(repo, digest, data)
    status, headers, body = wire.ask(registry.port, "GET", f"/v2/{repo}/blobs/{digest}")
    assert (status, headers["connection"], body) == (200, "close", data)


def test_an_http_1_0_client_is_answered_and_let_go(registry: Server) -> None:
    answer = wire.exchange(registry.port, b"GET /v2/ HTTP/1.0\r\n\r\n")
    status, headers, body = wire.parse(answer)
    assert (status, headers["connection"], body) == (200, "close", b"{}")


def test_fifty_kept_alive_connections_are_served_at_once(registry: Server, client: Client, repo: str) -> None:
    digest, data = push_image(client, repo, "v1")
    clients = [Client(registry.host) for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        for _ in range(3):
            answers = list(pool.map(lambda one: one.get_manifest(repo, "v1"), clients))
            assert {(a.status, a.body, a.header("Docker-Content-Digest")) for a in answers} == {(200, data, digest)}
    for one in clients:
        one.close()


def test_two_requests_sent_in_one_piece_are_both_answered(registry: Server) -> None:
    """Pipelining: nobody should, but a proxy may."""
    first = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = wire.exchange(registry.port, first + wire.request("GET", "/v2/"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2


# Accept says little, and nothing is compressed.


@pytest.mark.parametrize(
    "accept",
    [
        SIX_ACCEPTS,
        [("Accept", ", ".join(value for _, value in SIX_ACCEPTS))],
        [],
        [("Accept", "*/*")],
        [("Accept", "text/html")],
    ],
    ids=["six lines", "one line", "none", "anything", "something else"],
)
def test_a_manifest_is_returned_whatever_accept_says(client: Client, repo: str, accept: list[tuple[str, str]]) -> None:
    digest, data = push_image(client, repo, "v1")
    for reference in (digest, "v1"):
        answer = client.expect(200, "GET", f"/v2/{repo}/manifests/{reference}", headers=accept)
        assert (answer.header("Content-Type"), answer.body) == (OCI_MANIFEST, data)


@pytest.mark.parametrize("coding", ["gzip", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5", "br, *;q=0.1"])
def test_nothing_is_compressed(client: Client, repo: str, coding: str) -> None:
    push_image(client, repo, "v1")
    data = b"a" * 100_000
    client.push_blob(repo, digest_of(data), data)
    wanted = [("Accept-Encoding", coding)]
    assert client.expect(200, "GET", f"/v2/{repo}/blobs/{digest_of(data)}", headers=wanted).body == data
    for target in (f"/v2/{repo}/manifests/v1", f"/v2/{repo}/tags/list"):
        assert not client.expect(200, "GET", target, headers=wanted).values("Content-Encoding")


# Answers without a body.


def test_head_says_the_length_and_sends_nothing(registry: Server, client: Client, repo: str) -> None:
    digest, manifest = push_image(client, repo)
    blob, data = random_blob(100_000)
    client.push_blob(repo, blob, data)
    for target, size_bytes in ((f"blobs/{blob}", len(data)), (f"manifests/{digest}", len(manifest))):
        status, headers, rest = wire.ask(registry.port, "HEAD", f"/v2/{repo}/{target}")
        assert (status, headers["content-length"], rest) == (200, str(size_bytes), b"")


def test_204_and_304_end_with_the_head(registry: Server, client: Client, repo: str) -> None:
    digest, _ = push_image(client, repo)
    blob, data = random_blob(100)
    client.push_blob(repo, blob, data)
    status, headers, rest = wire.ask(registry.port, "GET", client.start_upload(repo).location)
    assert (status, headers.get("content-length", "0"), rest) == (204, "0", b"")
    for target, tag in ((f"blobs/{blob}", blob), (f"manifests/{digest}", digest)):
        status, headers, rest = wire.ask(registry.port, "GET", f"/v2/{repo}/{target}", f'If-None-Match: "{tag}"')
        assert (status, headers["etag"], rest) == (304, f'"{tag}"', b"")


def test_errors_of_head_have_no_body(registry: Server) -> None:
    status, headers, rest = wire.ask(registry.port, "HEAD", "/v2/no/such/manifests/tag")
    assert (status, headers["content-type"], rest) == (404, "application/json", b"")


# Credentials nobody asked for.


@pytest.mark.parametrize(
    "lines",
    [
        ["Authorization: Basic Og=="],
        ["Authorization: Basic Og==", "Authorization: Bearer x"],
        ["Authorization: nonsense"],
        ["Authorization:"],
    ],
    ids=["podman's empty user", "two", "neither", "empty"],
)
def test_an_open_registry_ignores_credentials(registry: Server, lines: list[str]) -> None:
    assert wire.ask(registry.port, "GET", "/v2/", *lines)[0] == 200


# Refusals.


def test_no_answer_waits_for_a_body_that_is_not_coming(registry: Server, client: Client, repo: str) -> None:
    """A refusal goes out at once, although the client has announced a body and sent none of it."""
    connection = http.client.HTTPConnection(registry.host, timeout=10)
    connection.putrequest("PUT", f"/v2/{repo}/manifests/sha256:bad")
    connection.putheader("Content-Length", "1000000")
    connection.putheader("Content-Type", OCTETS)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (400, "close")
    connection.close()
