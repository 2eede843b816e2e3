"""Pull times: in batches, seldom, and never at a pull's cost."""

from __future__ import annotations

import pytest

from gateway.pulls import REFRESH_SECONDS, Pulls
from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.pulls import PullTimes
from holdfast.meta.store import Delete, Put
from holdfast.names import repository
from tests.fakes.memory_store import MemoryStore

CACHE, LOCAL = repository("up/app"), repository("local/app")
DIGESTS = [digests.of(b"%d" % number) for number in range(300)]


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        for name in (CACHE, LOCAL):
            for digest in DIGESTS:
                self.store.txn([], [Put(keys.link(name, digest), b"")])
        self.times = PullTimes(self.store)
        self.writes: list[int] = []
        self.fails = False
        self.pulls = Pulls(self, lambda name: name == CACHE, self.clock)  # type: ignore[arg-type]  # stands in for the times

    def write(self, seconds) -> None:
        if self.fails:
            raise MetadataUnavailableError("away")
        self.writes.append(len(seconds))
        self.times.write(seconds)

    def known(self, digest=DIGESTS[0]):
        return self.times.read([(CACHE, digest)]).get((CACHE, digest))


def test_a_thousand_pulls_are_one_write() -> None:
    world = World()
    for _ in range(1000):
        world.pulls.note(CACHE, DIGESTS[0])
    assert world.writes == []
    world.pulls.flush()
    world.pulls.flush()
    assert world.writes == [1]
    assert world.known() == world.clock.wall()


def test_a_hit_refreshes_once_in_some_minutes() -> None:
    world = World()
    first = world.clock.wall()
    for seconds in (0, REFRESH_SECONDS - 1, 2):
        world.clock.advance(seconds)
        world.pulls.note(CACHE, DIGESTS[0])
        world.pulls.flush()
    assert len(world.writes) == 2
    assert world.known() == first + REFRESH_SECONDS + 1


def test_blobs_are_noted_only_where_somebody_asks_for_theirs() -> None:
    world = World()
    pulls = Pulls(world.times, lambda _: True, world.clock, counts_blobs=lambda name: name == CACHE)
    pulls.note_blob(CACHE, DIGESTS[0])
    pulls.note_blob(LOCAL, DIGESTS[1])
    pulls.note(LOCAL, DIGESTS[2])
    pulls.flush()
    wanted = [(CACHE, DIGESTS[0]), (LOCAL, DIGESTS[1]), (LOCAL, DIGESTS[2])]
    assert world.times.read(wanted).keys() == {wanted[0], wanted[2]}


def test_pulls_of_many_blobs_go_together() -> None:
    world = World()
    for digest in DIGESTS:
        world.pulls.note(CACHE, digest)
    world.pulls.flush()
    assert world.writes == [300]
    assert all(world.known(digest) for digest in DIGESTS)


def test_what_is_deleted_before_its_pull_is_written_leaves_nothing_behind() -> None:
    world = World()
    for digest in DIGESTS:
        world.pulls.note(CACHE, digest)
    world.store.txn([], [Delete(keys.link(CACHE, digest)) for digest in DIGESTS[::3]])
    world.pulls.flush()
    assert [world.known(digest) is None for digest in DIGESTS[:6]] == [True, False, False] * 2


@pytest.mark.parametrize(
    "change", [Delete(keys.link(CACHE, DIGESTS[0])), Put(keys.link(CACHE, DIGESTS[0]), b"renewed")]
)
def test_a_link_that_goes_or_is_renewed_at_that_moment_is_looked_at_again(change) -> None:
    world = World()

    class Moving:
        """The link is changed between the look at it and the write."""

        is_done = False

        def __getattr__(self, name):
            return getattr(world.store, name)

        def txn(self, *arguments):
            if not self.is_done:
                self.is_done = True
                world.store.txn([], [change])
            return world.store.txn(*arguments)

    PullTimes(Moving()).write({(CACHE, DIGESTS[0]): 1.0, (CACHE, DIGESTS[1]): 2.0})  # type: ignore[arg-type]  # the port's methods
    assert world.known(DIGESTS[0]) == (1.0 if isinstance(change, Put) else None)
    assert world.known(DIGESTS[1]) == 2.0


def test_pulls_that_nobody_will_ask_for_are_not_written() -> None:
    world = World()
    world.pulls.note(LOCAL, DIGESTS[0])
    world.pulls.flush()
    assert world.writes == []


def test_times_that_could_not_be_written_are_those_of_the_next_pull() -> None:
    world = World()
    world.fails = True
    world.pulls.note(CACHE, DIGESTS[0])
    world.pulls.flush()
    world.fails = False
    world.clock.advance(1)
    world.pulls.note(CACHE, DIGESTS[0])
    world.pulls.flush()
    assert world.known() == world.clock.wall()


def test_what_is_pending_is_written_when_the_gateway_stops() -> None:
    world = World()
    world.pulls.start()
    world.pulls.note(CACHE, DIGESTS[0])
    world.pulls.stop()
    assert world.known() == world.clock.wall()
