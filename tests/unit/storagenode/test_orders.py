"""What an operator orders of a node's collector, on a node of three disks that each have their own delay."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import time

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import MetadataUnavailableError, RolledBackError, UnavailableError
from holdfast.meta import keys
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import Put
from holdfast.meta.witness import Memory, trust
from holdfast.names import repository
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.collecting import Amount, Order
from holdfast.rpc.node import UploadKey, Want
from storagenode.collecting.assembly import CollectOptions
from storagenode.collecting.loop import Loop, Rhythm, Turn, Window
from storagenode.collecting.pace import Pace
from storagenode.disk.witnessbook import WitnessBook
from storagenode.options import RoomOptions
from tests.unit.meta.world import V1, image, new_ids, push

NOW = Order()
DAY = 24 * 3600.0
NEVER = "00:00-00:00"  # no cycle comes by itself
MAIN, QUICK, KEPT = repository("a/app"), repository("quick/app"), repository("kept/app")


class Collected:
    def __init__(self, bench, main_delay_seconds=60.0):
        metadata = bench.path / "holdfast.db"
        bench.options |= {
            "metadata": metadata,
            "collect": CollectOptions(main_delay_seconds, window=NEVER, push_seconds=60.0),
            "upload_expiry_seconds": 600.0,
            "rooms": (
                RoomOptions("/quick", bench.path / "quick", 0, CollectOptions(10.0, window=NEVER, push_seconds=10.0)),
                RoomOptions("/kept", bench.path / "kept", 0),
            ),
        }
        self.clock = bench.clock
        self.store = SqliteStore(metadata, self.clock)
        self.repos = Repositories(self.store, new_ids(), self.clock)
        self.node = bench.start()
        self.collecting = bench.server.duties.collecting
        self.collecting._loop._between = lambda: None  # nor is the trash emptied
        self.collecting.start()
        self.push_image(b"always linked")

    def close(self):
        self.collecting.stop()
        self.store.close()

    def put(self, repo, data):
        return self.node.put_blob(digests.of(data), data, str(repo)).digest

    def push(self, repo, data):
        digest = self.put(repo, data)
        self.repos.add_link(repo, digest, len(data), self.repos.fence(digest))
        return digest

    def push_image(self, data):
        self.put(MAIN, data)
        push(self.repos, replace(image("m"), digest=digests.of(data)), V1, repo=MAIN)

    def here(self):
        return {blob.digest for blobs in self.node.list_blobs(0, 4095) for blob in blobs}

    def told(self, order=NOW):
        *_, last = self.collecting.collect(order)
        return last.report

    def after(self, seconds, order=NOW):
        self.clock.advance(seconds)
        return {store.route: store for store in self.told(order).stores}


@pytest.fixture
def collected(bench):
    made = Collected(bench)
    yield made
    made.close()


def test_each_disk_has_its_own_delay_and_one_whose_collection_is_off_loses_nothing(collected):
    main, quick, kept = (collected.put(repo, str(repo).encode()) for repo in (MAIN, QUICK, KEPT))
    collected.after(0)
    found = collected.after(10)
    assert {route: store.swept.count for route, store in found.items()} == {"": 0, "/quick": 1, "/kept": 0}
    assert (found[""].waiting.last_seconds, found["/kept"].is_collected) == (50.0, False)
    assert collected.here() >= {main, kept}
    assert collected.after(50)[""].swept == Amount(1, len(str(MAIN)))
    collected.after(10 * 24 * 3600.0)
    assert kept in collected.here()
    assert not {main, quick} & collected.here()


def test_links_go_by_the_delay_of_their_repository_and_stay_where_collection_is_off(collected):
    digests_of = {repo: collected.push(repo, str(repo).encode()) for repo in (MAIN, QUICK, KEPT)}
    collected.after(0)
    assert collected.after(10)["/quick"].links.count == 1
    assert collected.repos.link(MAIN, digests_of[MAIN]) is not None
    collected.after(10 * 24 * 3600.0)
    assert [repo for repo in digests_of if collected.repos.link(repo, digests_of[repo])] == [KEPT]


def test_why_links_went_is_known_for_as_long_as_the_slowest_disk_asks(bench):
    made = Collected(bench, main_delay_seconds=5 * DAY)
    digest = made.push(MAIN, b"deleted by somebody")
    made.repos.delete_blob(MAIN, digest)
    made.after(0)
    made.after(5 * DAY - 1)
    try:
        assert made.store.get(keys.loosened(digest)) is not None
        assert made.after(1)[""].swept.count == 1
    finally:
        made.close()


def test_a_blob_that_lies_on_two_disks_goes_from_each_by_its_own_delay(collected):
    twice = collected.put(QUICK, b"on two disks")
    collected.put(KEPT, b"on two disks")
    collected.after(0)
    assert collected.after(10)["/quick"].swept.count == 1
    assert b"".join(collected.node.read_blob(Want(twice), 0, None)) == b"on two disks"


def test_a_dry_run_tells_what_the_next_run_does_and_changes_nothing(collected):
    collected.push(MAIN, b"a link that nothing needs")
    collected.put(MAIN, b"a blob that nobody links")
    collected.put(QUICK, b"another one")
    collected.node.start_upload(str(MAIN), "", None)
    for seconds in (0, 10, 50, 0, 60, 600, 24 * 3600.0):
        collected.clock.advance(seconds)
        before = collected.here()
        foreseen = [collected.told(Order(dry_run=True)) for _ in range(2)]
        assert collected.here() == before
        assert foreseen[0] == foreseen[1] == collected.told(), f"after {seconds} s"
    assert collected.here() == {digests.of(b"always linked")}


def test_uploads_that_nobody_goes_on_with_are_dropped_and_told(collected):
    state = collected.node.start_upload(str(MAIN), "", None)
    key = UploadKey(state.upload_id, str(MAIN))
    collected.node.append(key, 0, [b"four"], lambda: None)
    assert collected.told().uploads_open == Amount(1, 4)
    collected.clock.advance(600)
    report = collected.told()
    assert (report.uploads_dropped, report.uploads_open, report.freed) == (Amount(1, 4), Amount(), Amount(1, 4))


def rolled_back(_made, bench):
    WitnessBook(bench.tree, bench.files).save(Memory(("what no backup knows",)))


def restored(made, _bench):
    made.store.txn([], [Put(keys.CLUSTER_RESTORED, b"yesterday")])


@pytest.mark.parametrize("happens", [rolled_back, restored])
def test_on_metadata_that_went_back_in_time_no_copy_goes_by_another_process_word_either(collected, bench, happens):
    digest = collected.put(MAIN, b"pushed after the backup was made")
    listen = f"unix:{bench.path}/s"
    bench.server._server.add_insecure_port(listen)
    bench.server._server.start()
    with contextlib.closing(GrpcNode(listen, host_id="")) as client:
        happens(collected, bench)
        (stored,) = client.stat_blobs([Want(digest)])
        with pytest.raises(MetadataUnavailableError):
            client.delete_blob(digest, stored.stamp, for_good=True)
        assert digest in collected.here()
        with pytest.raises(RolledBackError):
            bench.server.duties._require_right()  # as its own thread does every minute
        trust(collected.store, new_ids())
        bench.server.duties._require_right()
        assert client.delete_blob(digest, stored.stamp, for_good=True)


@pytest.mark.parametrize("order", [NOW, Order(dry_run=True), Order(allowed_bytes={"": 1 << 40})])
def test_on_metadata_that_went_back_in_time_no_order_is_carried_out_until_somebody_trusts_it(collected, bench, order):
    collected.put(MAIN, b"a blob that nobody links")
    collected.after(0)
    before = collected.here()
    WitnessBook(bench.tree, bench.files).save(Memory(("what no backup knows",)))
    collected.clock.advance(3600)
    with pytest.raises(RolledBackError):
        collected.told(order)
    assert collected.here() == before
    trust(collected.store, new_ids())
    assert collected.told()
    assert collected.here() != before


class Turns:
    """A loop whose cycles are counted."""

    def __init__(self, *rhythms, broken=()):
        self.clock = ManualClock()
        self.done, self.error = [], None
        turns = [
            Turn(self._cycle(number, number in broken), rhythm, self.clock) for number, rhythm in enumerate(rhythms)
        ]
        self.loop = Loop(turns, self.between, self.clock, Pace(lambda: 0.0, lambda _seconds: None))

    def between(self):
        if self.error is not None:
            raise self.error

    def _cycle(self, number, is_broken):
        def cycle(_goes_on):
            self.done.append(number)
            if is_broken:
                raise UnavailableError("this disk does not answer")
            return False

        return cycle


def test_an_order_is_carried_out_whatever_the_window_and_one_after_the_end_is_refused():
    turns = Turns(Rhythm(1.0, 0.0, Window.parse(NEVER)))
    turns.loop.start()
    assert turns.loop.order(lambda goes_on: goes_on()).result(30) is True
    turns.loop.stop()
    late = turns.loop.order(lambda _: "done")
    turns.loop.stop()
    with pytest.raises(UnavailableError):
        late.result(30)
    assert turns.done == []


def test_without_an_interval_there_are_as_many_cycles_as_garbage_needs_a_grace_apart_and_then_none():
    turns = Turns(Rhythm(0.0, 100.0))
    began, at = turns.clock.monotonic(), []
    for _ in range(1000):
        turns.clock.advance(10)
        before = len(turns.done)
        turns.loop._take_turns()
        at += [turns.clock.monotonic() - began] * (len(turns.done) - before)
    assert at == [60.0, 160.0, 260.0]


def test_a_cycle_that_failed_does_not_count_as_one_of_those():
    turns = Turns(Rhythm(0.0, 1.0), broken=(0,))
    for _ in range(10):
        turns.clock.advance(60)
        turns.loop._take_turns()
    assert len(turns.done) == 10


@pytest.mark.parametrize("text", ["9:00-17:30", "09:00 - 17:30"])
def test_a_window_is_read_as_the_configuration_spells_it(text):
    assert Window.parse(text) == Window.parse("09:00-17:30") == Window(time(9), time(17, 30))


def test_a_disk_that_fails_holds_up_none_of_the_others():
    turns = Turns(Rhythm(1.0, 0.0), Rhythm(1.0, 0.0), broken=(0,))
    turns.clock.advance(2)
    turns.loop._take_turns()
    assert turns.done == [0, 1]


def test_while_the_metadata_is_not_right_no_cycle_begins_and_it_is_told_again_and_again(caplog):
    turns = Turns(Rhythm(1.0, 0.0))
    turns.error = RolledBackError("older than what this node has seen")
    for _ in range(3):
        turns.clock.advance(1)
        turns.loop._take_turns()
    assert turns.done == []
    assert [record.reason for record in caplog.records] == ["older than what this node has seen"] * 3
    turns.error = None
    turns.clock.advance(1)
    turns.loop._take_turns()
    assert turns.done == [0]
