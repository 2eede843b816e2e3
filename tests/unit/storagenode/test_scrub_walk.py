"""A round over a node's copies: what it finds, where it goes on, and when it gives up."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.digest import PARTITIONS
from holdfast.errors import UnavailableError
from holdfast.meta.lost import Lost, LostBook
from holdfast.meta.repos import Repositories
from holdfast.meta.scrubs import MOST_FINDINGS, Round, State
from storagenode.scrubbing.book import Place
from storagenode.scrubbing.missing import Missing, Nobody
from storagenode.scrubbing.pace import LEAST_BYTES, Pace, StoppedError
from storagenode.scrubbing.walk import Sparingly, Walk
from storagenode.store import Examined
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import link, new_ids

BLOBS = sorted((digests.of(b"%d" % number) for number in range(300)), key=lambda one: (one.partition, str(one)))
BEGUN = Round(5.0)


@dataclass
class Disk:
    """Copies of 10 bytes; those in ``faults`` go when they are read."""

    copies: set = field(default_factory=set)
    faults: dict = field(default_factory=dict)
    read: list = field(default_factory=list)
    unreadable: bool = False
    blind: set = field(default_factory=set)  # partitions whose directories cannot be read

    def __post_init__(self):
        self.partitions = {one.partition for one in self.copies}

    def names(self, partition):
        if partition in self.blind:
            raise UnavailableError("the directory cannot be read")
        if partition not in self.partitions:
            return []
        return sorted((one for one in self.copies if one.partition == partition), key=str)

    def examine(self, digest, moved):
        if digest not in self.copies:
            return None
        moved(10)
        self.read.append(digest)
        fault = self.faults.get(digest, "")
        if fault:
            self.copies.discard(digest)
        return Examined(10, fault, is_unreadable=self.unreadable and bool(fault))


class World:
    def __init__(self, *disks, others=None):
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.repos = Repositories(self.store, new_ids(), self.clock)
        self.lost = LostBook(self.store, new_ids())
        self.disks = disks or (Disk(set(BLOBS)),)
        self.stopping = threading.Event()
        self.saved = []
        self.missing = Missing(self.lost, others or Nobody(), self.present, self.clock)
        self.walk = Walk(self.disks, self.missing, Pace(self.clock, self.stopping, 0), self.save)

    def present(self, partition):
        return [digest for disk in self.disks for digest in disk.names(partition)]

    def save(self, place, so_far):
        self.saved.append((place, so_far))

    def round(self, place=Place(), so_far=BEGUN):  # noqa: B008 - frozen
        return self.walk.round(place, so_far)


def test_every_copy_is_read_once_in_order():
    world = World()
    done = world.round()
    assert world.disks[0].read == BLOBS
    assert (done.blobs, done.size_bytes, done.wrong, done.missing, done.findings) == (300, 3000, 0, 0, ())
    assert done.partitions_done == PARTITIONS
    assert world.saved[-1][0] == Place(PARTITIONS)


def test_what_is_wrong_and_linked_is_lost_where_nobody_else_has_it():
    world = World()
    wanted, other = BLOBS[7], BLOBS[200]
    link(world.repos, wanted)
    world.disks[0].faults = {wanted: "it is empty", other: "the bytes have another digest"}
    done = world.round()
    assert (done.wrong, done.missing) == (2, 0)
    states = {finding.digest: (finding.fault, finding.state) for finding in done.findings}
    assert states == {
        wanted: ("it is empty", State.LOST),
        other: ("the bytes have another digest", State.UNLINKED),
    }
    assert [(one.digest, one.fault) for one in world.lost.all()] == [(wanted, "it is empty")]


def test_what_is_linked_and_was_never_there_is_missed():
    world = World(Disk(set(BLOBS[:-1])))
    link(world.repos, BLOBS[0], BLOBS[-1])
    done = world.round()
    assert (done.wrong, done.missing) == (0, 1)
    assert [(one.digest, one.fault, one.state) for one in done.findings] == [(BLOBS[-1], "there was none", State.LOST)]


def test_a_copy_on_another_disk_is_a_copy():
    world = World(Disk(set(BLOBS)), Disk({BLOBS[3]}))
    link(world.repos, BLOBS[3])
    world.disks[0].faults = {BLOBS[3]: "it is empty"}
    done = world.round()
    assert [one.state for one in done.findings] == [State.HEALED]
    assert done.blobs == 301


def test_it_goes_on_at_the_place_that_was_saved_and_counts_on():
    world = World()
    world.round()
    at, so_far = world.saved[len(world.saved) // 2]
    again = World()
    done = again.round(at, so_far)
    assert [*world.disks[0].read[: so_far.blobs], *again.disks[0].read] == BLOBS
    assert (done.blobs, done.began_seconds) == (300, BEGUN.began_seconds)


def test_no_place_is_saved_between_a_fault_and_its_finding():
    """A process that dies there finds the copy missing when it is back."""
    world = World()
    first, second = next((a, b) for a, b in itertools.pairwise(BLOBS) if a.partition == b.partition)
    link(world.repos, first)
    world.disks[0].faults = {first: "it is empty"}
    world.round()
    for place, so_far in world.saved:
        is_behind = (place.partition, place.after) >= (first.partition, str(first))
        assert is_behind == bool(so_far.findings)
    assert second in world.disks[0].read


def test_told_to_stop_it_stops_between_two_pieces():
    world = World()
    world.stopping.set()
    with pytest.raises(StoppedError):
        world.round()
    assert world.disks[0].read == []


def test_so_many_unreadable_copies_in_a_row_are_the_disk_s_fault():
    world = World(Disk(set(BLOBS), dict.fromkeys(BLOBS[100:], "the disk cannot read it"), unreadable=True))
    with pytest.raises(UnavailableError, match="32 copies in a row"):
        world.round()
    assert world.walk.has_given_up
    assert len(world.disks[0].copies) == 300 - 32
    few = World(Disk(set(BLOBS), dict.fromkeys(BLOBS[::2], "the disk cannot read it"), unreadable=True))
    assert few.round().wrong == 150


def test_a_directory_that_cannot_be_read_is_passed_over_counted_and_told_once(caplog):
    at = BLOBS[100].partition
    world = World(Disk(set(BLOBS), blind={at, BLOBS[200].partition}))
    link(world.repos, *BLOBS)
    done = world.round()
    blind = [one for one in BLOBS if one.partition in world.disks[0].blind]
    assert world.disks[0].read == [one for one in BLOBS if one not in blind]
    assert (done.unread, done.missing, done.findings, done.is_whole) == (2, 0, (), True)
    assert list(world.lost.all()) == []
    assert [record.places for record in caplog.records] == [2]
    world.disks[0].blind.clear()
    assert world.round().unread == 0


def test_a_round_that_goes_on_elsewhere_knows_how_many_directories_it_could_not_read():
    world = World(Disk(set(BLOBS), blind={BLOBS[0].partition}))
    world.round()
    place, so_far = world.saved[10]
    assert World().round(place, so_far).unread == 1


def test_what_another_disk_has_is_read_and_judged_later_where_one_directory_cannot_be_read():
    wrong = BLOBS[3]
    world = World(Disk(set(), blind={wrong.partition}), Disk({wrong}, {wrong: "it is empty"}))
    link(world.repos, wrong)
    done = world.round()
    assert [(one.digest, one.state) for one in done.findings] == [(wrong, State.OPEN)]
    assert (done.unread, done.unclear, list(world.lost.all())) == (1, 1, [])


def test_what_is_noted_as_lost_stays_so_while_nobody_can_see_whether_it_came_again():
    world = World(Disk(set(BLOBS[:1]), blind={BLOBS[0].partition}))
    link(world.repos, BLOBS[0])
    world.lost.add(Lost(BLOBS[0], "gone", 1.0))
    assert set(world.missing.known()) == {BLOBS[0]}
    world.disks[0].blind.clear()
    assert set(world.missing.known()) == set()


def test_so_many_unreadable_directories_in_a_row_are_the_disk_s_fault():
    world = World(Disk(set(BLOBS), blind=set(range(100, 132))))
    with pytest.raises(UnavailableError, match="32 directories in a row"):
        world.round()
    assert world.walk.has_given_up
    few = World(Disk(set(BLOBS), blind=set(range(0, PARTITIONS, 2))))
    assert few.round().unread == PARTITIONS // 2


def test_findings_are_kept_for_so_many_and_counted_for_all():
    many = {digests.of(b"more %d" % number) for number in range(MOST_FINDINGS + 20)}
    world = World(Disk(set(many), dict.fromkeys(many, "it is empty")))
    done = world.round()
    assert (done.wrong, len(done.findings)) == (MOST_FINDINGS + 20, MOST_FINDINGS)


class Others:
    """Another node has ``found``; ``all_heard``: everybody has answered; ``meanwhile`` happens while they are asked."""

    def __init__(self, *found, all_heard=True, ours=True, meanwhile=lambda: None):
        self.found, self.all_heard, self.ours, self.meanwhile = set(found), all_heard, ours, meanwhile
        self.short_of = []

    def is_ours(self, _partition):
        return self.ours

    def having(self, _partition, digests_asked):
        self.meanwhile()
        return self.found & set(digests_asked), self.all_heard

    def short(self, partition):
        self.short_of.append(partition)


def judged(others, *, linked=True):
    world = World(Disk(set()), others=others)
    if linked:
        link(world.repos, BLOBS[0])
    if others.meanwhile is None:
        others.meanwhile = lambda: link(world.repos, BLOBS[0])
    (found,) = world.missing.judge(BLOBS[0].partition, {BLOBS[0]: "gone"}).values()
    return found.state, found.is_unclear, [one.digest for one in world.lost.all()]


def test_what_another_node_has_is_repaired_from_there():
    others = Others(BLOBS[0])
    assert judged(others) == (State.OPEN, False, [])
    assert others.short_of == [BLOBS[0].partition]


def test_nothing_is_lost_while_somebody_who_may_have_it_is_silent():
    assert judged(Others(all_heard=False)) == (State.OPEN, True, [])


def test_nothing_is_lost_whose_link_was_made_while_nodes_were_asked():
    assert judged(Others(meanwhile=None)) == (State.OPEN, False, [])


def test_what_everybody_was_asked_for_and_nobody_has_is_lost():
    assert judged(Others()) == (State.LOST, False, [BLOBS[0]])


def test_what_nobody_links_is_not_lost():
    assert judged(Others(), linked=False) == (State.UNLINKED, False, [])


def test_what_other_nodes_are_to_have_is_not_missed_here():
    world = World(Disk(set()), others=Others(ours=False))
    link(world.repos, *BLOBS[:5])
    assert world.round().findings == ()


def test_what_came_again_or_is_wanted_by_nobody_is_struck_out():
    world = World(Disk(set(BLOBS[:1])))
    link(world.repos, *BLOBS[:2])
    for digest in BLOBS[:3]:
        world.lost.add(Lost(digest, "gone", 1.0))
    assert set(world.missing.known()) == {BLOBS[1]}
    assert [one.digest for one in world.lost.all()] == [BLOBS[1]]


class Rests(threading.Event):
    """Notes how long it would have been waited."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.seconds = clock, 0.0

    def wait(self, timeout=None):
        self.seconds += timeout
        self.clock.advance(timeout)
        return False


