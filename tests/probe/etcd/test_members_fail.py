"""Members killed, stopped and started again, under load and under watch."""

from __future__ import annotations

import time

import pytest

from holdfast.errors import CompactedError, MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.commit import Change, commit
from holdfast.meta.store import KeyAt, Put
from tests.probe.etcd.counting import Counting
from tests.serving import wait_for

KILLS = 3


def put(store, key, value=b""):
    result = store.txn([], [Put(key, value)])
    assert result.succeeded
    return result.revision


def gather(watch, count):
    """``count`` events, over polls that find nobody to ask."""
    events = []

    def enough():
        try:
            events.extend(watch.poll(0.2))
        except MetadataUnavailableError:
            return False
        return len(events) >= count

    wait_for(f"{count} events", enough, 60)
    return events


def test_leaders_killed_under_load_lose_nothing_and_nothing_happens_twice(cluster, store):
    gaps = []
    with Counting(store) as counting:
        for _ in range(KILLS):
            enough = len(counting.acknowledged) + 50
            wait_for("some increments", lambda enough=enough: len(counting.acknowledged) > enough)
            leader = cluster.leader()
            leader.kill()
            killed_at = time.monotonic()
            first = min(wait_for("an increment", lambda at=killed_at: counting.acknowledged_after(at + 0.2), 60))
            gaps.append(first - killed_at)
            leader.begin()
            cluster.wait_until_healthy()
    assert counting.faults(store) == []
    print(f"{len(counting.acknowledged)} acknowledged, {len(counting.unknown)} unknown, {counting.refused} refused;")
    print("seconds from the kill of a leader to the next increment:", [round(gap, 2) for gap in gaps])


def test_a_single_write_gets_through_the_death_of_a_leader(cluster, store):
    revision = put(store, b"key", b"before")
    cluster.leader().kill()
    begun = time.monotonic()
    assert store.txn([KeyAt(b"key", revision)], [Put(b"key", b"after")]).succeeded
    print(f"one guarded write over the death of a leader: {time.monotonic() - begun:.2f} s")
    assert store.get(b"key").value == b"after"


def test_a_creation_gets_through_the_death_of_a_leader_by_its_operation_id(cluster, store):
    """It could happen twice, so the adapter does not repeat it; who carries it through is ``commit``."""
    cluster.leader().kill()
    begun = time.monotonic()
    change = Change(b"key", 0, b"operation id 001", [KeyAt(b"key", 0)], [Put(b"key", b"operation id 001")])
    assert commit(store, change).succeeded
    print(f"one creation over the death of a leader: {time.monotonic() - begun:.2f} s")
    assert store.get(b"key").value == b"operation id 001"


def test_a_stopped_leader_is_worked_around_and_welcome_again(cluster, store):
    put(store, b"key", b"1")
    leader = cluster.leader()
    leader.pause()
    wait_for("a write", lambda: _tried(store, b"key", b"2"), 60)
    assert store.get(b"key").value == b"2"
    leader.resume()
    cluster.wait_until_healthy()
    assert store.get(b"key").value == b"2"


def _tried(store, key, value):
    try:
        return store.txn([], [Put(key, value)]).succeeded
    except (MetadataUnavailableError, OutcomeUnknownError):
        return False


def test_a_killed_follower_costs_no_write_and_catches_up(cluster, store):
    revision = put(store, b"key", b"1")
    follower = cluster.followers()[0]
    follower.kill()
    for number in range(20):
        result = store.txn([KeyAt(b"key", revision)], [Put(b"key", b"%d" % number)])
        assert result.succeeded
        revision = result.revision
    follower.begin()
    revision = store.get(b"key").mod_revision
    wait_for(
        "the follower to catch up",
        lambda: all(member.revision >= revision for member in store.status().members),
        60,
    )


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_a_watch_goes_on_without_a_gap_when_its_member_fails(cluster, prefix, how):
    """The one member that the watch asks first; the writer has a client of its own."""
    victim = cluster.followers()[0]
    order = [victim, *(member for member in cluster.members if member is not victim)]
    cluster.members = order
    watcher, writer = cluster.open(prefix), cluster.open(prefix)
    writer._members.failed(writer._members.all()[0], leader=True)
    start = put(writer, b"k/0")
    with watcher.watch(b"k/", b"k0", start) as watch:
        assert [event.key for event in gather(watch, 1)] == [b"k/0"]
        getattr(victim, how)()
        for number in range(1, 40):
            put(writer, b"k/%d" % number)
        assert [event.key for event in gather(watch, 39)] == [b"k/%d" % number for number in range(1, 40)]
        victim.resume() if how == "pause" else victim.begin()
        put(writer, b"k/last")
        assert [event.key for event in gather(watch, 1)] == [b"k/last"]
    watcher.close()
    writer.close()


def test_a_watch_that_was_away_for_longer_than_is_kept_says_so(alone, prefix):
    store = alone().open(prefix)
    start = put(store, b"a")
    with store.watch(b"a", b"b", start) as watch:
        gather(watch, 1)
        with watch._changed:  # its thread cannot connect anew before this is given back
            watch._call.cancel()
            put(store, b"a")
            put(store, b"a")
            store.compact(0)
        for _ in range(2):
            with pytest.raises(CompactedError):
                gather(watch, 1)
    store.close()


def test_a_watch_of_a_quiet_range_is_not_left_behind_by_compactions(alone, prefix):
    store = alone("--experimental-watch-progress-notify-interval", "1s").open(prefix)
    with store.watch(b"quiet", b"quieu", put(store, b"quiet")) as watch:
        gather(watch, 1)
        for number in range(10):
            last = put(store, b"loud/%d" % number)
        wait_for("a note of progress", lambda: watch._next == last + 1)
        with watch._changed:
            watch._call.cancel()
            store.compact(0)
        put(store, b"quiet", b"2")
        assert [event.entry.value for event in gather(watch, 1)] == [b"2"]
    store.close()


def test_a_watch_tells_when_it_has_been_blind_for_longer_than_a_call_may_take(alone, prefix):
    cluster = alone()
    store = cluster.open(prefix, try_seconds=0.2, deadline_seconds=0.4)
    start = put(store, b"a")
    with store.watch(b"a", b"b", start) as watch:
        gather(watch, 1)
        cluster.members[0].kill()
        with pytest.raises(MetadataUnavailableError):
            wait_for("the watch to complain", lambda: watch.poll(0.1))
        cluster.members[0].begin()
        wait_for("a write", lambda: _tried(store, b"a", b"2"))
        assert [event.entry.value for event in gather(watch, 1)] == [b"2"]
    store.close()
