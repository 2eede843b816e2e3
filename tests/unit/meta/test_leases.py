"""The lease keeper over the fake store, by a clock that moves when told to."""

from __future__ import annotations

import threading

import pytest

from holdfast.clock import ManualClock, SystemClock
from holdfast.errors import MetadataUnavailableError
from holdfast.meta.leases import LeaseKeeper
from holdfast.meta.store import Put
from tests.fakes.memory_store import MemoryStore
from tests.serving import wait_for


class Told:
    """A keeper, and what its holder was told, in order."""

    def __init__(self, clock=None, store=None):
        self.clock = clock or ManualClock()
        self.store = store or MemoryStore(self.clock)
        self.events = []
        self.keeper = LeaseKeeper(
            self.store,
            9.0,
            self.clock,
            lambda held: self.events.append(("granted", held.lease_id)),
            lambda lease_id: self.events.append(("lost", lease_id)),
        )

    def pass_time(self, seconds):
        """Both threads' steps, at every second."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            self.keeper.expire()
            self.keeper.renew()


class Silent:
    """The store behind it, until it is told to say nothing."""

    def __init__(self, store):
        self.store = store
        self.silent = False

    def __getattr__(self, name):
        if self.silent:
            raise MetadataUnavailableError("silent, as ordered")
        return getattr(self.store, name)


@pytest.fixture
def told():
    made = Told()
    made.keeper.renew()
    return made


@pytest.fixture
def silenced():
    clock = ManualClock()
    made = Told(clock, Silent(MemoryStore(clock)))
    made.keeper.renew()
    return made


def test_a_lease_is_granted_and_told(told):
    held = told.keeper.held()
    assert told.events == [("granted", held.lease_id)]
    assert told.store.keep_alive(held.lease_id) == 9.0


def test_a_lease_is_renewed_at_a_third_of_its_ttl(told):
    assert told.keeper.renew() == 3.0
    told.pass_time(60)
    assert [name for name, _ in told.events] == ["granted"]
    assert told.keeper.held() is not None


def test_a_holder_stops_well_before_the_store_would_end_its_lease(silenced):
    held = silenced.keeper.held()
    assert held.deadline == silenced.clock.monotonic() + 6.0
    silenced.store.silent = True
    silenced.clock.advance(6.0)
    assert silenced.keeper.held() is None
    assert silenced.store.store.keep_alive(held.lease_id) > 0


def test_a_loss_is_told_once_and_another_lease_follows_when_the_store_is_back(silenced):
    (first,) = [lease_id for _, lease_id in silenced.events]
    silenced.store.silent = True
    silenced.pass_time(30)
    assert silenced.events == [("granted", first), ("lost", first)]
    silenced.store.silent = False
    silenced.pass_time(1)
    second = silenced.keeper.held().lease_id
    assert second != first
    assert silenced.events[2:] == [("granted", second)]


def test_a_lease_that_the_store_has_ended_is_lost_at_the_next_renewal(told):
    first = told.keeper.held().lease_id
    told.store.revoke_lease(first)
    told.pass_time(4)
    assert told.events[1] == ("lost", first)
    assert [name for name, _ in told.events] == ["granted", "lost", "granted"]


def test_a_renewal_that_comes_too_late_ends_the_lease_for_the_store_as_well(told):
    held = told.keeper.held()
    told.store.txn([], [Put(b"member/1", b"", held.lease_id)])
    answer = told.store.keep_alive

    def late(lease_id):
        told.clock.advance(5.0)
        told.keeper.expire()
        return answer(lease_id)

    told.store.keep_alive = late
    told.clock.advance(3.0)
    told.keeper.renew()
    assert told.events[1] == ("lost", held.lease_id)
    assert told.store.get(b"member/1") is None


def test_the_deadline_counts_from_the_question_not_from_the_answer(told):
    answer = told.store.keep_alive

    def slow(lease_id):
        told.clock.advance(2.0)
        return answer(lease_id)

    told.store.keep_alive = slow
    told.clock.advance(3.0)
    asked_at = told.clock.monotonic()
    told.keeper.renew()
    assert told.keeper.held().deadline == asked_at + 6.0


def test_a_stopped_keeper_gives_its_lease_back_and_tells_nothing_more(told):
    held = told.keeper.held()
    told.keeper.stop()
    assert told.keeper.held() is None
    assert told.store.keep_alive(held.lease_id) == 0.0
    told.pass_time(20)
    assert [name for name, _ in told.events] == ["granted"]


def test_its_threads_renew_and_tell_by_themselves():
    lost = threading.Event()
    store = Silent(MemoryStore(SystemClock()))
    keeper = LeaseKeeper(store, 0.6, SystemClock(), lambda held: None, lambda lease_id: lost.set())
    keeper.start()
    first = wait_for("a lease", keeper.held)
    wait_for("a renewal", lambda: keeper.held() and keeper.held().deadline > first.deadline)
    store.silent = True
    assert lost.wait(10)
    assert keeper.held() is None
    store.silent = False
    assert wait_for("another lease", keeper.held).lease_id != first.lease_id
    keeper.stop()
