"""The operator's first hour: nodes join, a layout is planned, applied and watched, and status tells the truth meanwhile."""

from __future__ import annotations

import pytest

from tests.ops.cluster import running
from tests.serving import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    with running(tmp_path_factory.mktemp("ops"), "a@one", "b@one", "c@two") as cluster:
        yield cluster


def test_from_nothing_to_a_healthy_cluster_and_one_more_node(three):
    said = three.holdfast("status")
    assert said.code == 1
    assert "no layout is applied yet" in said.out.splitlines()[0]
    assert {line["state"] for line in three.must("node", "ls", "--json").json} == {"joining"}

    plan = three.must("layout", "plan", "--json").json
    assert plan["version"] == 1
    assert plan["rules"] == {"replicas": 3, "writeQuorum": 2, "zoneStrict": False}
    assert {node["partitionsAfter"] for node in plan["nodes"]} == {4096}
    assert three.must("layout", "history", "--json").json == []

    refused = three.holdfast("layout", "apply")
    assert refused.code == 1
    assert "--yes" in refused.err
    assert three.must("layout", "show", "--json").json["live"] == []

    three.must("layout", "apply", "--yes", "--wait", "--timeout", "60")
    shown = three.must("layout", "show", "--json").json
    assert [layout["version"] for layout in shown["live"]] == [1]
    status = three.must("status", "--json").json
    assert status["healthy"]
    assert status["partitions"]["byLivingCopies"] == {"3": 4096}
    assert {node["state"] for node in status["nodes"]} == {"active"}
    assert status["verdict"].startswith("healthy: 3 storage nodes")

    again = three.must("layout", "apply", "--yes", "--json").json
    assert not again["applied"]

    three.add("d@two")
    plan = three.must("layout", "plan", "--json").json
    assert plan["movedCopies"] == plan["fewestMoves"] > 0
    three.must("layout", "apply", "--yes", "--wait", "--timeout", "90")
    history = three.must("layout", "history", "--json").json
    assert [line["version"] for line in history] == [1, 2]
    assert history[1]["added"] == [three.id_of("d")]
    assert history[1]["movedCopies"] == plan["movedCopies"]


def test_a_dead_node_is_named_with_what_to_do(three):
    three.kill("b")
    said = three.holdfast("status")
    assert said.code == 1
    assert f"node {three.id_of('b')}" in said.out.splitlines()[0]
    assert "is down" in said.out
    assert "holdfast node remove" in said.out
    three.nodes["b"].begin()
    wait_for("the node to be back", lambda: three.id_of("b") in three.alive())
    wait_for("a healthy cluster", lambda: three.holdfast("status").code == 0, 60)


def test_a_configuration_that_cannot_be_used_ends_with_78(three, tmp_path):
    missing = three.holdfast("status", "--config", str(tmp_path / "nowhere.json"))
    assert missing.code == 78
    alone = tmp_path / "alone.json"
    alone.write_text('{"storage": {"rootDirectory": "data"}, "http": {"address": "127.0.0.1", "port": "5000"}}')
    said = three.holdfast("node", "ls", "--config", str(alone))
    assert said.code == 78
    assert "cluster.etcd" in said.err


def test_an_etcd_that_is_gone_is_told_and_not_a_trace(three, tmp_path):
    path = tmp_path / "gone.json"
    path.write_text(three.config.read_text().replace(three.etcd.urls[0], "http://127.0.0.1:1"))
    status = three.holdfast("status", "--config", str(path))
    assert status.code == 1
    assert "etcd has no quorum" in status.out
    nodes = three.holdfast("node", "ls", "--config", str(path))
    assert nodes.code == 1
    assert nodes.err.startswith("holdfast: ")
    assert "Traceback" not in nodes.text
