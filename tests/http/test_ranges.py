"""Byte ranges of blobs over HTTP, at the edges (RFC 9110, section 14): resuming clients and lazy snapshotters live on them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.conformance.content import random_blob

if TYPE_CHECKING:
    from tests.conformance.oci import Answer, Client

# Both below and above what is answered in one piece.
SIZES = [2048, 200_000]


def ask(client: Client, repo: str, digest: str, wanted: str, *more: tuple[str, str]) -> Answer:
    return client.send("GET", f"/v2/{repo}/blobs/{digest}", headers=[("Range", wanted), *more])


def push(client: Client, repo: str, size_bytes: int) -> tuple[str, bytes]:
    digest, data = random_blob(size_bytes)
    client.push_blob(repo, digest, data)
    return digest, data


def test_one_byte_has_a_first_byte_and_no_second(client: Client, repo: str) -> None:
    digest, data = push(client, repo, 1)
    answer = ask(client, repo, digest, "bytes=0-1")
    assert (answer.status, answer.header("Content-Range"), answer.body) == (206, "bytes 0-0/1", data)
    answer = ask(client, repo, digest, "bytes=1-1")
    assert (answer.status, answer.header("Content-Range")) == (416, "bytes */1")


@pytest.mark.parametrize("wanted", ["bytes=0-1", "bytes=0-", "bytes=-1"])
def test_no_byte_of_an_empty_blob_exists(client: Client, repo: str, wanted: str) -> None:
    digest, _ = push(client, repo, 0)
    answer = ask(client, repo, digest, wanted)
    assert (answer.status, answer.header("Content-Range")) == (416, "bytes */0")


@pytest.mark.parametrize("size_bytes", SIZES)
def test_a_suffix_longer_than_the_blob_is_all_of_it(client: Client, repo: str, size_bytes: int) -> None:
    digest, data = push(client, repo, size_bytes)
    answer = ask(client, repo, digest, f"bytes=-{size_bytes + 1}")
    assert (answer.status, answer.body) == (206, data)
    assert answer.header("Content-Range") == f"bytes 0-{size_bytes - 1}/{size_bytes}"


@pytest.mark.parametrize("wanted", ["items=0-1", "bytes", "bytes=", "bytes=a-b", "bytes=0", "=0-1", "0-1"])
def test_what_is_no_range_of_bytes_is_ignored(client: Client, repo: str, wanted: str) -> None:
    digest, data = push(client, repo, 100)
    answer = ask(client, repo, digest, wanted)
    # "bytes=" holds no range at all: nothing asked for, or nothing satisfiable. Both readings are in use.
    assert (answer.status, answer.body) == (200, data) or (wanted == "bytes=" and answer.status == 416), str(answer)


@pytest.mark.parametrize("size_bytes", SIZES)
def test_an_open_range_reaches_the_end(client: Client, repo: str, size_bytes: int) -> None:
    """How containerd, docker and podman resume."""
    digest, data = push(client, repo, size_bytes)
    answer = ask(client, repo, digest, "bytes=1000-")
    assert (answer.status, answer.body) == (206, data[1000:])
    assert answer.header("Content-Range") == f"bytes 1000-{size_bytes - 1}/{size_bytes}"
    assert answer.header("Content-Type") == "application/octet-stream"


@pytest.mark.parametrize("size_bytes", SIZES)
def test_several_ranges_come_as_parts_that_say_where_they_are_from(client: Client, repo: str, size_bytes: int) -> None:
    digest, data = push(client, repo, size_bytes)
    answer = ask(client, repo, digest, "bytes=0-9, 100-199,-5")
    assert answer.status == 206
    kind = answer.header("Content-Type") or ""
    found = re.fullmatch(r"multipart/byteranges; boundary=(\S+)", kind)
    assert found, kind
    first, *parts, last = answer.body.split(b"\r\n--" + found[1].encode())
    assert (first, last) == (b"", b"--\r\n")
    spans = [(0, 9), (100, 199), (size_bytes - 5, size_bytes - 1)]
    assert len(parts) == len(spans)
    for part, (start, end) in zip(parts, spans, strict=True):
        head, _, content = part.partition(b"\r\n\r\n")
        assert f"Content-Range: bytes {start}-{end}/{size_bytes}".encode() in head
        assert content == data[start : end + 1]


@pytest.mark.parametrize("count", [129, 900])
def test_a_huge_list_of_ranges_is_answered_with_the_whole(client: Client, repo: str, count: int) -> None:
    digest, data = push(client, repo, 100_000)
    answer = ask(client, repo, digest, "bytes=" + ",".join(f"{n}-{n}" for n in range(count)))
    assert (answer.status, answer.body) == (200, data)


def test_overlapping_ranges_cost_no_more_than_the_whole(client: Client, repo: str) -> None:
    digest, data = push(client, repo, 1000)
    answer = ask(client, repo, digest, "bytes=" + ",".join(["0-"] * 100))
    assert (answer.status, answer.body) == (200, data)


def test_if_range_decides_between_part_and_whole(client: Client, repo: str) -> None:
    digest, data = push(client, repo, 1000)
    assert ask(client, repo, digest, "bytes=0-9", ("If-Range", f'"{digest}"')).body == data[:10]
    for stale in ('"other"', "Sat, 21 Nov 2026 00:00:00 GMT", f'W/"{digest}"'):
        answer = ask(client, repo, digest, "bytes=0-9", ("If-Range", stale))
        assert (answer.status, answer.body) == (200, data)


def test_head_ignores_ranges(client: Client, repo: str) -> None:
    digest, _ = push(client, repo, 1000)
    answer = client.send("HEAD", f"/v2/{repo}/blobs/{digest}", headers=[("Range", "bytes=0-9")])
    assert (answer.status, answer.header("Content-Length")) == (200, "1000")


def test_a_manifest_is_never_sent_in_part(client: Client, repo: str) -> None:
    digest, data = push(client, repo, 10)
    manifest = (
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[],"config":'
        b'{"mediaType":"application/vnd.oci.image.config.v1+json","size":%d,"digest":"%b"}}'
        % (len(data), digest.encode())
    )
    assert client.put_manifest(repo, "v1", manifest).status == 201
    answer = client.send("GET", f"/v2/{repo}/manifests/v1", headers=[("Range", "bytes=0-9")])
    assert (answer.status, answer.body) == (200, manifest)
