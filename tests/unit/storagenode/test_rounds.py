"""Rounds of repair: what they report, what ends them, and which dirty marks they clear."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from holdfast import digest as digests
from holdfast.digest import PARTITIONS
from holdfast.errors import CorruptError, MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.layouts import NO_LAYOUT
from holdfast.meta.store import Put
from holdfast.placement.layout import Rules
from holdfast.replicas.view import View
from holdfast.rpc.node import Want
from tests.fakes.views import layout_of, view_of
from tests.serving import wait_for
from tests.unit.storagenode.repairs import Repairs

DATA = b"some bytes"
DIGEST = digests.of(DATA)
PARTITION = DIGEST.partition
TWO = Rules(2, 2)
ONE_LAYOUT = layout_of(1, "a", "b", "c", rules=TWO)


@pytest.fixture
def three():
    made = Repairs(("a", "b", "c"))
    made.book.publish(ONE_LAYOUT, NO_LAYOUT)
    made.view = view_of(ONE_LAYOUT)
    return made


@pytest.fixture
def owners(three):
    return three.view.owners(PARTITION)


def test_nothing_is_done_before_the_metadata_was_read(three, owners):
    three.put(DATA, owners[0])
    for view in (View(), view_of(members=("a", "b", "c"))):
        three.view = view
        three.repair("a").round(view)
    assert three.holders(DIGEST) == {owners[0]}
    assert three.book.synced_with(1) == set()


def test_a_round_brings_everything_in_order_and_reports_it(three, owners):
    blobs = [three.put(b"%d" % number, "abc"[number % 3]) for number in range(30)]
    for name in "abc":
        three.repair(name).round(three.view)
    for digest in blobs:
        assert three.holders(digest) == set(three.view.owners(digest.partition))
    assert three.book.synced_with(1) == {"a", "b", "c"}


def test_partitions_whose_sums_agree_are_not_looked_into(three, owners):
    three.put(DATA, *owners)
    assert three.repair(owners[0]).round(three.view).undone == 0
    # Sums of the fake are made of listings, one for all partitions of a stride; a look is a listing of its own.
    assert three.nodes[owners[1]].calls.count("list_blobs") == three.nodes[owners[1]].calls.count("sum_partitions")


def test_a_round_without_a_node_that_a_layout_names_reports_nothing(three, owners):
    three.down = {owners[1]}
    for view in (view_of(ONE_LAYOUT, down=[owners[1]]), view_of(ONE_LAYOUT)):  # known to be down, and not known yet
        three.view = view
        assert three.repair(owners[0]).round(view).silent == {owners[1]}
    assert three.book.synced_with(1) == set()


def test_a_removed_node_keeps_no_round_from_being_complete(three):
    three.down = {"b"}
    three.book.publish(layout_of(2, "a", "c", rules=TWO), three.book.live())
    layouts = three.book.live().layouts.live
    digest = three.put(DATA, "a")
    three.view = view_of(*layouts, down="b", removed="b")
    for name in "ac":
        assert three.repair(name).round(three.view).undone == 0
    assert three.holders(digest) == {"a", "c"}
    live = three.book.live()
    assert three.book.retire(live, {"b"})


def test_a_node_that_does_not_answer_is_asked_once_a_round(three, owners):
    for number in range(50):
        three.put(b"%d" % number, owners[0])
    asked = []
    client = three.client

    def counting(node_id):
        asked.append(node_id)
        return client(node_id)

    three.down = {owners[1]}
    three.settlers[owners[0]].peers = three
    three.client = counting
    three.repair(owners[0]).round(three.view)
    assert asked.count(owners[1]) == 1


def test_a_round_ends_when_another_layout_is_live(three, owners):
    three.put(DATA, owners[0])
    begun_with, three.view = three.view, view_of(layout_of(2, "a", "b", "c", rules=TWO), revision=8)
    assert three.repair(owners[0]).round(begun_with).undone == 1
    assert three.book.synced_with(1) == set()


def test_a_round_ends_when_the_node_stops_and_counts_for_nothing(three, owners):
    three.put(DATA, owners[0])
    three.stopping.set()
    assert three.repair(owners[0]).round(three.view).undone == 1
    assert three.book.synced_with(1) == set()


def instead(cluster, name, settle):
    """A settler that does this."""
    return SimpleNamespace(me=name, tally=cluster.settlers[name].tally, settle=settle)


def test_dirty_partitions_are_looked_at_during_a_round(three):
    blobs = [three.put(b"%d" % number, "a", "b", "c") for number in range(20)]
    dirty = next(
        digest for digest in blobs if digest.partition != PARTITION and three.view.owners(digest.partition)[0] == "a"
    )
    three.book.mark_dirty(dirty.partition, 1)
    seen = []
    repair = three.repair("a")
    settle = three.settlers["a"].settle

    def slow(view, partition, silent=frozenset()):
        seen.append(len(three.book.dirty()))
        three.clock.advance(5)
        return settle(view, partition, silent)

    for name in "bc":  # nobody else holds what is not its own: then the first owner clears the mark
        three.repair(name).round(three.view)
    repair._settler = instead(three, "a", slow)
    repair.round(three.view)
    assert seen[0] == 1
    assert seen[-1] == 0


def test_every_node_begins_elsewhere(three):
    starts = {name: three.repair(name)._strides() for name in "abc"}
    assert len({strides[0] for strides in starts.values()}) > 1
    assert all(sorted(strides) == list(range(0, PARTITIONS, 256)) for strides in starts.values())


def settle_marks(cluster, *names):
    for name in names:
        cluster.repair(name)._settle_dirty()


def test_a_mark_is_cleared_by_the_first_owner_once_all_hold_the_same_and_nobody_else_anything(three, owners):
    (other,) = set(three.names) - set(owners)
    three.put(DATA, owners[0], other)
    three.book.mark_dirty(PARTITION, 1)
    settle_marks(three, owners[0])  # the handoff has not let go of its copy yet
    assert three.book.dirty()
    settle_marks(three, other, owners[1])
    assert three.book.dirty()
    settle_marks(three, owners[0])
    assert three.book.dirty() == []
    assert three.holders(DIGEST) == set(owners)


def test_a_mark_stays_while_anybody_who_may_hold_a_copy_does_not_answer(three, owners):
    (other,) = set(three.names) - set(owners)
    three.put(DATA, *owners)
    three.book.mark_dirty(PARTITION, 1)
    for view, down in (
        (view_of(ONE_LAYOUT), {other}),
        (view_of(ONE_LAYOUT, down=[owners[1]]), {owners[1]}),
        (view_of(ONE_LAYOUT, members=["d"]), {"d"}),
    ):
        three.view, three.down = view, down
        settle_marks(three, owners[0])
        assert three.book.dirty()
    three.view, three.down = view_of(ONE_LAYOUT), set()
    settle_marks(three, owners[0])
    assert three.book.dirty() == []


def test_a_mark_of_a_layout_that_this_node_does_not_know_yet_stays(three, owners):
    three.put(DATA, *owners)
    three.book.mark_dirty(PARTITION, 2)
    settle_marks(three, *owners)
    assert three.book.dirty()


def test_a_mark_stays_while_an_owner_was_removed_and_no_layout_names_another(three, owners):
    three.put(DATA, *owners)
    three.view = view_of(ONE_LAYOUT, removed=[owners[1]])
    three.book.mark_dirty(PARTITION, 1)
    settle_marks(three, owners[0])
    assert three.book.dirty()


def test_a_mark_that_is_set_again_while_it_is_looked_at_stays(three, owners):
    three.put(DATA, *owners)
    three.book.mark_dirty(PARTITION, 1)
    peer = three.nodes[owners[1]]
    sums = peer.sum_partitions

    def sum_partitions(first, last):
        three.book.mark_dirty(PARTITION, 1)  # another write is short in this moment
        return sums(first, last)

    peer.sum_partitions = sum_partitions
    settle_marks(three, owners[0])
    assert three.book.dirty()


def test_a_mark_that_has_to_wait_is_looked_at_less_and_less_often(three, owners):
    three.down = {owners[1]}
    three.put(DATA, owners[0])
    three.book.mark_dirty(PARTITION, 1)
    repair = three.repair(owners[0])
    looks = []
    settle = three.settlers[owners[0]].settle

    def counting(view, partition, silent=frozenset()):
        looks.append(partition)
        return settle(view, partition, silent)

    repair._settler = instead(three, owners[0], counting)
    for _ in range(600):
        repair._settle_dirty()
        three.clock.advance(1)
    assert 5 <= len(looks) <= 12


def rots(node, digest):
    """And somebody finds it out."""
    node.blobs[digest] = b"other bytes"
    with pytest.raises(CorruptError):
        list(node.read_blob(Want(digest), 0, None))


def test_a_copy_that_goes_into_quarantine_is_replaced_without_a_round(three, owners):
    three.put(DATA, *owners)
    repair = three.repair(owners[1])
    rots(three.nodes[owners[1]], DIGEST)
    repair._settle_dirty()
    assert three.nodes[owners[1]].blobs[DIGEST] == DATA
    settle_marks(three, owners[0])
    assert three.book.dirty() == []


def test_a_lost_copy_that_cannot_be_replaced_yet_is_marked_for_whoever_comes_later(three, owners):
    three.put(DATA, *owners)
    three.view, three.down = view_of(ONE_LAYOUT, down=[owners[0]]), {owners[0]}
    repair = three.repair(owners[1])
    rots(three.nodes[owners[1]], DIGEST)
    repair._settle_dirty()
    assert [(mark.partition, mark.version) for mark in three.book.dirty()] == [(PARTITION, 1)]


def test_a_loss_is_looked_at_now_although_its_partition_waits_for_somebody(three, owners):
    three.put(DATA, *owners)
    (other,) = set(three.names) - set(owners)
    three.view, three.down = view_of(ONE_LAYOUT, down=[other]), {other}
    three.book.mark_dirty(PARTITION, 1)
    repair = three.repair(owners[1])
    for _ in range(20):
        repair._settle_dirty()
        three.clock.advance(1)
    rots(three.nodes[owners[1]], DIGEST)
    repair._settle_dirty()
    assert three.holders(DIGEST) == set(owners)


def test_a_loss_that_could_not_be_marked_is_marked_next_time(three, owners):
    repair = three.repair(owners[1])
    three.put(DATA, owners[1])
    rots(three.nodes[owners[1]], DIGEST)
    three.store.fail_txn(1, "down")
    with pytest.raises(MetadataUnavailableError):
        repair._settle_dirty()
    assert three.book.dirty() == []
    repair._settle_dirty()
    assert three.book.dirty() != []


def test_a_disk_that_rots_all_over_is_marked_bit_by_bit(three):
    blobs = [three.put(b"%d" % number, "a") for number in range(200)]
    repair = three.repair("a")
    repair._settle_dirty()
    for digest in blobs:
        rots(three.nodes["a"], digest)
    three.down = {"b", "c"}
    before = three.store.transactions
    repair._settle_dirty()
    assert three.store.transactions - before <= 64
    for _ in range(4):
        repair._settle_dirty()
    assert {mark.partition for mark in three.book.dirty()} == {digest.partition for digest in blobs}


def test_a_node_that_stays_away_leaves_one_mark_for_a_partition_whatever_the_number_of_layouts(three, owners):
    three.put(DATA, owners[0])
    three.down = {owners[1]}
    repair = three.repair(owners[0])
    for version in range(1, 20):
        three.view = view_of(layout_of(version, "a", "b", "c", rules=TWO), down=[owners[1]])
        three.book.mark_dirty(PARTITION, version)
        repair._settle_dirty()
        assert [mark.version for mark in three.book.dirty()] == [version]


def test_marks_are_joined_by_one_node(three):
    three.down = {"a", "b", "c"}
    for version in (1, 2, 3):
        three.book.mark_dirty(PARTITION, version)
    first, *others = three.view.everybody(PARTITION)
    settle_marks(three, *others)
    assert len(three.book.dirty()) == 3
    settle_marks(three, first)
    assert [mark.version for mark in three.book.dirty()] == [3]


@pytest.fixture
def running(three):
    repairs = []

    def start(name):
        repair = three.repair(name)
        repairs.append(repair)
        repair.start()
        return repair

    yield start
    three.stopping.set()
    for repair in repairs:
        repair.join()


def test_a_repair_that_somebody_asks_for_is_made(three, owners, running, monkeypatch):
    monkeypatch.setattr("storagenode.cluster.rounds._LOOK_SECONDS", 0.01)
    repair = running(owners[0])
    wait_for("the first round", lambda: repair.progress().done == PARTITIONS)
    three.put(DATA, owners[0])
    assert three.holders(DIGEST) == {owners[0]}
    three.store.txn([], [Put(keys.REPAIR_TASK, b"now")])
    wait_for("the copy", lambda: three.holders(DIGEST) == set(owners))


def test_the_thread_outlives_a_surprise(three, owners, running, monkeypatch):
    monkeypatch.setattr("storagenode.cluster.rounds._LOOK_SECONDS", 0.01)
    surprises = iter([RuntimeError("nobody thought of this")])
    view = three.view

    class Surprising:
        def __getattr__(self, name):
            for surprise in surprises:
                raise surprise
            three.view = view
            return getattr(view, name)

    three.put(DATA, owners[0])
    three.view = Surprising()
    running(owners[0])
    wait_for("the copy", lambda: three.holders(DIGEST) == set(owners))
