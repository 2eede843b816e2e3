"""Head of the distribution-spec's conformance suite, "sha256 blobs" and "sha512 blobs": one test a case, named as there.

What the suite calls skipped (202 on a POST with the blob in it, 202 on a mount, 200 on a range, 405 on a delete) fails here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance import pushes
from tests.conformance.content import digest_of, random_blob
from tests.conformance.oci import OCTETS, with_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.oci import Client

pytestmark = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
EMPTIES = {"empty": b"", "emptyJSON": b"{}"}


def check_pull(client: Client, repo: str, digest: str, data: bytes) -> None:
    """blob-head and blob-get."""
    for answer in (client.head_blob(repo, digest), client.get_blob(repo, digest)):
        assert answer.status == 200, str(answer)
        assert answer.header("Content-Length") == str(len(data)), str(answer)
        assert answer.header("Docker-Content-Digest") == digest, str(answer)
        assert answer.body == (b"" if answer.method == "HEAD" else data), str(answer)


def check_delete(client: Client, repo: str, digest: str) -> None:
    """blob-delete, and gone for the very next request."""
    client.expect(202, "DELETE", f"/v2/{repo}/blobs/{digest}")
    assert client.head_blob(repo, digest).status == 404


def check_pushed(client: Client, repo: str, digest: str, data: bytes) -> None:
    check_pull(client, repo, digest, data)
    check_delete(client, repo, digest)


def test_get_missing(client: Client, repo: str, algorithm: str) -> None:
    digest, _ = random_blob(512, algorithm)
    assert client.get_blob(repo, digest).status == 404


def test_post_only(client: Client, repo: str, algorithm: str) -> None:
    digest, data = random_blob(512, algorithm)
    pushes.post_only(client, repo, digest, data)
    check_pushed(client, repo, digest, data)


def test_post_put(client: Client, repo: str, algorithm: str) -> None:
    digest, data = random_blob(512, algorithm)
    pushes.post_put(client, repo, digest, data)
    check_pushed(client, repo, digest, data)


def test_chunked_single(client: Client, repo: str, algorithm: str) -> None:
    digest, data = random_blob(512, algorithm)
    pushes.chunked(client, repo, digest, data)
    check_pushed(client, repo, digest, data)


def test_stream(client: Client, repo: str, algorithm: str) -> None:
    digest, data = random_blob(512, algorithm)
    pushes.stream(client, repo, digest, data)
    check_pushed(client, repo, digest, data)


def test_mount(client: Client, repo: str, repo2: str, algorithm: str) -> None:
    digest, data = random_blob(512, algorithm)
    pushes.push_any(client, repo2, digest, data)
    pushes.stored(client, pushes.mount(client, repo, digest, repo2), digest, data)
    check_pushed(client, repo, digest, data)
    check_pushed(client, repo2, digest, data)


def test_mount_anonymous(client: Client, repo: str, repo2: str, algorithm: str) -> None:
    digest, data = random_blob(512, algorithm)
    pushes.push_any(client, repo2, digest, data)
    pushes.stored(client, pushes.mount(client, repo, digest), digest, data)
    check_pushed(client, repo, digest, data)
    check_pushed(client, repo2, digest, data)


def test_mount_missing(client: Client, repo: str, repo2: str, algorithm: str) -> None:
    """Nothing to mount: 202, and the session it opens takes the blob."""
    digest, data = random_blob(512, algorithm)
    answer = pushes.mount(client, repo, digest, repo2)
    assert answer.status == 202, str(answer)
    target = with_query(answer.location, digest=digest)
    put = client.send("PUT", target, data, length=len(data), headers=[("Content-Type", OCTETS)])
    pushes.stored(client, put, digest, data)
    check_pushed(client, repo, digest, data)


def test_post_cancel(client: Client, repo: str, algorithm: str) -> None:
    digest, _ = random_blob(512, algorithm)
    location = client.start_upload(repo).location
    client.expect(204, "DELETE", location)
    assert client.send("DELETE", f"/v2/{repo}/blobs/{digest}").status == 404
    assert client.head_blob(repo, digest).status == 404
    assert client.send("GET", location).status == 404, "a cancelled upload is still there"


@pytest.mark.parametrize("put_last", [False, True], ids=["", "and-put-chunk"])
@pytest.mark.parametrize("out_of_order", [False, True], ids=["multi", "out-of-order"])
def test_chunked(client: Client, repo: str, algorithm: str, put_last: bool, out_of_order: bool) -> None:
    digest, data = random_blob(pushes.THREE_CHUNKS_BYTES, algorithm)
    pushes.chunked(client, repo, digest, data, put_last=put_last, out_of_order=out_of_order)
    check_pushed(client, repo, digest, data)


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("500-1499", 500, 1499), ("500-", 500, 2047), ("-500", 1548, 2047), ("2000-5000", 2000, 2047)],
)
def test_range_requests(client: Client, repo: str, algorithm: str, wanted: str, first: int, last: int) -> None:
    digest, data = random_blob(2048, algorithm)
    pushes.push_any(client, repo, digest, data)
    answer = client.expect(206, "GET", f"/v2/{repo}/blobs/{digest}", headers=[("Range", f"bytes={wanted}")])
    assert answer.body == data[first : last + 1]
    assert answer.header("Content-Length") == str(last - first + 1)
    assert answer.header("Content-Range") == f"bytes {first}-{last}/2048"
    check_delete(client, repo, digest)


@pytest.mark.parametrize("wanted", ["500-0", "5000-10000"])
def test_range_requests_that_cannot_be_satisfied(client: Client, repo: str, algorithm: str, wanted: str) -> None:
    digest, data = random_blob(2048, algorithm)
    pushes.push_any(client, repo, digest, data)
    answer = client.expect(416, "GET", f"/v2/{repo}/blobs/{digest}", headers=[("Range", f"bytes={wanted}")])
    assert answer.header("Content-Range") == "bytes */2048"
    check_delete(client, repo, digest)


@pytest.mark.parametrize("push", pushes.METHODS.values(), ids=pushes.METHODS)
@pytest.mark.parametrize("name", EMPTIES)
def test_well_known(
    client: Client, repo: str, algorithm: str, name: str, push: Callable[[Client, str, str, bytes], None]
) -> None:
    """ "empty" and "emptyJSON", by every method instead of one of them."""
    digest = digest_of(EMPTIES[name], algorithm)
    push(client, repo, digest, EMPTIES[name])
    check_pushed(client, repo, digest, EMPTIES[name])


@pytest.mark.parametrize(
    "push", [pushes.post_only, pushes.post_put, pushes.chunked, pushes.stream], ids=lambda push: push.__name__
)
def test_bad_digest(client: Client, repo: str, algorithm: str, push: Callable[..., None]) -> None:
    digest, data = random_blob(pushes.THREE_CHUNKS_BYTES, algorithm)
    push(client, repo, digest, data + b"oh no", refused=True)


def test_bad_digest_chunked_and_put_chunk(client: Client, repo: str, algorithm: str) -> None:
    digest, data = random_blob(pushes.THREE_CHUNKS_BYTES, algorithm)
    pushes.chunked(client, repo, digest, data + b"oh no", put_last=True, refused=True)
