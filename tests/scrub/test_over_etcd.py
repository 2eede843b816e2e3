"""The commands in a cluster of processes: what others have is repaired, what nobody has is told, and a push makes it good."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from tests.cluster.processes import cli, running
from tests.gc.test_on_one_machine import push_blob, push_image
from tests.scrub.damage import flip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.processes import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path, ("a", "b"), ("g",), replicas=2) as cluster:
        yield cluster


def scrub(cluster: Cluster, *words: str) -> tuple[int, dict]:
    done = cli("scrub", "--json", "--config", str(cluster.nodes["a"].config), *words)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def copies(cluster: Cluster, digest: str) -> list[Path]:
    """On whichever nodes."""
    parsed = digests.parse(digest)
    return [Path(cluster.nodes[name].tree.blob(parsed)) for name in sorted(cluster.holders(parsed))]


def test_copies_come_from_their_replicas_and_a_loss_is_told_with_its_images(cluster: Cluster) -> None:
    gateway = cluster.gateways["g"]
    layers = [os.urandom(1000) for _ in range(3)]
    _, (_, rotten, gone, lost) = push_image(gateway, "team/app", "v1", *layers)
    flip(copies(cluster, rotten)[0])
    copies(cluster, gone)[1].unlink()
    for copy in copies(cluster, lost):
        flip(copy)
    code, told = scrub(cluster, "--wait", "--timeout", "100")
    assert code == 1
    assert [len(copies(cluster, digest)) for digest in (rotten, gone, lost)] == [2, 2, 0]
    assert [(one["repository"], one["digest"], one["tags"]) for one in told["images"]] == [("team/app", lost, ["v1"])]
    assert [one["digest"] for one in told["lost"]] == [lost]

    push_blob(gateway, "team/app", layers[2])
    code, told = scrub(cluster, "--wait", "--timeout", "100")
    assert (code, told["well"], told["images"], len(told["nodes"])) == (0, True, [], 2)
    assert gateway.request("GET", f"/v2/team/app/blobs/{lost}")[2] == layers[2]

    node = cluster.nodes["a"]
    assert cli("scrub", "--config", str(node.config), "no-such-node").returncode == 1
    node.stop()
    refused = cli("scrub", "--wait", "--config", str(node.config))
    assert (refused.returncode, "verify-store" in refused.stderr) == (1, True)
    told = json.loads(cli("verify-store", "--json", str(node.config)).stdout)
    assert (told["well"], told["metadata"], told["missing"]) == (True, True, [])
