"""The disk of a registry fills up, by pushes and then by somebody else, to the last byte: refusals that say what to do, no loss."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.gc.test_on_one_machine import MANIFEST, digest_of, push_image
from tests.serving import start, wait_for
from tests.small_disk import MIB, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.serving import Server
    from tests.small_disk import SmallDisk

REPOSITORY = "team/app"
STORAGE = {"freeSpaceReserve": "8MiB", "gc": False}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "data", 64) as disk:
        yield disk


@pytest.fixture
def server(tmp_path: Path, disk: SmallDisk) -> Iterator[Server]:
    assert disk.free_bytes > 48 * MIB
    server = start(tmp_path, storage=STORAGE)
    yield server
    server.stop()


def push(server: Server, data: bytes) -> tuple[int, Mapping[str, str], bytes]:
    return server.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={digest_of(data)}", data)


def push_in_parts(server: Server, data: bytes) -> tuple[int, Mapping[str, str], bytes]:
    """The first answer that is no success, or the last."""
    said = server.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
    if said[0] == 202:
        said = server.request("PATCH", said[1]["location"], data)
    if said[0] == 202:
        there = said[1]["location"]
        said = server.request("PUT", f"{there}{'&' if '?' in there else '?'}digest={digest_of(data)}")
    return said


def is_refused_well(said: tuple[int, Mapping[str, str], bytes]) -> bool:
    status, headers, body = said
    (error,) = json.loads(body)["errors"]
    assert (status, error["code"]) == (503, "UNAVAILABLE"), said
    assert int(headers["retry-after"]) > 0
    return bool(error["message"])


def all_is_there(server: Server, kept: list[bytes], image: str) -> bool:
    for data in kept:
        status, _, body = server.request("GET", f"/v2/{REPOSITORY}/blobs/{digest_of(data)}")
        assert (status, body == data) == (200, True), (status, body[:300])
    status, _, body = server.request("GET", f"/v2/{REPOSITORY}/manifests/v1")
    assert (status, digest_of(body)) == (200, image), body
    return True


def test_a_full_disk_is_told_with_what_to_do_and_loses_nothing(server: Server, disk: SmallDisk) -> None:
    image, _ = push_image(server, REPOSITORY, "v1", os.urandom(1000))
    disk.fill(but_bytes=20 * MIB)
    kept = []
    for number in range(30):
        data = os.urandom(MIB)
        said = push(server, data) if number % 2 else push_in_parts(server, data)
        if said[0] != 201:
            break
        kept.append(data)
    assert is_refused_well(said)
    assert "free some space" in json.loads(said[2])["errors"][0]["message"]
    assert 6 <= len(kept) <= 12
    assert disk.free_bytes >= 8 * MIB - MIB // 2  # what names take comes from the reserve
    assert is_refused_well(push_in_parts(server, os.urandom(9 * MIB)))
    assert is_refused_well(push(server, os.urandom(2 * MIB)))
    assert all_is_there(server, kept, image)
    manifest = server.request("GET", f"/v2/{REPOSITORY}/manifests/v1")[2]

    disk.fill(but_bytes=0)  # somebody else takes the reserve as well
    assert is_refused_well(push(server, os.urandom(1000)))
    assert is_refused_well(push_in_parts(server, os.urandom(1000)))
    put = server.request("PUT", f"/v2/{REPOSITORY}/manifests/v3", manifest, {"Content-Type": MANIFEST})
    assert is_refused_well(put)
    assert all_is_there(server, kept, image)

    disk.empty()
    more = os.urandom(MIB)
    wait_for("pushes to be taken again", lambda: push(server, more)[0] == 201)
    assert push_in_parts(server, os.urandom(MIB))[0] == 201
    assert all_is_there(server, [*kept, more], image)
    assert server.request("GET", f"/v2/{REPOSITORY}/manifests/v3")[0] == 404
