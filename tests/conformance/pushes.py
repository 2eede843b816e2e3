"""The ways to push a blob, each with everything the official program demands of it.

Every function pushes ``data`` under ``digest``. With ``refused=True`` the bytes are not what the digest names: the request that
closes the upload must be answered 400. Otherwise its 201 must carry the digest, and its Location must give back the same bytes.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from tests.conformance.oci import OCTETS, Answer, Client, with_query

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_MIN_BYTES: Final = 1024
# Three chunks, the last one shorter.
THREE_CHUNKS_BYTES: Final = 3 * CHUNK_MIN_BYTES - 5
_TYPE: Final = ("Content-Type", OCTETS)


def post_only(client: Client, repo: str, digest: str, data: bytes, *, refused: bool = False) -> None:
    """End-4b. 202 ("not supported") is legal, and not good enough here."""
    target = with_query(f"/v2/{repo}/blobs/uploads/", digest=digest)
    # An empty body is set without its length, which makes it a chunked one.
    answer = client.send("POST", target, data, length=len(data) or None, headers=[_TYPE])
    _closed(client, answer, digest, data, refused=refused)


def post_put(client: Client, repo: str, digest: str, data: bytes, *, refused: bool = False) -> None:
    """End-4a, end-6."""
    target = with_query(client.start_upload(repo).location, digest=digest)
    answer = client.send("PUT", target, data, length=len(data) or None, headers=[_TYPE])
    _closed(client, answer, digest, data, refused=refused)


def stream(client: Client, repo: str, digest: str, data: bytes, *, refused: bool = False) -> None:
    """One PATCH of unknown length without Content-Range, and an empty PUT."""
    location = client.start_upload(repo).location
    patched = client.expect(202, "PATCH", location, data, headers=[_TYPE])
    answer = client.send("PUT", with_query(patched.location, digest=digest), headers=[_TYPE])
    _closed(client, answer, digest, data, refused=refused)


def chunked(
    client: Client,
    repo: str,
    digest: str,
    data: bytes,
    *,
    refused: bool = False,
    put_last: bool = False,
    out_of_order: bool = False,
) -> None:
    """PATCH by PATCH (end-5), closed by an empty PUT or, with ``put_last``, by the last chunk.

    ``out_of_order`` sends a chunk that must be refused before every good one: one chunk too far on, then from the beginning.
    """
    started = client.start_upload(repo)
    location = started.location
    size_bytes = chunk_size(started, data)
    for start in range(0, len(data), size_bytes):
        if out_of_order:
            location = _refused_chunk(client, location, digest, data, start, size_bytes, put_last=put_last)
        last = min(start + size_bytes, len(data)) - 1
        if put_last and last == len(data) - 1:
            answer = _send_chunk(client, "PUT", with_query(location, digest=digest), data, start, last)
            _closed(client, answer, digest, data, refused=refused)
            return
        answer = _send_chunk(client, "PATCH", location, data, start, last)
        assert answer.status == 202, str(answer)
        assert answer.header("Range") == f"0-{last}", str(answer)
        location = answer.location
    answer = client.send("PUT", with_query(location, digest=digest), headers=[_TYPE])
    _closed(client, answer, digest, data, refused=refused)


def chunk_size(started: Answer, data: bytes) -> int:
    """Three chunks if the registry's minimum allows."""
    minimum = int(started.header("OCI-Chunk-Min-Length") or 0)
    return max(len(data) // 3 + 1, minimum, CHUNK_MIN_BYTES)


METHODS: Final[dict[str, Callable[[Client, str, str, bytes], None]]] = {
    "post+put": post_put,
    "post only": post_only,
    "stream": stream,
    "chunked": chunked,
}
_turn = itertools.cycle(METHODS.values())


def push_any(client: Client, repo: str, digest: str, data: bytes) -> None:
    """By the next of the four methods in turn."""
    next(_turn)(client, repo, digest, data)


def mount(client: Client, repo: str, digest: str, source: str = "") -> Answer:
    """End-11: POST with ``mount`` and, unless anonymous, ``from``."""
    query = {"mount": digest} | ({"from": source} if source else {})
    return client.send("POST", with_query(f"/v2/{repo}/blobs/uploads/", **query))


def stored(client: Client, answer: Answer, digest: str, data: bytes) -> None:
    """What a 201 promises: the digest, and a Location that gives back the same bytes."""
    assert answer.status == 201, str(answer)
    assert answer.header("Docker-Content-Digest") == digest, str(answer)
    got = client.expect(200, "GET", answer.location)
    assert got.body == data, f"other bytes at {answer.location}"


def _closed(client: Client, answer: Answer, digest: str, data: bytes, *, refused: bool) -> None:
    if refused:
        assert answer.status == 400, str(answer)
        assert answer.error_code == "DIGEST_INVALID", str(answer)
        repo = answer.target.removeprefix("/v2/").partition("/blobs/")[0]
        assert client.head_blob(repo, digest).status == 404, "a refused blob is visible"
    else:
        stored(client, answer, digest, data)


def _send_chunk(client: Client, method: str, target: str, data: bytes, first: int, last: int) -> Answer:
    headers = [_TYPE, ("Content-Range", f"{first}-{last}")]
    return client.send(method, target, data[first : last + 1], length=last - first + 1, headers=headers)


def _refused_chunk(
    client: Client, location: str, digest: str, data: bytes, start: int, size_bytes: int, *, put_last: bool
) -> str:
    """A chunk at the wrong place is answered 416 and changes nothing; the status request tells where to go on."""
    wrong = start + size_bytes if start + size_bytes < len(data) else 0
    last = min(wrong + size_bytes, len(data)) - 1
    method, target = "PATCH", location
    if put_last and last == len(data) - 1:
        method, target = "PUT", with_query(location, digest=digest)
    answer = _send_chunk(client, method, target, data, wrong, last)
    assert answer.status == 416, str(answer)
    status = client.expect(204, "GET", target)
    came = status.header("Range") or ""
    assert re.fullmatch(r"0-\d+", came), str(status)
    assert not start or came == f"0-{start - 1}", str(status)
    return status.location
