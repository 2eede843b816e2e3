"""An operator's week, against real processes: looking into images, uploads, repair, upkeep of etcd, and nodes that come and go."""

from __future__ import annotations

import os

import pytest

from tests.ops.cluster import gateway_of, running
from tests.serving import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    with running(tmp_path_factory.mktemp("ops"), "a@one", "b@one", "c@two", "d@two") as cluster:
        cluster.must("layout", "apply", "--yes", "--wait", "--timeout", "60")
        yield cluster


@pytest.fixture(scope="module")
def edge(four):
    with gateway_of(four) as found:
        yield found


@pytest.fixture(scope="module")
def image(edge):
    """Digests of an image ``team/app:1``: manifest, config, one layer."""
    return edge.push_image("team/app", "1", os.urandom(100_000))


def test_an_image_that_can_be_pulled_is_told_with_the_place_of_every_copy(four, image):
    said = four.must("status", "team/app:1", "--json").json
    assert said["pullable"]
    assert [part["digest"] for part in said["parts"]] == image
    for part in said["parts"]:
        assert {node for node, copy in part["copies"].items() if copy == "present"} == set(part["owners"])
    assert four.must("status", f"team/app@{image[0]}").out.startswith("can be pulled: 3 parts")


def test_what_a_repository_holds_is_told_from_any_machine(four, image):
    said = four.must("usage", "team/app", "--json").json
    (held,) = said["repositories"]
    assert (held["repository"], held["blobs"], held["sharedBytes"]) == ("team/app", len(image), 0)
    assert held["ownBytes"] > 100_000
    assert four.must("usage", "--recount", "--json").json["repaired"] == []


def test_what_is_no_image_is_refused_and_what_is_not_there_is_told(four, image):
    absent = four.holdfast("status", "team/app:2")
    assert absent.code == 1
    assert "cannot be pulled: no such manifest" in absent.out
    wrong = four.holdfast("status", "registry.example:5000/Team")
    assert wrong.code == 1
    assert "repository:tag" in wrong.err


def test_a_layer_that_is_gone_from_every_disk_is_named(four, edge):
    manifest, _, layer = edge.push_image("team/broken", "1", os.urandom(50_000))
    holders = [name for name in four.nodes if four.blob(name, layer).exists()]
    assert len(holders) == 3
    four.blob(holders[0], layer).unlink()
    short = four.must("status", "team/broken:1")
    assert "1 part short of copies" in short.out
    assert f"{four.id_of(holders[0])} missing" in short.out
    for name in holders[1:]:
        four.blob(name, layer).unlink(missing_ok=True)
    lost = four.holdfast("status", "team/broken:1")
    assert lost.code == 1
    assert f"no node holds blob {layer}; push it again" in lost.out
    edge.push_blob("team/broken", b"something else")
    assert four.holdfast("status", f"team/broken@{manifest}", "--json").json["pullable"] is False


def test_an_open_upload_is_listed_and_cancelled(four, edge):
    code, headers, _ = edge("POST", "/v2/team/app/blobs/uploads/")
    assert code == 202
    location = headers["location"]
    assert edge("PATCH", location, b"x" * 1000, **{"Content-Range": "0-999"})[0] == 202
    (upload,) = four.must("upload", "ls", "--json").json
    assert (upload["repository"], upload["receivedBytes"]) == ("team/app", 1000)
    assert four.must("upload", "ls", "--idle", "3600").out.strip() == "no upload is open"
    assert four.holdfast("upload", "cancel").code == 2
    assert four.holdfast("upload", "cancel", "n0-nothing", "--yes").code == 1
    assert four.holdfast("upload", "cancel", upload["upload"]).code == 1
    four.must("upload", "cancel", upload["upload"], "--yes")
    assert four.must("upload", "ls", "--json").json == []
    assert edge("PATCH", location, b"y", **{"Content-Range": "1000-1000"})[0] == 404


