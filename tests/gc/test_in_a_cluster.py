"""Garbage in a cluster: every node collects its own copies, also one that was away."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import digest as digests
from tests.cluster.processes import cli, running
from tests.gc.test_command import gc
from tests.gc.test_on_one_machine import SOON, digest_of, push_image
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.processes import Cluster, NodeProcess


KEPT = {"delay": "1s", "policies": [{"repositories": ["kept/**"], "keepTags": [{"patterns": ["^keep"]}]}]}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("collected")
    with running(directory, ("a", "b", "c"), ("g",), replicas=2, storage={**SOON, "retention": KEPT}) as cluster:
        yield cluster


def holding(cluster: Cluster, *names: str) -> list[NodeProcess]:
    """The nodes that have a copy of any of these."""
    wanted = [digests.parse(name) for name in names]
    return [node for node in cluster.nodes.values() if any(node.holds(digest) for digest in wanted)]


def test_copies_go_from_every_node_and_from_one_that_was_away_when_it_is_back(cluster: Cluster) -> None:
    gateway = cluster.gateways["g"]
    shared, own = os.urandom(1000), os.urandom(1000)
    gone, of_gone = push_image(gateway, "a/app", "one", shared, own)
    stays, of_stays = push_image(gateway, "a/app", "two", shared)
    garbage = (gone, of_gone[0], digest_of(own))
    away = holding(cluster, digest_of(own))[0]
    away.kill()
    wait_for("the gateway to go on", lambda: gateway.request("DELETE", f"/v2/a/app/manifests/{gone}")[0] in {202, 404})
    wait_for(
        "the others to collect", lambda: holding(cluster, *garbage) == [away] or not holding(cluster, *garbage), 60
    )
    assert away.holds(digests.parse(digest_of(own)))
    cluster.begin(away)
    wait_for("the last copies to go", lambda: not holding(cluster, *garbage), 60)
    for name in (stays, *of_stays):
        wait_for("both copies to be there", lambda name=name: len(holding(cluster, name)) == 2)
    assert gateway.request("GET", f"/v2/a/app/blobs/{digest_of(shared)}")[2] == shared
    assert gateway.request("GET", f"/v2/a/app/blobs/{digest_of(own)}")[0] == 404


def test_an_operator_has_every_node_collect_and_hears_of_one_that_is_down(cluster: Cluster) -> None:
    names = {node.node_id: node for node in cluster.nodes.values()}
    config = cluster.gateways["g"].config
    wait_for("all nodes to be members", lambda: set(cluster.members.alive()) == set(names))
    done = gc(config, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert {node["node"] for node in told["nodes"]} == set(names)
    one = gc(config, "--dry-run", "--json", min(names))
    assert [node["node"] for node in json.loads(one.stdout)["nodes"]] == [min(names)]
    names[max(names)].kill()
    wait_for("its lease to end", lambda: max(names) not in cluster.members.alive(), 60)
    done = gc(config, "--json")
    assert done.exit_code == 1
    assert [node["node"] for node in json.loads(done.stdout)["failed"]] == [max(names)]


def test_what_no_policy_keeps_goes_from_the_whole_cluster(cluster: Cluster) -> None:
    gateway = cluster.gateways["g"]
    kept, of_kept = push_image(gateway, "kept/app", "keep-1", os.urandom(1000))
    old, of_old = push_image(gateway, "kept/app", "old", os.urandom(1000))
    push_image(gateway, "other/app", "old", os.urandom(1000))
    wait_for("the image to go", lambda: gateway.request("GET", f"/v2/kept/app/manifests/{old}")[0] == 404, 60)
    assert gateway.request("GET", "/v2/kept/app/manifests/old")[0] == 404
    wait_for("its blobs to go", lambda: not holding(cluster, old, *of_old), 60)
    assert gateway.request("GET", "/v2/kept/app/manifests/keep-1")[1]["docker-content-digest"] == kept
    assert all(gateway.request("GET", f"/v2/kept/app/blobs/{blob}")[0] == 200 for blob in of_kept)
    assert gateway.request("GET", "/v2/other/app/manifests/old")[0] == 200
    # What a node says that it removed, and what an operator is shown afterwards.
    removed = [line for node in cluster.nodes.values() for line in told(node, "retention removed")]
    assert {(line.get("tag"), line["digest"]) for line in removed} == {(None, old), ("old", old)}
    shown = json.loads(cli("retention", "preview", str(gateway.config), "--repository", "kept/**", "--json").stdout)
    assert [(one["tag"], one["digest"], one["stays"]) for one in shown["verdicts"]] == [("keep-1", kept, True)]


def told(node: NodeProcess, word: str) -> list[dict[str, Any]]:
    lines = node.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and word in line]
