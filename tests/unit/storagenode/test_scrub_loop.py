"""When a node reads its copies, what a restart changes about that, and what is told of it."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.digest import PARTITIONS
from holdfast.errors import MetadataUnavailableError, UnavailableError
from holdfast.meta.scrubs import Finding, Report, Round, Scrubs, State
from holdfast.rpc.node import Want
from storagenode.disk.fsio import Files
from storagenode.disk.tree import Tree
from storagenode.scrubbing.assembly import Scrub, ScrubOptions
from storagenode.scrubbing.book import Place, ScrubBook
from storagenode.scrubbing.loop import Loop, Rhythm, Told
from storagenode.scrubbing.pace import StoppedError
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import new_ids
from tests.unit.storagenode.conftest import put

DAY = 24 * 3600.0
ONE = digests.of(b"one")


class Missing:
    """``here`` holds digests that have come again; ``states``: what a question finds."""

    def __init__(self):
        self.here, self.lost, self.states, self.looks = set(), {}, {}, 0

    def known(self):
        self.looks += 1
        return self.lost

    def is_here(self, digest):
        return digest in self.here

    def judge(self, _partition, faults):
        return {digest: type("Judged", (), {"state": self.states[digest]})() for digest in faults}


class FakeWalk:
    """Notes where rounds begin; each ends with ``found``, or as ``breaks`` says after it got to ``stops_at``."""

    def __init__(self, world):
        self.world, self.begun, self.found, self.breaks, self.stops_at = world, [], (), None, None
        self.has_given_up = False
        self.counters = type("Counters", (), {"rounds": 0})()

    def round(self, place, so_far):
        self.begun.append((place, so_far))
        if self.stops_at is not None:
            self.world.clock.advance(6.0)  # since the last save
            self.world.loop.on_way(self.stops_at, replace(so_far, blobs=7))
        if self.breaks is not None:
            raise self.breaks
        return replace(so_far, partitions_done=PARTITIONS, findings=self.found)


class World:
    def __init__(self, root):
        self.clock = ManualClock()
        self.scrubs = Scrubs(MemoryStore(self.clock), new_ids())
        self.missing = Missing()
        self.book = ScrubBook(Tree(str(root)), Files())

    def start(self, interval_seconds=DAY):
        told = Told("n1", self.scrubs, self.missing)
        self.loop = Loop(self.book, told, Rhythm(interval_seconds), self.clock, threading.Event())
        self.walk = self.loop._walk = FakeWalk(self)
        return self.loop

    def die(self, at=Place(100, "")):  # noqa: B008 - frozen
        """In the middle of a round, as the last save left it."""
        self.walk.stops_at, self.walk.breaks = at, StoppedError()
        with pytest.raises(StoppedError):
            self.loop.look()

    def report(self):
        return self.scrubs.reports()["n1"]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_new_node_reads_its_copies_after_a_while_and_then_every_so_often(world):
    loop = world.start()
    assert not loop.look()
    world.clock.advance(600.0)
    assert loop.look()
    assert not loop.look()
    world.clock.advance(DAY - 1)
    assert not loop.look()
    world.clock.advance(1)
    assert loop.look()
    assert [place for place, _ in world.walk.begun] == [Place(), Place()]


def test_without_an_interval_it_reads_when_it_is_asked_and_once_for_each_wish(world):
    loop = world.start(0)
    world.clock.advance(1000 * DAY)
    assert not loop.look()
    asked = world.scrubs.ask("n1")
    assert loop.look()
    assert world.report().answered == asked
    assert not loop.look()
    world.scrubs.ask("n1")
    assert loop.look()
    world.scrubs.ask("another node")
    assert not loop.look()


def test_what_has_come_again_is_struck_out_before_a_wish_is_answered(world):
    loop = world.start(0)
    loop.look()
    looks, told = world.missing.looks, []
    world.scrubs.ask("n1")
    publish = world.scrubs.publish
    world.scrubs.publish = lambda node, report: (told.append(world.missing.looks), publish(node, report))
    assert loop.look()
    assert told == [looks + 1]


def test_a_restart_goes_on_where_the_former_process_was(world):
    asked = world.start(0) and world.scrubs.ask("n1")
    world.die(Place(100, "sha256:ab"))
    loop = world.start(0)
    assert not loop.look()
    world.clock.advance(10.0)
    assert loop.look()
    ((place, so_far),) = world.walk.begun
    assert (place, so_far.blobs) == (Place(100, "sha256:ab"), 7)
    assert (world.report().answered, world.report().current) == (asked, None)


@pytest.mark.parametrize("is_asked", [True, False])
def test_how_far_it_is_is_told_often_only_while_somebody_waits_for_it(world, monkeypatch, is_asked):
    loop, told = world.start(), []
    if is_asked:
        world.scrubs.ask("n1")
    else:
        world.clock.advance(2 * DAY)
    world.walk.stops_at = Place(100)
    monkeypatch.setattr(world.scrubs, "publish", lambda _node, report: told.append(report.current))
    assert loop.look()
    assert any(current is not None and current.blobs == 7 for current in told) == is_asked


def test_a_wish_after_the_round_began_is_not_answered_by_it(world):
    world.start(0)
    world.scrubs.ask("n1")
    world.die()
    second = world.scrubs.ask("n1")
    loop = world.start(0)
    assert loop.look()
    assert [place for place, _ in world.walk.begun] == [Place()]
    assert world.report().answered == second


def test_a_node_that_restarts_often_reads_no_more_often_for_that(world):
    loop = world.start()
    world.clock.advance(600.0)
    loop.look()
    for _ in range(3):
        world.clock.advance(DAY / 4)
        loop = world.start()
        world.clock.advance(20.0)
        assert not loop.look()
    world.clock.advance(DAY / 4)
    assert loop.look()


def test_a_report_outlives_the_process_and_the_metadata(world):
    loop = world.start()
    world.walk.found = (Finding(ONE, "it is empty", State.UNLINKED),)
    world.clock.advance(600.0)
    loop.look()
    world.scrubs = Scrubs(MemoryStore(world.clock), new_ids())
    loop = world.start()
    loop.look()
    assert world.report() == loop.report
    assert [one.digest for one in world.report().last.findings] == [ONE]


def test_a_record_of_the_way_that_does_not_parse_begins_anew(world, tmp_path):
    world.start(0)
    world.scrubs.ask("n1")
    world.die()
    for text in ("", "{", '{"partition": "x"}', '{"partition": 1, "after": "", "report": {"last": 3}}'):
        (tmp_path / "scrub.json").write_text(text)
        assert world.book.load() == (Place(), Report())


def test_what_is_found_wrong_is_followed_until_it_is_well_or_beyond_repair(world):
    loop = world.start(0)
    two = digests.of(b"two")
    world.scrubs.ask("n1")
    world.walk.found = (Finding(ONE, "it is empty"), Finding(two, "there was none"))
    loop.look()
    assert not world.report().is_settled
    world.missing.here, world.missing.states = {ONE}, {two: State.LOST}
    world.clock.advance(20.0)
    loop.look()
    assert [one.state for one in world.report().last.findings] == [State.HEALED, State.LOST]
    assert world.report().is_settled
    world.missing.here = {ONE, two}
    world.clock.advance(20.0)
    loop.look()
    assert [one.state for one in world.report().last.findings] == [State.HEALED, State.HEALED]


def test_metadata_that_do_not_answer_put_a_round_off_and_it_goes_on(world):
    loop = world.start(0)
    world.scrubs.ask("n1")
    world.walk.stops_at, world.walk.breaks = Place(100), MetadataUnavailableError("no answer")
    with pytest.raises(MetadataUnavailableError):
        loop.look()
    loop._put_off("no answer")
    assert not loop.look()
    world.walk.breaks = None
    world.clock.advance(30.0)
    assert loop.look()
    assert [place for place, _ in world.walk.begun] == [Place(), Place(100)]


def test_after_giving_up_a_disk_only_a_wish_brings_another_round(world):
    loop = world.start()
    world.clock.advance(600.0)
    world.walk.breaks, world.walk.has_given_up = MetadataUnavailableError("32 copies in a row"), True
    with pytest.raises(MetadataUnavailableError):
        loop.look()
    loop._put_off("32 copies in a row")
    world.clock.advance(100 * DAY)
    assert not loop.look()
    world.walk.breaks = None
    world.scrubs.ask("n1")
    assert loop.look()


class Died(BaseException):
    """As SIGKILL: nothing is told, nothing is put in order."""


def test_a_node_killed_at_any_file_it_changes_finds_everything_in_the_end_and_loses_nothing(bench, files):
    """Bad copies go aside or stay, right ones stay, and the next round comes to its end."""
    node = bench.start()
    data = [b"%d" % number for number in range(5)]
    good, bad = data[:3], data[3:]
    point, is_over = 0, False
    while not is_over:
        wanted = [put(node, one) for one in data]
        for digest in wanted[3:]:
            Path(bench.tree.blob(digest)).write_bytes(b"rotten")
        changes = 0

        def count(_operation: str, path: str) -> None:
            nonlocal changes
            changes += path.startswith((bench.tree.quarantine, bench.tree.scrub_file))
            if changes > point:  # noqa: B023 - called before the next turn
                raise Died

        files.before = count
        try:
            round_of(bench, files)
            is_over = True
        except Died:
            point += 1
        files.before = lambda *_: None
        node = bench.restart()
        done = round_of(bench, files)
        assert done.partitions_done == PARTITIONS
        assert all(b"".join(node._store.read(Want(digests.of(one)), 0, None)) == one for one in good)
        assert not any(os.path.exists(bench.tree.blob(digests.of(one))) for one in bad)  # noqa: PTH110
    assert point > 12


def test_a_directory_of_a_real_disk_that_cannot_be_read_does_not_hold_up_the_others(bench, files):
    node = bench.start()
    wrong = put(node, b"wrong")
    blind = put(node, b"out of sight")
    Path(bench.tree.blob(wrong)).write_bytes(b"rotten")
    directory = Path(bench.tree.partition(blind.partition))
    directory.rename(directory.with_name("away"))
    directory.write_text("no directory")  # what root cannot list either
    done = round_of(bench, files)
    assert (done.partitions_done, done.unread, [one.digest for one in done.findings]) == (PARTITIONS, 1, [wrong])
    with pytest.raises(UnavailableError, match=f"partition {blind.partition:03x}"):
        node._store.listing(blind.partition)


def round_of(bench, files) -> Round:
    """One round of a node, as a process makes it that goes on where another was."""
    disks, book = [bench.server.node._store], ScrubBook(bench.tree, files)
    scrub = Scrub(ScrubOptions(bytes_per_second=0), disks, book, None, bench.clock)
    scrub.loop._walk = scrub._walk
    scrub.loop._due = bench.clock.monotonic()
    scrub.loop.look()
    return scrub.loop.report.last


def test_a_wish_in_metadata_that_began_anew_is_answered_by_reading(tmp_path):
    """Restored into another store: its revisions are lower than what the node has answered."""
    here = World(tmp_path)
    for _ in range(50):
        here.scrubs.ask("n1")
    here.start(0).look()
    assert here.report().answered >= 50
    here.scrubs = Scrubs(MemoryStore(here.clock), new_ids())
    loop = here.start(0)
    loop.look()
    here.scrubs.ask("n1")
    assert loop.look()
