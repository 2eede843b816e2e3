"""Rounds of keeping: what goes, whose bytes are freed, when a round is made, and by whom."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import MetadataUnavailableError, NodeUnreachableError
from holdfast.meta import keys, versions
from holdfast.meta.evictions import Evictions, Outcome
from holdfast.meta.fetches import WORKER
from holdfast.meta.holdings import Holdings
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.tasks import ask_for_keeping
from holdfast.meta.turns import Turns
from holdfast.mirrors.ways import Limits
from holdfast.names import Repository
from holdfast.placement.layout import Rules
from holdfast.replicas.removing import ReplicaRemover
from holdfast.rpc.node import Want
from syncworker.keeping.freeing import AGAIN_SECONDS, Freeing
from syncworker.keeping.growth import Growth
from syncworker.keeping.keeper import Keeper, Round
from syncworker.keeping.loop import Loop
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore
from tests.fakes.several import Several
from tests.unit.meta.world import image, new_ids

if TYPE_CHECKING:
    import pytest

CACHE, OTHER, OURS = Repository("up/app"), Repository("up/other"), Repository("ours/app")
KIB = 1024


def layer(number: int) -> bytes:
    return bytes([number]) * KIB


class World:
    """Caches below ``up/`` with one budget, two nodes, and a worker that keeps."""

    def __init__(self, size: int | None = None, age: float | None = None) -> None:
        self.limits = Limits("up", size, age)
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.new_id = new_ids()
        self.repos = Repositories(self.store, self.new_id, self.clock)
        self.nodes = [MemoryNode("a"), MemoryNode("b")]
        self.directory = Several(*self.nodes, rules=Rules(2, 1))
        self.misplaced: list[Any] = []
        self.freeing = Freeing(self.repos, ReplicaRemover(self.directory, self.misplaced.append), self.clock, limit=4)
        self.turns = Turns(self.store, self.new_id, "w", keys.KEEP_TASK)
        self.keeper = Keeper(
            Holdings(self.store), Evictions(self.store, self.new_id), self.freeing, self.limits_of, self.clock
        )

    def limits_of(self, name: Repository) -> Limits | None:
        return self.limits if name.startswith("up/") else None

    def hold(self, number: int, repo: Repository = CACHE, origin: Any = "upstream") -> None:
        """A second later than whatever came before."""
        self.clock.advance(1)
        data = layer(number)
        for node in self.nodes:
            node.put_blob(digests.of(data), data)
        self.repos.add_link(repo, digests.of(data), len(data), self.repos.fence(digests.of(data)), origin)

    def round(self) -> Round:
        turn = self.turns.take()
        assert turn is not None
        return self.keeper.round(turn, lambda: True)

    def held(self, repo: Repository = CACHE) -> list[int]:
        return [number for number in range(10) if self.repos.link(repo, digests.of(layer(number)))]

    def stored(self, node: int = 0) -> list[int]:
        return [number for number in range(10) if digests.of(layer(number)) in self.nodes[node].blobs]


def test_a_full_cache_loses_its_oldest_and_the_nodes_their_bytes() -> None:
    world = World(size=2 * KIB)
    for number in range(5):
        world.hold(number)
    done = world.round()
    assert world.held() == world.stored(0) == world.stored(1) == [3, 4]
    assert (done.outcomes, done.freed_bytes, done.used_bytes) == ({Outcome.GONE: 3}, 2 * 3 * KIB, {"up": 5 * KIB})
    assert world.round().outcomes == {}


def test_what_is_older_than_allowed_goes_by_the_clock_that_was_given() -> None:
    world = World(age=3600)
    world.hold(0)
    world.clock.advance(3600)
    assert world.round().outcomes == {}
    world.hold(1)
    assert world.round().outcomes == {Outcome.GONE: 1}
    assert world.held() == world.stored() == [1]


def test_a_pushed_copy_of_the_same_layer_keeps_the_bytes() -> None:
    world = World(size=0)
    world.hold(0)
    world.hold(0, OURS, "pushed")
    world.hold(1)
    world.round()
    assert (world.held(), world.held(OURS), world.stored()) == ([], [0], [0])


def test_what_turns_out_to_be_pushed_is_in_nobodys_budget_and_the_next_oldest_goes() -> None:
    """Else three layers that nobody may take would leave the cache over its budget for ever."""
    world = World(size=KIB)
    for number in range(5):
        world.hold(number)
    new = image("m", *(digests.of(layer(number)) for number in range(3)))
    pushed = NewManifest(new.digest, new.media_type, 0, new.references)
    world.repos.put_manifest(CACHE, pushed, [], world.repos.fence(new.digest), world.repos.removals(CACHE))
    done = world.round()
    assert world.held() == world.stored() == [0, 1, 2, 4]
    assert done.used_bytes == {"up": KIB}


def test_a_copy_that_is_asked_for_before_its_delete_comes_stays_and_goes_the_next_time() -> None:
    world = World(size=0)
    world.hold(0)
    nodes, wanted = world.nodes, Want(digests.of(layer(0)))
    delete = nodes[1].delete_blob

    def asked_meanwhile(*args: Any, **options: Any) -> bool:
        nodes[1].stat_blobs([wanted])
        return delete(*args, **options)

    nodes[1].delete_blob = asked_meanwhile  # type: ignore[method-assign]
    assert world.round().freed_bytes == KIB
    # The first node has lost its copy, so a repair is to look; who relies on the second one's is safe.
    assert (world.stored(0), world.stored(1), world.misplaced) == ([], [0], [digests.of(layer(0))])
    nodes[1].delete_blob = delete  # type: ignore[method-assign]
    assert world.round().freed_bytes == 0
    world.clock.advance(AGAIN_SECONDS)
    assert world.round().freed_bytes == KIB
    assert (world.stored(1), world.freeing.left) == ([], 0)


def test_what_a_node_that_is_away_holds_goes_when_it_is_back() -> None:
    world = World(size=0)
    world.hold(0)
    world.nodes[1].fail_with = NodeUnreachableError("away")
    world.round()
    assert (world.held(), world.stored(0), world.stored(1)) == ([], [], [0])
    world.nodes[1].fail_with = None
    world.clock.advance(AGAIN_SECONDS)
    world.round()
    assert (world.stored(1), world.freeing.left) == ([], 0)


def test_a_node_that_hangs_is_waited_for_once_in_a_round() -> None:
    world = World(size=0)
    for number in range(4):
        world.hold(number)
    world.nodes[1].fail_with = NodeUnreachableError("hangs")
    world.nodes[1].calls.clear()
    world.round()
    assert world.nodes[1].calls == ["list_blobs"]
    assert (world.stored(0), world.stored(1)) == ([], [0, 1, 2, 3])


def test_only_so_much_is_remembered_of_what_could_not_be_freed() -> None:
    world = World(size=0)
    for number in range(6):
        world.hold(number)
    world.nodes[1].fail_with = NodeUnreachableError("away")
    world.round()
    assert (world.freeing.left, world.stored(0)) == (4, [])


def test_what_is_linked_again_in_the_meantime_is_not_freed_later() -> None:
    world = World(size=0)
    world.hold(0)
    world.nodes[0].fail_with = NodeUnreachableError("away")
    world.round()
    world.nodes[0].fail_with = None
    world.hold(0, OURS, "pushed")
    world.clock.advance(AGAIN_SECONDS)
    world.round()
    assert (world.stored(0), world.stored(1), world.freeing.left) == ([0], [0], 0)


def test_a_round_under_a_lost_turn_takes_nothing() -> None:
    world = World(size=0)
    world.hold(0)
    turn = world.turns.take()
    assert turn is not None
    Turns(world.store, world.new_id, "v", keys.KEEP_TASK).take()
    assert world.keeper.round(turn, lambda: True).is_lost
    assert world.held() == world.stored() == [0]


def test_a_round_that_is_told_to_stop_ends_between_two_steps() -> None:
    world = World(size=0)
    for number in range(3):
        world.hold(number)
    turn = world.turns.take()
    assert turn is not None
    answers = iter([True, True, False])
    world.keeper.round(turn, lambda: next(answers, False))
    assert world.held() == [2]
    world.clock.advance(AGAIN_SECONDS)
    world.round()
    assert world.held() == world.stored() == []


def test_the_log_says_what_went_and_why(caplog: pytest.LogCaptureFixture) -> None:
    world = World(size=KIB, age=60)
    world.hold(0)
    world.clock.advance(60)
    for number in (1, 2):
        world.hold(number)
    with caplog.at_level(logging.INFO, "holdfast.sync"):
        world.round()
    said = [vars(record) for record in caplog.records]
    assert [(one["digest"], one["reason"]) for one in said if "reason" in one] == [
        (str(digests.of(layer(0))), "older than cacheMaxAge"),
        (str(digests.of(layer(1))), "more than cacheSize is held"),
    ]
    assert (said[-1]["outcomes"], said[-1]["freed"], said[-1]["unfreed"]) == ({"gone": 2}, 4 * KIB, 0)


class Looked:
    """A loop whose rounds are counted; each takes ``seconds``."""

    def __init__(self, world: World, worker: str = "w") -> None:
        self.rounds = 0
        self.seconds = 0.0
        self._world = world
        turns = Turns(world.store, world.new_id, worker, keys.KEEP_TASK)
        self.loop = Loop(world.store, turns, self, world.clock)  # type: ignore[arg-type]  # stands in for the keeper

    def round(self, _turn: object, _goes_on: object) -> None:
        self.rounds += 1
        self._world.clock.advance(self.seconds)

    def after(self, seconds: float) -> bool:
        self._world.clock.advance(seconds)
        return self.loop.look()


def test_a_round_is_made_every_so_often_and_when_somebody_asks() -> None:
    world = World()
    looked = Looked(world)
    assert not looked.loop.look()
    assert [looked.after(10), looked.after(10), looked.after(600)] == [True, False, True]
    ask_for_keeping(world.store, world.new_id)
    assert [looked.after(1), looked.after(1)] == [True, False]


def test_the_metadata_rests_after_a_long_round_also_when_somebody_asks() -> None:
    world = World()
    looked = Looked(world)
    looked.seconds = 20
    assert looked.after(10)
    ask_for_keeping(world.store, world.new_id)
    assert [looked.after(100), looked.after(100)] == [False, True]


def test_of_two_workers_one_keeps_and_the_other_takes_over_when_it_dies() -> None:
    world = World()
    lease = world.store.grant_lease(60).lease_id
    versions.announce(world.store, WORKER, "w", "0.1.0", lease, "w:1")
    one, two = Looked(world, "w"), Looked(world, "v")
    assert [one.after(10), two.after(0)] == [True, False]
    world.store.revoke_lease(lease)
    assert two.after(10)
    assert (one.rounds, two.rounds) == (1, 1)


def test_growth_asks_once_a_fiftieth_of_the_budget_has_come() -> None:
    asked: list[int] = []
    world = World(size=5000)
    growth = Growth(world.limits_of, lambda: asked.append(1))
    growth.linked(CACHE, 99)
    growth.linked(OURS, 10_000)
    assert asked == []
    growth.linked(OTHER, 1)
    assert asked == [1]
    growth.linked(CACHE, 99)
    assert asked == [1]


def test_growth_that_cannot_ask_holds_nobody_up() -> None:
    def unavailable() -> None:
        raise MetadataUnavailableError("away")

    Growth(World(size=1).limits_of, unavailable).linked(CACHE, 1)
