"""One node of three has a small disk. It fills up, is left out, told of, and taken in again; nobody who pushes or pulls notices."""

from __future__ import annotations

import json
import os
import random
import threading
from typing import TYPE_CHECKING, Self

import pytest

from holdfast import digest as digests
from tests.cluster.processes import cli, running
from tests.gc.test_on_one_machine import digest_of, push_blob, push_image
from tests.serving import wait_for
from tests.small_disk import MIB, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.asking import Asked
    from tests.cluster.processes import Cluster
    from tests.small_disk import SmallDisk

REPOSITORY = "team/app"
_SECONDS = 120.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "c", 128) as disk:
        yield disk


@pytest.fixture
def cluster(tmp_path: Path, disk: SmallDisk) -> Iterator[Cluster]:
    with running(tmp_path, ("a", "b", "c"), ("g",), replicas=2) as cluster:
        assert disk.free_bytes > 40 * MIB
        yield cluster


def push_in_parts(server: Asked, data: bytes) -> str:
    """As docker sends a layer, and for what is more than one call between nodes takes."""
    status, headers, answer = server.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
    assert status == 202, answer
    status, headers, answer = server.request("PATCH", headers["location"], data)
    assert status == 202, answer
    there = headers["location"]
    status, _, answer = server.request("PUT", f"{there}{'&' if '?' in there else '?'}digest={digest_of(data)}")
    assert status == 201, answer
    return digest_of(data)


class Pulls:
    """Somebody who pulls all the time, whatever was pushed so far."""

    def __init__(self, server: Asked) -> None:
        self.known: dict[str, bytes] = {}
        self.wrong: list[tuple[str, int]] = []
        self.count = 0
        self._server = server
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        chance = random.Random(1)
        while not self._stopping.is_set():
            known = list(self.known.items())
            if known:
                digest, data = chance.choice(known)
                status, _, answer = self._server.request("GET", f"/v2/{REPOSITORY}/blobs/{digest}")
                self.count += 1
                if (status, answer) != (200, data):
                    self.wrong.append((digest, status))
            self._stopping.wait(0.02)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


def is_full(cluster: Cluster, name: str) -> bool:
    return cluster.members.alive()[cluster.nodes[name].node_id].is_full


def findings(cluster: Cluster) -> list[str]:
    done = cli("status", "--json", "--config", str(cluster.nodes["a"].config))
    return [one["what"] for one in json.loads(done.stdout)["findings"]]


def test_a_node_that_fills_up_is_left_out_and_taken_in_again(cluster: Cluster, disk: SmallDisk) -> None:
    server, small = cluster.gateways["g"], cluster.nodes["c"]
    with Pulls(server) as pulls:
        disk.fill(but_bytes=16 * MIB)

        def push(data: bytes) -> digests.Digest:
            digest = push_in_parts(server, data) if len(data) > 4 * MIB else push_blob(server, REPOSITORY, data)
            pulls.known[digest] = data
            return digests.parse(digest)

        for number in range(30):
            push(os.urandom(6 * MIB if number % 6 == 5 else MIB))
        push_image(server, REPOSITORY, "v1", *list(pulls.known.values())[:3])
        assert disk.free_bytes >= MIB  # its reserve
        wait_for("the node to call itself full", lambda: is_full(cluster, "c"), _SECONDS)
        assert any(small.node_id in what and "is full" in what for what in findings(cluster))
        last = [push(os.urandom(MIB)) for _ in range(6)]  # now that everybody knows
        assert all("c" not in cluster.holders(digest) for digest in last)
        assert any("c" in cluster.owners(digest) for digest in last)
        # What was acknowledged is on two nodes, whoever they are.
        pushed = [digests.parse(digest) for digest in pulls.known]
        assert all(len(cluster.holders(digest)) >= 2 for digest in pushed)
        before = pulls.count
        wait_for("more pulls", lambda: pulls.count >= before + 20, _SECONDS)

        disk.empty()
        wait_for("the node to have room", lambda: not is_full(cluster, "c"), _SECONDS)
        wait_for("it to be given copies again", lambda: "c" in cluster.holders(push(os.urandom(MIB))), _SECONDS)
        done = cli("repair", "start", "--wait", "--timeout", "100", "--config", str(small.config))
        assert done.returncode == 0, (done.stdout, done.stderr)
        pushed = [digests.parse(digest) for digest in pulls.known]
        wait_for(
            "everything to be where it belongs",
            lambda: all(cluster.holders(digest) == cluster.owners(digest) for digest in pushed),
            _SECONDS,
        )
    assert pulls.wrong == []
    assert server.request("GET", f"/v2/{REPOSITORY}/manifests/v1")[0] == 200
    assert [what for what in findings(cluster) if "is full" in what] == []
