"""Copies come to where they belong, stay readable while nodes go, and are repaired when they come back."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.digest import PARTITIONS
from holdfast.errors import BlobUnknownError, ConfigError, CorruptError, NodeUnreachableError, UnavailableError
from holdfast.meta.members import Intent, Members
from holdfast.placement.layout import Rules
from holdfast.replicas.cluster import ClusterDirectory
from holdfast.rpc.node import UploadKey, Want
from storagenode.cluster.rounds import Round
from tests.cluster.nodes import REPOSITORY, Node, Nodes, connect, running

MIB = 1 << 20


@pytest.fixture
def three(tmp_path):
    with running(tmp_path, "a", "b", "c") as cluster:
        yield cluster


@pytest.fixture
def five(tmp_path):
    with running(tmp_path, "a", "b", "c", "d", "e") as cluster:
        yield cluster


def test_a_large_blob_is_on_all_owners_and_nowhere_else_when_it_is_acknowledged(five):
    for _ in range(6):
        data = os.urandom(5 * MIB)
        stored = five.push(data)
        assert five.holders(stored.digest) == five.owners(stored.digest)
        assert stored.layout_revision == five.book.live().revision
        assert five.pull(stored.digest) == data
    assert five.book.dirty() == []


def test_a_small_blob_is_on_all_owners(five):
    data = os.urandom(1000)
    stored = five.writer.put(digests.of(data), data, "r")
    assert five.holders(stored.digest) == five.owners(stored.digest)
    assert five.pull(stored.digest) == data


def test_with_a_dead_owner_a_handoff_stands_in_and_gives_back_what_is_not_its_own(five):
    data = os.urandom(5 * MIB)
    digest = digests.of(data)
    dead = five.nodes[min(five.owners(digest))]
    dead.stop()
    stored = five.push(data)
    assert len(five.holders(digest)) >= 3
    assert [mark.partition for mark in five.book.dirty()] == [digest.partition]
    five.reader.forget(digest)
    assert five.pull(digest, stored.size_bytes) == data
    dead.start()
    five.wait_until(lambda: five.holders(digest) == five.owners(digest))
    five.wait_until(lambda: five.book.dirty() == [])


def test_one_owner_of_three_is_not_enough(three):
    data = os.urandom(2 * MIB)
    for name in sorted(three.owners(digests.of(data)))[:2]:
        three.nodes[name].stop()
    with pytest.raises(UnavailableError):
        three.push(data)
    with pytest.raises(UnavailableError):
        three.writer.put(digests.of(b"small"), b"small", "r")


def test_what_could_not_be_placed_is_not_uploaded_again(three):
    data = os.urandom(5 * MIB)
    digest = digests.of(data)
    key = UploadKey(three.writer.start("r", "", None).upload_id, "r")
    three.writer.append(key, 0, [data])
    ingest = next(name for name, node in three.nodes.items() if key.upload_id.startswith(node.node_id))
    others = [node for name, node in three.nodes.items() if name != ingest]
    for node in others:
        node.stop()
    with pytest.raises(UnavailableError):
        three.writer.finish(key, digest)
    for node in others:
        node.start()
    three.wait_until(lambda: len(three.directory.refresh().alive) == 3)
    assert three.writer.finish(key, digest).digest == digest
    assert three.holders(digest) == {"a", "b", "c"}


def test_an_emptied_disk_is_filled_again(three):
    blobs = [os.urandom(size) for size in (10, 1000, 2 * MIB, 6 * MIB)]
    stored = [three.push(data) for data in blobs]
    node = three.nodes["b"]
    node.stop()
    shutil.rmtree(node.tree.blobs)
    node.start()
    three.wait_until(lambda: all("b" in three.holders(one.digest) for one in stored))


def test_another_boot_of_a_node_is_a_reason_to_compare(three, monkeypatch):
    """Its lease has not ended, so nobody has seen it go."""
    observer, node_id = three.nodes["a"].server._side, three.nodes["b"].node_id
    three.wait_until(lambda: len(observer.directory.view.alive) == 3)
    side = three.nodes["b"].server._side
    side._host_id = "a host"  # a process may follow another one only on a known machine
    three.wait_until(lambda: observer.directory.refresh().alive[node_id].host_id == "a host")
    seen = []
    monkeypatch.setattr(observer._repair, "round", lambda view: seen.append(view.alive[node_id].boot_id) or Round())
    side._boot_id = b"another boot"
    three.wait_until(lambda: b"another boot" in seen)


def test_a_truncated_copy_is_replaced(three):
    stored = three.push(os.urandom(MIB))
    path = Path(three.nodes["a"].tree.blob(stored.digest))
    three.nodes["a"].stop()
    os.truncate(path, 1000)
    three.nodes["a"].start()
    three.wait_until(lambda: path.exists() and path.stat().st_size == MIB)
    assert three.nodes["a"].server.node.status().quarantined == 1


def rot(node, digest) -> None:
    """One byte of the copy turns over; its size stays."""
    with Path(node.tree.blob(digest)).open("r+b") as file:
        byte = file.read(1)[0]
        file.seek(0)
        file.write(bytes([byte ^ 1]))


def test_a_copy_that_a_reader_finds_rotten_is_replaced_without_a_round_of_repair(three):
    data = os.urandom(MIB)
    stored = three.push(data)
    node = three.nodes["a"]
    three.wait_until(lambda: node.server._side._repair.progress().done == PARTITIONS)
    rot(node, stored.digest)
    client = three.directory.client(node.node_id)
    with pytest.raises(CorruptError):
        list(client.read_blob(Want(stored.digest), 0, None))
    assert not node.holds(stored.digest)
    three.wait_until(lambda: node.holds(stored.digest))
    assert b"".join(map(bytes, client.read_blob(Want(stored.digest), 0, None))) == data
    three.wait_until(lambda: three.book.dirty() == [])


@pytest.mark.parametrize("size", [1000, 5 * MIB, 40 * MIB])
@pytest.mark.parametrize("healthy", [0, 1, 2])
def test_pushing_again_heals_copies_that_have_rotted(five, size, healthy):
    """Whichever owners they are, and whether or not the node that takes the bytes in is one of them."""
    data = os.urandom(size)
    digest = five.push(data).digest
    owners = sorted(five.owners(digest))
    for turn, _ in enumerate(five.nodes):  # uploads go round all nodes
        for name in owners[healthy:]:
            rot(five.nodes[name], digest)
        five.push(data)
        five.wait_until(lambda: five.holders(digest) == set(owners))
        assert all(digests.of(Path(five.nodes[name].tree.blob(digest)).read_bytes()) == digest for name in owners), turn


def test_a_copied_data_directory_does_not_run_beside_the_first(three, tmp_path):
    first = three.nodes["a"]
    stored = three.push(os.urandom(MIB))
    shutil.copytree(first.path, tmp_path / "copy")
    copy = Node("copy", tmp_path / "copy", three)
    with pytest.raises(ConfigError, match=f"node {first.node_id} is alive already"):
        copy.start()
    (member,) = [member for member in three.members.all() if member.node_id == first.node_id]
    assert three.directory.refresh().alive[first.node_id].boot_id == first.server._side._boot_id
    assert b"".join(map(bytes, connect(first.node_id, member.address).read_blob(Want(stored.digest), 0, None)))
    copy.stop()
    first.stop()
    copy.start()
    copy.stop()


def test_a_new_node_gets_its_share_and_the_old_layout_is_retired(three):
    stored = [three.push(os.urandom(1000 + n)) for n in range(30)]
    three.add("d")
    three.apply("a", "b", "c", "d")
    assert len(three.book.live().layouts.live) == 2
    three.push(os.urandom(MIB))
    three.wait_until(lambda: len(three.book.live().layouts.live) == 1)
    three.wait_until(lambda: all(three.holders(one.digest) == three.owners(one.digest) for one in stored))
    assert all(len(three.holders(one.digest)) == 3 for one in stored)


def test_an_upload_to_a_node_that_no_layout_names_comes_to_the_owners(three):
    new = three.add("d")
    three.wait_until(lambda: new.node_id in three.directory.view.alive)
    assert [node.node_id for node in three.directory.ingest()][-1] == new.node_id
    data = os.urandom(5 * MIB)
    key = UploadKey(three.directory.client(new.node_id).start_upload(REPOSITORY, "", None).upload_id, REPOSITORY)
    three.writer.append(key, 0, [data])
    stored = three.writer.finish(key, digests.of(data))
    assert three.holders(stored.digest) == {"a", "b", "c"}


def test_a_removed_node_is_not_waited_for(three):
    stored = [three.push(os.urandom(1000 + n)) for n in range(10)]
    three.nodes["c"].stop()
    three.members.order(three.nodes["c"].node_id, intent=Intent.REMOVED)
    three.add("d")
    three.apply("a", "b", "d")
    three.wait_until(lambda: len(three.book.live().layouts.live) == 1)
    assert all(three.holders(one.digest) >= {"a", "b", "d"} for one in stored)


def test_a_stand_in_keeps_its_copy_while_the_layout_names_a_removed_node(five):
    data = os.urandom(5 * MIB)
    digest = digests.of(data)
    dead = five.nodes[min(five.owners(digest))]
    dead.stop()
    five.push(data)
    living = five.holders(digest)
    assert len(living) >= 3
    five.members.order(dead.node_id, intent=Intent.REMOVED)
    settlers = [node.server._side._repair for node in five.nodes.values() if node.server]
    five.wait_until(lambda: all(dead.node_id in one._view().removed for one in settlers))
    for settler in settlers:
        assert settler._settler.settle(settler._view(), digest.partition).is_complete
    # One that was still to be given back may have gone; what stands in has not.
    assert len(five.holders(digest)) >= 3


def test_what_is_written_while_an_owner_is_removed_is_marked_until_the_next_layout(five):
    data = os.urandom(5 * MIB)
    digest = digests.of(data)
    gone = five.nodes[min(five.owners(digest))]
    gone.stop()
    five.members.order(gone.node_id, intent=Intent.REMOVED)
    others = [node for node in five.nodes.values() if node is not gone]
    five.wait_until(lambda: all(gone.node_id in node.server._side.directory.view.removed for node in others))
    five.push(data)
    assert [mark.partition for mark in five.book.dirty()] == [digest.partition]
    assert len(five.holders(digest)) >= 3  # one more until the node that took the upload gives it back
    five.apply(*(node.name for node in others))
    five.wait_until(lambda: five.book.dirty() == [])
    assert five.holders(digest) == five.owners(digest)


def test_a_drained_node_gives_everything_away(five):
    stored = [five.push(os.urandom(1000 + n)) for n in range(30)]
    five.apply("a", "b", "c", "d")
    five.wait_until(lambda: not five.nodes["e"].held())
    assert all(five.holders(one.digest) == five.owners(one.digest) for one in stored)


def test_a_dead_node_that_was_removed_holds_no_layout_back(three):
    stored = [three.push(os.urandom(1000 + n)) for n in range(30)]
    three.add("d")
    three.nodes["c"].stop()
    three.apply("a", "b", "d")
    live = three.book.live()
    assert len(live.layouts.live) == 2
    three.members.order(three.nodes["c"].node_id, intent=Intent.REMOVED)
    three.wait_until(lambda: len(three.book.live().layouts.live) == 1)
    assert all({"a", "b", "d"} <= three.holders(one.digest) for one in stored)


def test_a_handoff_keeps_its_copy_while_a_removed_node_is_its_owner(five):
    data = os.urandom(5 * MIB)
    digest = digests.of(data)
    dead = five.nodes[min(five.owners(digest))]
    dead.stop()
    five.push(data)
    held = five.holders(digest) - {dead.name}
    assert len(held) >= 3  # one more until the node that took the upload gives back what is not its own
    five.members.order(dead.node_id, intent=Intent.REMOVED)
    others = [node for name, node in five.nodes.items() if name != dead.name]
    five.wait_until(lambda: all(dead.node_id in node.server._side.directory.view.removed for node in others))
    for node in others:
        side = node.server._side
        side._repair.round(side.directory.view)
    assert len(five.holders(digest) - {dead.name}) >= 3
    five.apply(*(node.name for node in others))
    five.wait_until(lambda: five.holders(digest) - {dead.name} == five.owners(digest))


def test_without_members_in_the_metadata_no_node_lets_go_of_anything(three):
    stored = [three.push(os.urandom(1000 + n)) for n in range(5)]
    for node in three.nodes.values():
        side = node.server._side
        view = replace(side.directory.view, members={})
        for one in stored:
            side._repair._settler.settle(view, one.digest.partition)
    assert all(three.holders(one.digest) == {"a", "b", "c"} for one in stored)


def test_absence_needs_an_answer_from_everybody(three):
    digest = digests.of(b"never stored")
    with pytest.raises(BlobUnknownError):
        three.pull(digest)
    assert three.reader.stat([Want(digest, 12)]) == [None]
    three.nodes["c"].stop()
    with pytest.raises(NodeUnreachableError):
        three.reader.stat([Want(digest, 12)])
    with pytest.raises(NodeUnreachableError):
        three.pull(digest)


def test_nothing_is_begun_before_a_layout_is_applied(tmp_path):
    cluster = Nodes(tmp_path)
    try:
        cluster.add("a")
        cluster.directory.start()
        cluster.wait_until(lambda: cluster.directory.refresh().alive)
        with pytest.raises(UnavailableError, match="no layout is applied"):
            cluster.writer.start("r", "", None)
        cluster.apply("a", rules=Rules.majority(1))
        cluster.pull(cluster.push(b"now").digest)
    finally:
        cluster.close()


def test_a_node_that_others_count_on_knows_the_layout(three, monkeypatch):
    joined, known = Members.join, []

    def join(self, node_id, declared, alive, lease_id):
        sides = [node.server._side for node in three.nodes.values() if node.server]
        known.extend(side.directory.view.layouts is not None for side in sides if side.members is self)
        return joined(self, node_id, declared, alive, lease_id)

    monkeypatch.setattr(Members, "join", join)
    three.add("d")
    assert known
    assert all(known)


def test_a_node_that_is_asked_before_it_has_read_the_layout_reads_it_then(three):
    late = ClusterDirectory(three.store, three.book, three.members, connect, three.clock, "")
    digest = digests.of(b"early")
    assert late.placing(digest).owners == three.directory.placing(digest).owners


def test_copies_lie_in_different_zones(tmp_path):
    with running(tmp_path, "a@one", "b@one", "c@two", "d@two") as cluster:
        cluster.apply("a", "b", "c", "d", rules=Rules(2, 2))
        for _ in range(10):
            held = cluster.holders(cluster.push(os.urandom(1000)).digest)
            assert {cluster.nodes[name].zone for name in held} == {"one", "two"}
