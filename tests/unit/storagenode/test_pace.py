"""Repair goes as fast as it can while nobody is served, and makes room for clients while somebody is."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import UnavailableError
from holdfast.rpc import methods as m
from storagenode.cluster.ear import listening
from storagenode.cluster.pace import Pace


class Stopping:
    """As an event: remembers the rests instead of resting."""

    def __init__(self) -> None:
        self.rests: list[float] = []
        self.is_stopping = False

    def wait(self, seconds: float) -> bool:
        self.rests.append(seconds)
        return self.is_stopping

    def is_set(self) -> bool:
        return self.is_stopping


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def stopping():
    return Stopping()


def copy(pace, clock, seconds, size_bytes=1000):
    with pace.copying(size_bytes):
        clock.advance(seconds)


def test_without_clients_copies_follow_each_other(clock, stopping):
    pace = Pace(clock, stopping)
    copy(pace, clock, 5.0)
    assert stopping.rests == []


def test_beside_clients_four_fifths_of_the_time_are_theirs(clock, stopping):
    pace = Pace(clock, stopping)
    pace.heard()
    copy(pace, clock, 1.0)
    assert stopping.rests == [4.0]


def test_a_client_that_comes_during_a_copy_counts(clock, stopping):
    pace = Pace(clock, stopping)
    with pace.copying(1000):
        clock.advance(3.0)
        pace.heard()
        clock.advance(1.0)
    assert stopping.rests == [16.0]


def test_when_clients_have_been_gone_for_a_while_nothing_rests(clock, stopping):
    pace = Pace(clock, stopping)
    pace.heard()
    clock.advance(2.0)
    copy(pace, clock, 1.0)
    assert stopping.rests == []


def test_no_rest_is_longer_than_half_a_minute(clock, stopping):
    pace = Pace(clock, stopping)
    with pace.copying(1000):
        clock.advance(100.0)
        pace.heard()
    assert stopping.rests == [30.0]


def test_a_bound_in_bytes_holds_with_and_without_clients(clock, stopping):
    pace = Pace(clock, stopping, bytes_per_second=100)
    copy(pace, clock, 4.0)
    assert stopping.rests == [6.0]
    copy(pace, clock, 20.0)
    assert stopping.rests == [6.0]


def test_a_copy_that_fails_is_not_rested_for(clock, stopping):
    pace = Pace(clock, stopping)
    pace.heard()
    stopping.is_stopping = True
    with pytest.raises(UnavailableError), pace.copying(1000):
        pace.go_on()
    assert stopping.rests == []


class Context:
    def __init__(self, sender: str | None) -> None:
        self._metadata = ((m.SENDER_KEY, sender),) if sender else ()

    def invocation_metadata(self):
        return self._metadata


BEHAVIOURS = {
    m.APPEND.name: lambda request, _context: list(request),
    m.READ_BLOB.name: lambda request, _context: iter(request),
    m.STAT_BLOBS.name: lambda request, _context: request,
}


@pytest.mark.parametrize(("name", "times"), [(m.APPEND.name, 3), (m.READ_BLOB.name, 3), (m.STAT_BLOBS.name, 1)])
def test_every_message_of_a_client_is_heard_and_none_of_another_node(name, times):
    heard = []
    behaviour = listening(BEHAVIOURS, lambda: heard.append(name))[name]
    assert list(behaviour([1, 2], Context(None))) == [1, 2]
    assert len(heard) == times
    assert list(behaviour([1, 2], Context("n1"))) == [1, 2]
    assert len(heard) == times
