"""One replicated write: who is asked, what is waited for, and what a node that hangs may cost the others."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import (
    BlobUnknownError,
    DigestInvalidError,
    NodeUnreachableError,
    StorageFullError,
    UnavailableError,
)
from holdfast.placement.layout import Rules
from holdfast.replicas.fanout import FanOut
from holdfast.rpc.node import StoredBlob
from tests.fakes.memory_node import MemoryNode
from tests.fakes.several import Several

DATA = b"some bytes"
DIGEST = digests.of(DATA)
STORED = StoredBlob(DIGEST, len(DATA), "s")
THREE = Rules(3, 2)


class Passing(ManualClock):
    """A second passes whenever somebody looks, so that patience ends without waiting."""

    def monotonic(self) -> float:
        self.advance(1.0)
        return self.now


class Hanging(MemoryNode):
    """Takes calls and does not answer before ``let_go``."""

    def __init__(self, node_id: str) -> None:
        super().__init__(node_id)
        self.let_go = threading.Event()
        self.asked = 0

    def put_blob(self, digest, data, place=""):
        self.asked += 1
        assert self.let_go.wait(30)
        return super().put_blob(digest, data)


class Refusing(MemoryNode):
    """Finds all bytes wrong."""

    def put_blob(self, digest, data, place=""):
        self.calls.append("put_blob")
        raise DigestInvalidError("other bytes than named")


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as made:
        yield made


def nodes(*names: str, hanging=(), refusing=()) -> list[MemoryNode]:
    kinds = {**dict.fromkeys(hanging, Hanging), **dict.fromkeys(refusing, Refusing)}
    return [kinds.get(name, MemoryNode)(name) for name in names]


def put(node, _sending):
    return node.put_blob(DIGEST, DATA)


def holders(directory: Several) -> set[str]:
    return {name for name, node in directory.nodes.items() if DIGEST in node.blobs}


def let_go(directory: Several) -> None:
    for node in directory.nodes.values():
        if isinstance(node, Hanging):
            node.let_go.set()


@pytest.fixture
def run(pool):
    used: list[Several] = []

    def go(directory: Several, send=put, held=None, clock=None, **options):
        used.append(directory)
        fan_out = FanOut(directory, pool, clock or ManualClock(), **options)
        return fan_out.run(directory.placing(DIGEST), send, held)

    yield go
    for directory in used:
        let_go(directory)


def test_every_owner_gets_a_copy_and_no_handoff(run):
    directory = Several(*nodes("a", "b", "c", "d"), owners=("a", "b", "c"), rules=THREE)
    outcome = run(directory)
    assert (set(outcome.stored), outcome.is_short) == ({"a", "b", "c"}, False)
    assert holders(directory) == {"a", "b", "c"}


def test_who_holds_a_copy_already_is_not_asked(run):
    directory = Several(*nodes("a", "b", "c"), rules=THREE)
    assert not run(directory, held={"a": STORED}).is_short
    assert holders(directory) == {"b", "c"}


def test_a_copy_on_a_node_that_is_no_member_any_more_does_not_count(run):
    directory = Several(*nodes("a", "b"), rules=Rules(2, 2))
    directory.nodes["b"].fail_with = NodeUnreachableError("gone")
    with pytest.raises(UnavailableError):
        run(directory, held={"removed": STORED})
    assert holders(directory) == {"a"}


@pytest.mark.parametrize("error", [NodeUnreachableError("no answer"), StorageFullError("full")])
def test_a_handoff_stands_in_for_an_owner_that_fails(run, error):
    directory = Several(*nodes("a", "b", "c", "d"), owners=("a", "b", "c"), rules=Rules(3, 3))
    directory.nodes["b"].fail_with = error
    outcome = run(directory)
    assert (holders(directory), outcome.is_short) == ({"a", "c", "d"}, True)
    assert ("b" in directory.failed_by) is isinstance(error, NodeUnreachableError)


def test_who_is_known_to_be_down_is_not_asked(run):
    directory = Several(*nodes("a", "b", "c", "d"), owners=("a", "b", "c"), rules=THREE)
    directory.down = {"b"}
    outcome = run(directory)
    assert directory.nodes["b"].calls == []
    assert (holders(directory), outcome.is_short) == ({"a", "c", "d"}, True)


def test_who_seems_to_be_down_is_asked_when_the_others_are_too_few(run):
    directory = Several(*nodes("a", "b"), rules=Rules(2, 2))
    directory.down = {"b"}
    assert not run(directory).is_short


def test_handoffs_take_the_places_of_owners_that_were_removed(run):
    directory = Several(*nodes("a", "c", "d"), owners=("a",), rules=Rules(2, 2))
    directory.vacant = 1
    outcome = run(directory)
    assert len(holders(directory)) == len(outcome.stored) == 2
    assert outcome.is_short  # they only stand in: the next layout names other owners


def test_what_an_owner_that_was_removed_would_have_is_missing_also_where_nobody_can_stand_in(run):
    directory = Several(*nodes("a", "b"), rules=Rules(3, 2))
    directory.vacant = 1
    assert run(directory).is_short


def test_fewer_copies_than_the_quorum_are_an_error_that_counts_them(run):
    directory = Several(*nodes("a", "b", "c"), rules=THREE)
    for name in "bc":
        directory.nodes[name].fail_with = NodeUnreachableError("no answer")
    with pytest.raises(NodeUnreachableError) as refused:
        run(directory)
    assert refused.value.detail == {"copies": 1, "needed": 2}


def test_a_full_cluster_says_so(run):
    directory = Several(*nodes("a", "b", "c"), rules=THREE)
    for name in "bc":
        directory.nodes[name].fail_with = StorageFullError("full")
    with pytest.raises(StorageFullError):
        run(directory)


def test_a_durable_write_does_not_wait_for_a_node_that_hangs(run):
    directory = Several(*nodes("a", "b", "c", hanging="c"), rules=THREE)
    outcome = run(directory, clock=Passing())
    assert (set(outcome.stored), outcome.is_short) == ({"a", "b"}, True)


def test_a_handoff_is_asked_when_an_owner_hangs_that_is_needed(run):
    directory = Several(*nodes("a", "b", "c", hanging="b"), owners=("a", "b"), rules=Rules(2, 2))
    outcome = run(directory, clock=Passing())
    assert (set(outcome.stored), outcome.is_short) == ({"a", "c"}, True)


def test_a_copy_of_a_node_that_was_given_up_counts_all_the_same(run):
    def send(node, sending):
        while node.node_id == "b" and not sending.is_given_up:
            time.sleep(0.001)
        return put(node, sending)

    outcome = run(Several(*nodes("a", "b"), rules=Rules(2, 2)), send, clock=Passing())
    assert (set(outcome.stored), outcome.is_short) == ({"a", "b"}, False)


def test_a_node_that_hangs_takes_no_more_than_its_part_of_the_threads():
    directory = Several(*nodes("a", "b", "c", hanging="c"), rules=THREE)
    with ThreadPoolExecutor(4) as pool:
        fan_out = FanOut(directory, pool, Passing(), most_per_node=2)
        for _ in range(10):
            outcome = fan_out.run(directory.placing(DIGEST), put)
            assert set(outcome.stored) == {"a", "b"}
        assert directory.nodes["c"].asked == 2
        let_go(directory)
    # Those that waited behind them were for writes that are long over.
    assert directory.nodes["c"].asked == 2


def test_copies_that_waited_for_their_turn_are_made(pool):
    directory = Several(*nodes("a"), rules=Rules(1, 1))
    fan_out = FanOut(directory, pool, ManualClock(), most_per_node=1)
    with ThreadPoolExecutor(8) as writers:
        outcomes = [writers.submit(fan_out.run, directory.placing(DIGEST), put) for _ in range(30)]
        assert all(set(outcome.result(30).stored) == {"a"} for outcome in outcomes)
    assert len(directory.nodes["a"].calls) == 30


def test_one_node_that_finds_good_bytes_wrong_does_not_stop_the_write(run):
    directory = Several(*nodes("a", "b", "c", refusing="a"), rules=THREE)
    outcome = run(directory)
    assert (set(outcome.stored), outcome.is_short) == ({"b", "c"}, True)


def test_bytes_that_two_nodes_find_wrong_are_wrong(run):
    directory = Several(*nodes("a", "b", "c", "d", refusing="abcd"), owners=("a", "b", "c"), rules=THREE)
    with pytest.raises(DigestInvalidError):
        run(directory)


def test_bytes_that_the_only_node_finds_wrong_are_wrong(run):
    with pytest.raises(DigestInvalidError):
        run(Several(*nodes("a", refusing="a"), rules=Rules(1, 1)))


def test_what_nobody_has_is_missing(run):
    def look(_node, _sending):
        raise BlobUnknownError("no copy")

    with pytest.raises(BlobUnknownError):
        run(Several(*nodes("a", "b"), rules=Rules(2, 2)), look)


def test_a_surprise_in_one_copy_is_a_failure_of_that_copy(run):
    def send(node, sending):
        if node.node_id == "a":
            raise RuntimeError("nobody thought of this")
        return put(node, sending)

    directory = Several(*nodes("a", "b", "c"), rules=THREE)
    assert set(run(directory, send).stored) == {"b", "c"}


def test_how_long_a_copy_took_is_not_reported_as_latency(run):
    directory = Several(*nodes("a", "b"), rules=Rules(2, 2))
    run(directory, clock=Passing())
    assert directory.latencies == [None, None]
