"""A walk at a pace: it rests in proportion to what it has worked."""

from __future__ import annotations

from holdfast.clock import ManualClock
from storagenode.collecting.pace import Paced
from tests.unit.meta.world import blob
from tests.unit.storagenode.test_collector import Node


class Slow:
    """Copies of which each listing takes so long."""

    def __init__(self, seconds):
        self.clock = ManualClock()
        self.node = Node(blob("a"))
        self.seconds = seconds
        self.rests = []
        self.activity = 7

    def listing(self, partition):
        self.clock.advance(self.seconds)
        return self.node.listing(partition)

    def delete(self, digest, stamp):
        return self.node.delete(digest, stamp)

    def pause(self, seconds):
        self.rests.append(seconds)
        self.clock.advance(seconds)


def walked(seconds, partitions):
    slow = Slow(seconds)
    paced = Paced(slow, slow.clock, slow.pause)
    for partition in range(partitions):
        paced.listing(partition)
    return slow


def test_two_of_three_milliseconds_are_somebody_elses():
    slow = walked(seconds=0.004, partitions=100)
    worked = 100 * 0.004
    assert sum(slow.rests) >= 1.9 * worked


def test_a_walk_over_little_hardly_rests_at_all():
    assert walked(seconds=0.00001, partitions=150).rests == []


def test_no_rest_is_long_also_when_the_walk_itself_has_waited():
    assert max(walked(seconds=30.0, partitions=3).rests) <= 0.1


def test_what_is_listed_and_deleted_is_the_same():
    slow = Slow(0.0)
    paced = Paced(slow, slow.clock, slow.pause)
    (listed,) = paced.listing(blob("a").partition)
    assert paced.activity == 7
    assert paced.delete(listed.digest, listed.stamp)
    assert paced.listing(blob("a").partition) == []
