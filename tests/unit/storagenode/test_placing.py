"""A finished blob goes to where it belongs; its copy here stays only as long as it is needed here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import MetadataUnavailableError, NodeUnreachableError, UnavailableError
from holdfast.placement.layout import Rules
from holdfast.replicas.fanout import FanOut
from holdfast.rpc.node import Want
from storagenode.cluster.placing import ClusterPlacer
from tests.fakes.memory_blobs import MemoryBlobs
from tests.fakes.memory_node import MemoryNode
from tests.fakes.several import Several

DATA = b"some bytes"
DIGEST = digests.of(DATA)
WANT = Want(DIGEST, len(DATA))
DOWN = NodeUnreachableError("no answer")


class Here:
    """A placer on node ``me`` among others."""

    def __init__(self, pool, me: str, *names: str, owners=None, rules=None) -> None:
        self.directory = Several(*(MemoryNode(name) for name in names), owners=owners, rules=rules)
        self.directory.zones[me] = "z"
        self.node = self.directory.nodes.get(me) or MemoryNode(me)
        self.marks: list[tuple[int, int]] = []
        fan_out = FanOut(self.directory, pool, ManualClock())
        self.placer = ClusterPlacer(
            me, MemoryBlobs(self.node), self.directory, fan_out, lambda *what: self.marks.append(what)
        )

    def finish(self):
        return self.placer.place(self.node.put_blob(DIGEST, DATA))

    def holders(self) -> set[str]:
        nodes = {**self.directory.nodes, self.node.node_id: self.node}
        return {name for name, node in nodes.items() if DIGEST in node.blobs}


@pytest.fixture
def here():
    with ThreadPoolExecutor(8) as pool:
        yield lambda *names, **how: Here(pool, *names, **how)


def test_an_owner_keeps_its_copy_and_gives_the_others_theirs(here):
    world = here("a", "a", "b", "c")
    assert world.finish().layout_revision == world.directory.layout_revision
    assert (world.holders(), world.marks) == ({"a", "b", "c"}, [])


@pytest.mark.parametrize("known", [True, False], ids=["handoff", "in no layout"])
def test_who_is_no_owner_lets_go_when_all_owners_have_theirs(here, known):
    world = here("x", "a", "b", *(["x"] if known else []), owners=("a", "b"), rules=Rules(2, 2))
    world.finish()
    assert (world.holders(), world.marks) == ({"a", "b"}, [])


def test_while_an_owner_lacks_its_copy_the_one_here_stays_and_the_partition_is_marked(here):
    world = here("x", "a", "b", "x", owners=("a", "b"), rules=Rules(2, 2))
    world.directory.nodes["b"].fail_with = DOWN
    world.finish()
    assert (world.holders(), world.marks) == ({"a", "x"}, [(DIGEST.partition, 3)])


def test_without_its_mark_it_is_not_placed(here):
    world = here("x", "a", "b", "x", owners=("a", "b"), rules=Rules(2, 2))
    world.directory.nodes["b"].fail_with = DOWN

    def refuse(*_what):
        raise MetadataUnavailableError("down")

    world.placer._mark_dirty = refuse
    with pytest.raises(MetadataUnavailableError):
        world.finish()
    assert "x" in world.holders()


def test_the_copy_here_stands_in_for_an_owner_that_was_removed(here):
    world = here("x", "a", "x", owners=("a",), rules=Rules(2, 2))
    world.directory.vacant = 1
    world.finish()
    assert (world.holders(), world.marks) == ({"a", "x"}, [(DIGEST.partition, 3)])


def test_who_is_no_owner_lets_go_when_there_is_a_stand_in_for_each_owner_that_was_removed(here):
    world = here("y", "a", "x", owners=("a",), rules=Rules(2, 2))
    world.directory.vacant = 1
    world.finish()
    assert (world.holders(), world.marks) == ({"a", "x"}, [(DIGEST.partition, 3)])


def test_too_few_copies_are_an_error_and_the_one_here_stays(here):
    world = here("a", "a", "b", "c")
    for name in "bc":
        world.directory.nodes[name].fail_with = DOWN
    with pytest.raises(UnavailableError):
        world.finish()
    assert world.holders() == {"a"}


def test_a_copy_that_a_client_was_told_of_in_between_stays(here):
    world = here("x", "a", "x", owners=("a",), rules=Rules(1, 1))
    stored = world.node.put_blob(DIGEST, DATA)
    world.node.stat_blobs([WANT])
    world.placer.place(stored)
    assert world.holders() == {"a", "x"}


def test_an_owner_whose_copy_has_another_size_gets_a_good_one_before_the_one_here_goes(here):
    world = here("x", "a", "x", owners=("a",), rules=Rules(1, 1))
    world.directory.nodes["a"].blobs[DIGEST] = b"cut"
    world.finish()
    assert world.directory.nodes["a"].blobs[DIGEST] == DATA


ROTTEN = b"some bytez"


def test_a_copy_of_the_right_size_that_has_rotted_is_replaced_by_a_good_one(here):
    world = here("a", "a", "b", "c")
    world.directory.nodes["b"].blobs[DIGEST] = ROTTEN
    world.finish()
    assert [world.directory.nodes[name].blobs[DIGEST] for name in "abc"] == [DATA] * 3


def test_the_copy_here_is_not_let_go_on_the_word_of_owners_that_have_all_rotted(here):
    world = here("x", "a", "b", "x", owners=("a", "b"), rules=Rules(2, 2))
    for name in "ab":
        world.directory.nodes[name].blobs[DIGEST] = ROTTEN
    world.finish()
    assert world.holders() == {"a", "b"}
    assert [world.directory.nodes[name].blobs[DIGEST] for name in "ab"] == [DATA] * 2


def test_owners_that_have_the_blob_are_not_sent_it_again(here):
    world = here("a", "a", "b", "c")
    world.finish()
    for name in "bc":
        world.directory.nodes[name].calls.clear()
    world.finish()
    assert [world.directory.nodes[name].calls for name in "bc"] == [["prove_blob"]] * 2


def test_what_was_placed_and_is_not_here_any_more_is_found_with_its_owners(here):
    world = here("x", "a", "b", "x", owners=("a", "b"), rules=Rules(2, 2))
    world.finish()
    found = world.placer.find(WANT)
    assert (found.digest, found.size_bytes) == (DIGEST, len(DATA))
    assert found.layout_revision == world.directory.layout_revision
    assert world.holders() == {"a", "b"}


def test_what_was_swept_everywhere_is_found_nowhere(here):
    assert here("x", "a", "b", owners=("a", "b"), rules=Rules(2, 2)).placer.find(WANT) is None


def test_what_is_left_on_too_few_nodes_is_not_said_to_be_there(here):
    world = here("x", "a", "b", owners=("a", "b"), rules=Rules(2, 2))
    world.finish()
    world.directory.nodes["b"].fail_with = DOWN
    with pytest.raises(UnavailableError):
        world.placer.find(WANT)
