"""One partition is brought in order: copies arrive, handoffs leave, and nothing leaves before all owners have said "have it"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import digest as digests
from holdfast.errors import DigestInvalidError, UnavailableError
from holdfast.placement.layout import Rules
from holdfast.rpc.node import Want
from storagenode.cluster.placing import send_copy
from tests.fakes.memory_blobs import MemoryBlobs
from tests.fakes.views import layout_of, view_of
from tests.unit.storagenode.repairs import LARGE, Repairs

if TYPE_CHECKING:
    import random

DATA = b"some bytes"
DIGEST = digests.of(DATA)
PARTITION = DIGEST.partition
TWO = Rules(2, 2)


@pytest.fixture
def four():
    """Layout 1 of a, b, c and d, two copies each."""
    made = Repairs(("a", "b", "c", "d"))
    made.view = view_of(layout_of(1, "a", "b", "c", "d", rules=TWO))
    return made


@pytest.fixture
def owners(four):
    return four.view.owners(PARTITION)


@pytest.fixture
def others(four, owners):
    return tuple(name for name in four.names if name not in owners)


def settle(cluster, name, digest=DIGEST, silent=frozenset()):
    return cluster.settlers[name].settle(cluster.view, digest.partition, silent)


def test_a_node_that_holds_nothing_and_owns_nothing_asks_nobody(four, others):
    settled = settle(four, others[0])
    assert settled.is_complete
    assert settled.is_clean
    assert all("list_blobs" not in node.calls for name, node in four.nodes.items() if name != others[0])


@pytest.mark.parametrize("data", [DATA, LARGE, b""], ids=["small", "large", "empty"])
@pytest.mark.parametrize("who", [0, 1], ids=["the one who has it", "the one who lacks it"])
def test_an_owner_that_lacks_a_copy_gets_it_whoever_comes_first(four, data, who):
    digest = digests.of(data)
    owners = four.view.owners(digest.partition)
    four.put(data, owners[0])
    assert settle(four, owners[who], digest).is_complete
    assert four.holders(digest) == set(owners)
    assert four.settlers[owners[who]].tally.copied_bytes == len(data)
    assert settle(four, owners[who], digest).is_clean


def test_a_handoff_passes_its_copy_on_and_then_lets_go_of_it(four, owners, others):
    four.put(DATA, others[0])
    assert settle(four, others[0]).is_complete
    assert four.holders(DIGEST) == set(owners)


def test_a_handoff_keeps_its_copy_while_an_owner_does_not_answer(four, owners, others):
    four.put(DATA, others[0], owners[0])
    four.down = {owners[1]}
    settled = settle(four, others[0])
    assert not settled.is_complete
    assert settled.silent == {owners[1]}
    assert four.holders(DIGEST) == {others[0], owners[0]}


def test_who_is_known_to_be_silent_is_not_asked(four, owners, others):
    four.put(DATA, others[0], *owners)
    settled = settle(four, others[0], silent={owners[1]})
    assert not settled.is_complete
    assert settled.silent == frozenset()
    assert four.nodes[owners[1]].calls == []
    assert others[0] in four.holders(DIGEST)


def test_a_handoff_keeps_its_copy_while_an_owner_was_removed_and_no_other_named(four, owners, others):
    four.put(DATA, others[0], *owners)
    four.view = view_of(layout_of(1, "a", "b", "c", "d", rules=TWO), removed=owners[:1])
    assert settle(four, others[0]).is_complete  # a removed node must not keep a layout from being retired
    assert others[0] in four.holders(DIGEST)


def test_a_removed_owner_is_not_waited_for(four, owners):
    four.put(DATA, owners[1])
    four.view = view_of(layout_of(1, "a", "b", "c", "d", rules=TWO), removed=owners[:1], down=owners[:1])
    four.down = {owners[0]}
    assert settle(four, owners[1]).is_complete


def test_a_copy_that_a_client_was_told_of_in_between_stays(four, owners, others):
    four.put(DATA, others[0], *owners)
    first_owner = four.nodes[owners[0]]
    stat = first_owner.stat_blobs

    def stat_blobs(wants):
        four.nodes[others[0]].stat_blobs(wants)  # meanwhile somebody asks the handoff
        return stat(wants)

    first_owner.stat_blobs = stat_blobs
    settle(four, others[0])
    assert others[0] in four.holders(DIGEST)


def test_an_owner_whose_copy_has_another_size_does_not_confirm(four, owners, others):
    four.put(DATA, others[0], owners[0])
    four.nodes[owners[1]].blobs[DIGEST] = DATA[:3]
    for _ in range(3):
        settle(four, others[0])
        assert four.holders(DIGEST) >= {owners[0]}
    for name in (*owners, others[0]) * 2:
        settle(four, name)
    assert four.holders(DIGEST) == set(owners)
    assert all(four.nodes[name].blobs[DIGEST] == DATA for name in owners)


@pytest.mark.parametrize("who", [0, 1], ids=["who has the right one", "who has the wrong one"])
def test_where_sizes_differ_the_wrong_copy_goes_into_quarantine_and_nobody_is_done_yet(four, owners, who):
    four.put(DATA, owners[0])
    four.nodes[owners[1]].blobs[DIGEST] = DATA[:3]
    settled = settle(four, owners[who])
    assert not settled.is_complete
    assert four.nodes[owners[1]].quarantine == [DIGEST]
    assert settle(four, owners[who]).is_complete
    assert four.holders(DIGEST) == set(owners)


def test_an_owner_that_sees_others_disagree_is_not_done():
    cluster = Repairs(("a", "b", "c"))
    cluster.view = view_of(layout_of(1, "a", "b", "c"))
    cluster.put(DATA, "a")
    cluster.nodes["b"].blobs[DIGEST] = DATA[:3]
    assert not settle(cluster, "c").is_complete


def test_rot_of_the_same_size_is_found_out_by_who_is_sent_it(four, owners):
    digest, rotten = DIGEST, b"some rotten"[: len(DATA)]
    four.nodes[owners[0]].blobs[digest] = rotten
    assert not settle(four, owners[0]).is_complete
    assert four.nodes[owners[0]].quarantine == [digest]
    assert four.holders(digest) == set()  # nothing was ever a copy of it but a file of its name


def test_who_refuses_good_bytes_does_not_bring_them_into_quarantine(four, owners):
    four.put(DATA, owners[0])
    peer = four.nodes[owners[1]]

    def put_blob(_digest, _data, _place=""):
        raise DigestInvalidError("this node's memory is broken")

    peer.put_blob = put_blob
    with pytest.raises(DigestInvalidError):
        send_copy(peer, MemoryBlobs(four.nodes[owners[0]]), DIGEST, len(DATA), int, int)
    assert four.holders(DIGEST) == {owners[0]}


def test_what_is_there_already_is_not_sent(four, owners):
    four.put(DATA, *owners)
    peer = four.nodes[owners[1]]
    held = send_copy(peer, MemoryBlobs(four.nodes[owners[0]]), DIGEST, len(DATA), int, int)
    assert held.digest == DIGEST
    assert peer.calls == ["stat_blobs"]


def test_a_node_that_is_about_to_stop_begins_no_copy(four, owners):
    four.put(DATA, owners[0])
    four.stopping.set()
    assert not settle(four, owners[0]).is_complete
    assert four.holders(DIGEST) == {owners[0]}
    with pytest.raises(UnavailableError):
        four.settlers[owners[0]].pace.go_on()


NAMES = ("a", "b", "c", "d", "e")
CONTENT = [bytes([number]) * (number % 3) for number in range(1, 7)]


@st.composite
def clusters(draw):
    """Nodes, one to three live layouts of some of them, blobs on some disks, and nodes that are down at first or removed."""
    rules = draw(st.sampled_from([Rules(1, 1), Rules(2, 2), Rules(3, 2)]))
    live = [
        layout_of(number, *draw(st.sets(st.sampled_from(NAMES), min_size=1)), rules=rules, turn=draw(st.integers(0, 2)))
        for number in range(1, draw(st.integers(2, 4)))
    ]
    disks = {
        data: draw(st.sets(st.sampled_from(NAMES), min_size=1)) for data in draw(st.sets(st.sampled_from(CONTENT)))
    }
    return live, disks, draw(st.sets(st.sampled_from(NAMES))), draw(st.randoms(use_true_random=False))


def a_round(cluster: Repairs, disks, dice: random.Random) -> bool:
    """Every living node once for every blob, in any order; whether there was nothing left to do. No blob is ever nowhere."""
    steps = [(name, digests.of(data)) for name in cluster.names if name not in cluster.down for data in disks]
    dice.shuffle(steps)
    quiet = True
    for name, digest in steps:
        quiet = settle(cluster, name, digest, frozenset()).is_clean and quiet
        for data in disks:
            assert cluster.holders(digests.of(data))
    return quiet


@settings(deadline=None, max_examples=60)
@given(clusters())
def test_rounds_bring_every_blob_to_its_owners_and_nowhere_else_and_never_to_nowhere(case):
    live, disks, down, dice = case
    cluster = Repairs(NAMES, down=set(down))
    for data, names in disks.items():
        cluster.put(data, *names)
    cluster.view = view_of(*live, members=NAMES, down=down)
    for _ in range(2):
        a_round(cluster, disks, dice)
    cluster.down = set()
    cluster.view = view_of(*live, members=NAMES)
    assert any(a_round(cluster, disks, dice) for _ in range(6))
    for data in disks:
        digest = digests.of(data)
        assert set(cluster.view.owners(digest.partition)) <= cluster.holders(digest)
        assert cluster.holders(digest) <= set(cluster.view.keepers(digest.partition))
    # The older layouts are retired: what only they wanted goes as well.
    cluster.view = view_of(live[-1], members=NAMES)
    assert any(a_round(cluster, disks, dice) for _ in range(4))
    for data in disks:
        digest = digests.of(data)
        assert cluster.holders(digest) == set(cluster.view.owners(digest.partition))
        for name in cluster.holders(digest):
            assert cluster.nodes[name].stat_blobs([Want(digest, len(data))])[0] is not None


@settings(deadline=None, max_examples=60)
@given(clusters(), st.data())
def test_nodes_that_know_different_layouts_never_let_go_of_the_last_copy(case, data):
    """Views are behind by as much as anybody likes: each step is taken by one that somebody had."""
    live, disks, _, dice = case
    cluster = Repairs(NAMES)
    for content, names in disks.items():
        cluster.put(content, *names)
    views = [
        view_of(*live[first : last + 1], members=NAMES)
        for first in range(len(live))
        for last in range(first, len(live))
    ]
    for _ in range(12):
        cluster.view = data.draw(st.sampled_from(views))
        for name in dice.sample(NAMES, 3):
            for content in disks:
                settle(cluster, name, digests.of(content))
                assert cluster.holders(digests.of(content))
