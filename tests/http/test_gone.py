"""Clients that go away in the middle: nothing is half visible, no place is lost, and whoever comes back goes on.

The registry here has two places for transfers in each direction and one process, so that a place lost is soon missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.content import random_blob
from tests.conformance.oci import Client, with_query
from tests.http import wire
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Server

# Larger than all socket buffers on the way, so that the server is in the middle of it when the client goes.
BLOB_BYTES = 32 * 1024 * 1024
SENT_BYTES = 3 * 1024 * 1024
TRIES = 5


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"workers": 1, "threads": 16, "maxTransfers": 2}
    with serving(tmp_path_factory.mktemp("narrow"), http=settings) as server:
        yield server


@pytest.fixture
def client(narrow: Server) -> Iterator[Client]:
    client = Client(narrow.host)
    yield client
    client.close()


def begin_patch(server: Server, location: str, data: bytes, *, chunked: bool) -> None:
    """Send the head and a part of the body, then vanish."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(data)}"
    sock = wire.connect(server.port)
    part = data[:SENT_BYTES]
    sock.sendall(wire.request("PATCH", location, length, body=b"%x\r\n" % len(data) + part if chunked else part))
    wire.vanish(sock)


@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "chunked"])
def test_an_upload_goes_on_after_its_client_has_vanished(
    narrow: Server, client: Client, repo: str, chunked: bool
) -> None:
    digest, data = random_blob(8 * 1024 * 1024)
    location = client.start_upload(repo).location
    for _ in range(TRIES):
        begin_patch(narrow, location, data, chunked=chunked)
        assert client.head_blob(repo, digest).status == 404
        # Start over in order: what had come may have been kept, so ask where the upload stands.
        client.expect(204, "GET", location)

    def resumed() -> bool:
        came = client.expect(204, "GET", location).header("Range") or ""
        first = 0 if came == "0-0" else int(came.removeprefix("0-")) + 1
        span = [("Content-Range", f"{first}-{len(data) - 1}")]
        answer = client.send("PATCH", location, data[first:], length=len(data) - first, headers=span)
        # 416: bytes of the one who vanished were still coming in. 429: its place is not free yet.
        assert answer.status in (202, 416, 429), str(answer)
        return answer.status == 202

    wait_for("the upload to be free again", resumed)
    client.expect(201, "PUT", with_query(location, digest=digest))
    assert client.get_blob(repo, digest).body == data


def test_a_closing_put_whose_client_vanished_commits_nothing(narrow: Server, client: Client, repo: str) -> None:
    digest, data = random_blob(8 * 1024 * 1024)
    for _ in range(TRIES):
        location = with_query(client.start_upload(repo).location, digest=digest)
        sock = wire.connect(narrow.port)
        sock.sendall(wire.request("PUT", location, f"Content-Length: {len(data)}", body=data[:SENT_BYTES]))
        wire.vanish(sock)
        assert client.head_blob(repo, digest).status == 404
    wait_for("places for pushes", lambda: client.send("PATCH", client.start_upload(repo).location, data).status == 202)
    assert client.head_blob(repo, digest).status == 404


def test_places_come_back_when_downloads_break_off(narrow: Server, client: Client, repo: str) -> None:
    digest, data = random_blob(BLOB_BYTES)
    client.push_blob(repo, digest, data)
    for _ in range(TRIES):
        sock = wire.connect(narrow.port)
        sock.sendall(wire.request("GET", f"/v2/{repo}/blobs/{digest}"))
        assert sock.recv(1000)
        wire.vanish(sock)
    wait_for("places for pulls", lambda: client.get_blob(repo, digest).body == data)


def test_when_all_places_are_taken_the_next_one_is_told_when_to_come_back(
    narrow: Server, client: Client, repo: str
) -> None:
    digest, data = random_blob(BLOB_BYTES)
    client.push_blob(repo, digest, data)
    held = [wire.connect(narrow.port) for _ in range(2)]
    for sock in held:
        sock.sendall(wire.request("GET", f"/v2/{repo}/blobs/{digest}"))
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    answer = client.get_blob(repo, digest)
    assert (answer.status, answer.error_code) == (429, "TOOMANYREQUESTS")
    assert int(answer.header("Retry-After") or 0) >= 1
    # Short requests are not held up.
    assert client.head_blob(repo, digest).status == 200
    for sock in held:
        sock.close()
    wait_for("places for pulls", lambda: client.get_blob(repo, digest).status == 200)