def test_it_reads_no_faster_than_it_may():
    clock = ManualClock()
    rests = Rests(clock)
    pace = Pace(clock, rests, bytes_per_second=10 << 20)
    for _ in range(100):
        pace.moved(1 << 20)
    assert rests.seconds == pytest.approx(10.0)


def test_a_small_copy_costs_more_than_its_bytes():
    clock = ManualClock()
    rests = Rests(clock)
    pace = Pace(clock, rests, bytes_per_second=LEAST_BYTES)
    for _ in range(10):
        pace.moved(10)
        pace.small(10)
    assert rests.seconds == pytest.approx(10.0, rel=0.1)


def test_time_in_which_nothing_was_read_is_not_made_up_for():
    clock = ManualClock()
    rests = Rests(clock)
    pace = Pace(clock, rests, bytes_per_second=1 << 20)
    pace.moved(1 << 20)
    clock.advance(3600.0)
    pace.moved(1 << 20)
    assert rests.seconds == pytest.approx(2.0)


@dataclass
class Rented(Disk):
    """A place in an object store. ``is_out``: it does not answer; ``archived``: what it does not give, and has."""

    is_out: bool = False
    archived: set = field(default_factory=set)

    def names(self, partition):
        if self.is_out:
            raise UnavailableError("the object store does not answer")
        return super().names(partition)

    def examine(self, digest, moved):
        if self.is_out or digest in self.archived:
            raise UnavailableError("the object store did not give an object: it answered 403")
        return super().examine(digest, moved)

    def glance(self, digest):
        raise AssertionError("somebody wants it read")