def test_repair_that_is_asked_for_makes_what_is_missing(four, edge):
    layer = edge.push_blob("team/app", os.urandom(10_000))
    holders = [name for name in four.nodes if four.blob(name, layer).exists()]
    four.blob(holders[0], layer).unlink()
    four.must("repair", "start", "--wait", "--timeout", "90")
    assert four.blob(holders[0], layer).exists()
    status = four.must("repair", "status", "--json").json
    assert all(node["done"] for node in status["nodes"])


def test_etcd_is_compacted_and_defragmented(four):
    assert len(four.must("metadata", "status", "--json").json["members"]) == 1
    compacted = four.must("metadata", "compact", "--keep", "10", "--json").json
    assert compacted["firstRevision"] > 1
    done = four.must("metadata", "defragment", "--json").json
    assert done["after"]["sizeBytes"] <= done["before"]["sizeBytes"]
    assert done["after"]["quorum"]


def test_a_node_that_owns_something_is_not_removed(four, image):
    said = four.holdfast("node", "remove", four.id_of("a"), "--yes")
    assert said.code == 1
    assert "a live layout gives" in said.err
    assert "--force" in said.err
    assert four.id_of("a") in four.must("node", "ls").out


def test_weight_and_zone_are_ordered_and_planned(four):
    name = four.id_of("b")
    assert four.must("node", "set-weight", name, "7", "--json").json["weight"] == 7
    assert four.must("node", "set-zone", name, "three", "--json").json["zone"] == "three"
    planned = {node["node"]: node for node in four.must("layout", "plan", "--json").json["nodes"]}
    assert (planned[name]["zone"], planned[name]["weight"]) == ("three", 7)
    assert four.holdfast("node", "set-zone", name, "not a zone").code == 1
    four.must("node", "set-weight", name, "0")
    assert four.must("node", "set-zone", name, "", "--json").json["zone"] == "one"
    assert four.must("layout", "plan", "--json").json["change"] is False


def test_a_drained_node_ends_empty_and_is_removed_without_force(four, image):
    name = four.id_of("d")
    assert four.holdfast("node", "drain", name).code == 1, "it asks first"
    four.must("node", "drain", name, "--yes", "--wait", "--timeout", "120")
    shown = four.must("node", "show", name, "--json").json
    assert (shown["state"], shown["owned"], shown["held"]) == ("draining", 0, {"blobs": 0, "bytes": 0})
    four.must("node", "undrain", name, "--yes", "--wait", "--timeout", "120")
    assert four.must("node", "show", name, "--json").json["owned"] > 0
    four.must("node", "drain", name, "--yes", "--wait", "--timeout", "120")
    four.must("node", "remove", name, "--yes")
    assert name not in four.must("node", "ls").out
    assert name in four.must("node", "ls", "--all").out
    assert four.must("status", "team/app:1", "--json").json["pullable"]


def test_a_dead_node_that_a_change_waits_for_is_skipped(four, image):
    """After the drain: a, b and c are left."""
    four.add("e@two")
    four.kill("c")
    four.must("layout", "apply", "--yes")
    assert four.holdfast("layout", "skip-dead", four.id_of("a"), "--yes").code == 1, "it is alive"
    refused = four.holdfast("layout", "apply", "--yes", "--replicas", "2")
    assert refused.code == 1
    assert "not finished" in refused.err
    wait_for("the dead one to be waited for alone", lambda: four.id_of("c") in waited_for(four), 60)
    four.must("layout", "skip-dead", four.id_of("c"), "--yes")
    wait_for("the change to end", lambda: not four.must("layout", "show", "--json").json["changing"], 90)
    assert "still names" in four.holdfast("status").out
    four.must("layout", "apply", "--yes", "--wait", "--timeout", "120")
    assert four.must("status", "team/app:1", "--json").json["pullable"]


def waited_for(cluster):
    return cluster.must("layout", "show", "--json").json["waitedFor"]
