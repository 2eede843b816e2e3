"""Pushing a blob again through a gateway heals its copies that have rotted, however it is pushed and whichever they are."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from tests.cluster.processes import running
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from tests.cluster.processes import Cluster, NodeProcess, Process

REPOSITORY = "library/pushed-again"
UPLOADS = f"/v2/{REPOSITORY}/blobs/uploads/"
MIB = 1 << 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("again"), ("a", "b", "c", "d"), ("g",), replicas=2) as cluster:
        yield cluster


def monolithic(gateway: Process, digest: Digest, data: bytes) -> int:
    return gateway.request("POST", f"{UPLOADS}?digest={digest}", data)[0]


def chunked(gateway: Process, digest: Digest, data: bytes) -> int:
    place = gateway.request("POST", UPLOADS)[1]["location"]
    half = len(data) // 2
    for start, end in itertools.pairwise((0, half, len(data))):
        headers = {"Content-Range": f"{start}-{end - 1}", "Content-Type": "application/octet-stream"}
        status, told, _ = gateway.request("PATCH", place, data[start:end], headers)
        assert status == 202
        place = told["location"]
    return gateway.request("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}")[0]


def rot(node: NodeProcess, digest: Digest) -> None:
    """One byte of the copy turns over; its size stays."""
    with Path(node.tree.blob(digest)).open("r+b") as file:
        byte = file.read(1)[0]
        file.seek(0)
        file.write(bytes([byte ^ 1]))


def is_right(node: NodeProcess, digest: Digest) -> bool:
    return node.holds(digest) and digests.of(Path(node.tree.blob(digest)).read_bytes()) == digest


@pytest.mark.parametrize("push", [monolithic, chunked])
@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_a_push_heals_what_has_rotted(cluster: Cluster, push, size: int) -> None:
    gateway, data = cluster.gateways["g"], os.urandom(size)
    digest = digests.of(data)
    assert push(gateway, digest, data) == 201
    owners = [cluster.nodes[name] for name in sorted(cluster.owners(digest))]
    # Uploads go round the nodes, so that owners and others take the bytes in.
    for rotten in (owners[:1], owners[1:], owners, owners[:1], owners):
        wait_for("all copies", lambda: all(is_right(node, digest) for node in owners))
        for node in rotten:
            rot(node, digest)
        assert push(gateway, digest, data) == 201
        assert all(is_right(node, digest) for node in owners)
        assert gateway.request("GET", f"/v2/{REPOSITORY}/blobs/{digest}")[2] == data