def test_a_round_is_put_off_while_an_object_store_does_not_answer_and_is_not_given_up():
    rented = Rented(set(BLOBS))
    world = World(Sparingly(rented, lambda: True))
    rented.is_out = True
    for _ in range(40):
        with pytest.raises(UnavailableError):
            world.round()
    assert not world.walk.has_given_up
    rented.is_out = False
    done = world.round()
    assert rented.read == BLOBS
    assert (done.unread, done.is_whole) == (0, True)


def round_with_rests(world):
    """As the loop goes on: at the place that was saved."""
    for _ in range(10):
        try:
            return world.round(*(world.saved[-1] if world.saved else ()))
        except UnavailableError:
            continue
    raise AssertionError("it never ends")


def test_copies_that_a_place_does_not_give_hold_up_a_round_three_times_and_no_more():
    rented = Rented(set(BLOBS), archived=set(BLOBS[4:9]) | {BLOBS[50]})
    world = World(Sparingly(rented, lambda: True))
    link(world.repos, *BLOBS)
    done = round_with_rests(world)
    assert rented.read == [one for one in BLOBS if one not in rented.archived]
    assert (done.unread, done.missing, done.findings, done.is_whole) == (6, 0, (), True)


def test_a_place_that_gives_none_of_many_copies_is_somebodys_to_look_at():
    world = World(Sparingly(Rented(set(BLOBS), archived=set(BLOBS)), lambda: True))
    with pytest.raises(AssertionError, match="never ends"):
        round_with_rests(world)
    assert world.walk.has_given_up
