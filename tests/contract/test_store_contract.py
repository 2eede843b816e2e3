"""What every adapter of ``holdfast.meta.store`` keeps. Nothing here knows which adapter it talks to."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from holdfast.errors import CompactedError, MetadataUnavailableError
from holdfast.meta.store import (
    MAX_OPS,
    MAX_TXN_BYTES,
    Delete,
    Event,
    KeyAt,
    Put,
    RangeNotAfter,
    pages,
    prefix_end,
)
from tests.contract.adapters import HARNESSES, SHARED
from tests.contract.writer import increment

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=HARNESSES)
def harness(request, tmp_path):
    made = HARNESSES[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(harness):
    return harness.open()


@pytest.fixture(params=SHARED)
def shared(request, tmp_path):
    """(client in this process, command line of another)"""
    made = HARNESSES[request.param](tmp_path)
    yield made.open(), [sys.executable, "-m", "tests.contract.writer", request.param, str(tmp_path)]
    made.close()


def put(store, **values):
    return store.txn([], [Put(key.encode(), value) for key, value in values.items()]).revision


def fill(store, count):
    for first in range(0, count, MAX_OPS):
        store.txn([], [Put(b"k/%04d" % n, b"%d" % n) for n in range(first, min(first + MAX_OPS, count))])


def drain(watch, count, timeout_seconds=10.0):
    """``count`` events, however they are cut into polls."""
    events, deadline = [], time.monotonic() + timeout_seconds
    while len(events) < count:
        assert time.monotonic() < deadline, f"{len(events)} of {count} events came"
        events.extend(watch.poll(0.2))
    return events


# Reading


def test_a_missing_key_reads_as_none(store):
    assert store.get(b"nothing") is None


def test_a_put_is_read_back_with_its_revisions(store):
    first = put(store, a=b"1")
    second = put(store, a=b"2")
    entry = store.get(b"a")
    assert (entry.key, entry.value, entry.create_revision, entry.mod_revision) == (b"a", b"2", first, second)
    assert second > first > 0


def test_a_key_that_is_made_again_has_a_new_create_revision(store):
    first = put(store, a=b"1")
    store.txn([], [Delete(b"a")])
    again = put(store, a=b"1")
    assert store.get(b"a").create_revision == again > first


def test_any_bytes_are_fine_in_keys_and_values(store):
    key, value = bytes(range(256)), bytes(reversed(range(256))) * 100
    store.txn([], [Put(key, value), Put(b"empty", b"")])
    assert store.get(key).value == value
    assert store.get(b"empty").value == b""


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9, 100, MAX_OPS, MAX_OPS + 1, 300])
def test_get_many_finds_what_is_there_and_nothing_else(store, count):
    fill(store, 300)
    keys = [b"k/%04d" % (2 * n) for n in range(count)]
    # Leases of earlier tests may end meanwhile, where a store serves several.
    before = store.range(b"a", b"z", 1).revision
    snapshot = store.get_many(keys)
    assert before <= snapshot.revision <= store.range(b"a", b"z", 1).revision
    assert snapshot.entries == {key: store.get(key) for key in keys if store.get(key)}


def test_get_many_takes_a_key_twice(store):
    put(store, a=b"1")
    assert list(store.get_many([b"a", b"a", b"b"]).entries) == [b"a"]


def test_get_many_never_sees_half_a_transaction(store):
    put(store, a=b"0", b=b"0")
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            put(store, a=b"%d" % number, b=b"%d" % number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            snapshot = store.get_many([b"a", b"b"])
            a, b = snapshot.entries[b"a"], snapshot.entries[b"b"]
            assert a.value == b.value
            assert a.mod_revision == b.mod_revision <= snapshot.revision
    finally:
        stop.set()
        writer.join()


def test_a_range_is_in_byte_order_without_its_end(store):
    for key in (b"b", b"a", b"a\xff", b"a\x00", b"c", b"B"):
        store.txn([], [Put(key, b"")])
    assert [e.key for e in store.range(b"B", b"c", 100).entries] == [b"B", b"a", b"a\x00", b"a\xff", b"b"]


@pytest.mark.parametrize(("limit", "more"), [(1, True), (9, True), (10, False), (11, False)])
def test_a_range_says_whether_the_limit_cut_it_off(store, limit, more):
    fill(store, 10)
    page = store.range(b"k/", b"k0", limit)
    assert (len(page.entries), page.more) == (min(limit, 10), more)


def test_an_empty_range_has_a_revision(store):
    revision = put(store, a=b"1")
    page = store.range(b"x", b"y", 10)
    assert (page.revision, list(page.entries), page.more) == (revision, [], False)
    assert list(store.range(b"y", b"x", 10).entries) == []


def test_keys_only_leaves_the_values_out(store):
    put(store, a=b"long")
    (entry,) = store.range(b"a", b"b", 10, keys_only=True).entries
    assert (entry.value, entry.mod_revision) == (b"", store.get(b"a").mod_revision)


def test_pages_yield_everything_once(store):
    fill(store, 257)
    assert [e.key for e in pages(store, b"k/", b"k0", 50)] == [b"k/%04d" % n for n in range(257)]


def test_prefix_end_bounds_exactly_the_keys_with_the_prefix(store):
    for key in (b"p", b"p\xff", b"p\xff\xff\xff", b"q", b"o\xff"):
        store.txn([], [Put(key, b"")])
    assert [e.key for e in store.range(b"p", prefix_end(b"p"), 9).entries] == [b"p", b"p\xff", b"p\xff\xff\xff"]
    assert [e.key for e in store.range(b"p\xff", prefix_end(b"p\xff"), 9).entries] == [b"p\xff", b"p\xff\xff\xff"]


# Transactions


def test_a_transaction_happens_whole(store):
    put(store, gone=b"1")
    result = store.txn([], [Put(b"a", b"1"), Put(b"b", b"2"), Delete(b"gone"), Delete(b"never")])
    assert result.succeeded
    assert store.get(b"a").mod_revision == store.get(b"b").mod_revision == result.revision
    assert store.get(b"gone") is None


@pytest.mark.parametrize("offset", [-1, 1])
def test_key_at_holds_at_exactly_one_revision(store, offset):
    revision = put(store, a=b"1")
    assert not store.txn([KeyAt(b"a", revision + offset)], [Put(b"a", b"2")]).succeeded
    assert store.txn([KeyAt(b"a", revision)], [Put(b"a", b"2")]).succeeded
    assert not store.txn([KeyAt(b"a", revision)], [Put(b"a", b"3")]).succeeded
    assert store.get(b"a").value == b"2"


def test_key_at_zero_holds_while_the_key_is_absent(store):
    assert store.txn([KeyAt(b"a", 0)], [Put(b"a", b"1")]).succeeded
    assert not store.txn([KeyAt(b"a", 0)], [Put(b"a", b"2")]).succeeded
    store.txn([], [Delete(b"a")])
    assert store.txn([KeyAt(b"a", 0)], [Put(b"a", b"3")]).succeeded


def test_range_not_after_notices_a_change_and_an_addition_inside_the_range_only(store):
    put(store, **{"p/a": b"1", "q": b"1"})
    since = store.range(b"p/", b"p0", 10).revision
    compare = RangeNotAfter(b"p/", b"p0", since)
    put(store, q=b"2", p0=b"outside")
    assert store.txn([compare], []).succeeded
    put(store, **{"p/b": b"new"})
    assert not store.txn([compare], []).succeeded
    assert store.txn([RangeNotAfter(b"p/", b"p0", store.get(b"p/b").mod_revision)], []).succeeded


def test_range_not_after_zero_holds_while_the_range_is_empty(store):
    compare = RangeNotAfter(b"p/", b"p0", 0)
    assert store.txn([compare], [Put(b"p/a", b"")]).succeeded
    assert not store.txn([compare], []).succeeded
    store.txn([], [Delete(b"p/a")])
    assert store.txn([compare], []).succeeded


def test_one_compare_that_does_not_hold_stops_all(store):
    revision = put(store, a=b"1")
    result = store.txn([KeyAt(b"a", revision), KeyAt(b"b", 7)], [Put(b"a", b"2"), Put(b"c", b"")])
    assert not result.succeeded
    assert store.get(b"a").value == b"1"
    assert store.get(b"c") is None


def test_a_failed_transaction_reads_what_was_asked_for(store):
    put(store, a=b"1", b=b"2")
    result = store.txn([KeyAt(b"a", 0)], [Put(b"x", b"")], [b"a", b"b", b"c"])
    assert not result.succeeded
    assert result.found == {b"a": store.get(b"a"), b"b": store.get(b"b")}
    assert store.txn([], [Put(b"x", b"")], [b"a"]).found == {}


def test_only_changes_move_the_revision(store):
    before = put(store, a=b"1")
    store.txn([KeyAt(b"a", 0)], [Put(b"a", b"2")])
    assert store.txn([], []).revision == before
    assert store.txn([], [Delete(b"never")]).revision == before
    assert store.txn([], [Delete(b"a")]).revision > before


def test_limits_are_inclusive(store):
    result = store.txn([KeyAt(b"%d" % n, 0) for n in range(MAX_OPS)], [Put(b"%d" % n, b"") for n in range(MAX_OPS)])
    assert result.succeeded
    assert store.txn([], [Put(b"k", bytes(MAX_TXN_BYTES - 1))]).succeeded
    assert len(store.get(b"k").value) == MAX_TXN_BYTES - 1


@pytest.mark.parametrize(
    ("compares", "ops", "reads"),
    [
        ([KeyAt(b"%d" % n, 0) for n in range(MAX_OPS + 1)], [], []),
        ([], [Put(b"%d" % n, b"") for n in range(MAX_OPS + 1)], []),
        ([], [], [b"%d" % n for n in range(MAX_OPS + 1)]),
        ([], [Put(b"k", bytes(MAX_TXN_BYTES))], []),
        ([], [Put(b"k", b""), Delete(b"k")], []),
        ([], [Put(b"", b"")], []),
    ],
    ids=["compares", "ops", "reads", "bytes", "key twice", "empty key"],
)
def test_mistakes_of_the_caller_are_value_errors_and_change_nothing(store, compares, ops, reads):
    before = put(store, a=b"1")
    with pytest.raises(ValueError):
        store.txn(compares, ops, reads)
    assert store.txn([], []).revision == before


def test_a_range_without_a_limit_is_a_value_error(store):
    with pytest.raises(ValueError):
        store.range(b"a", b"b", 0)


def test_a_closed_store_is_unavailable(harness):
    store = harness.open()
    store.get(b"a")
    store.close()
    for call in (
        lambda: store.get(b"a"),
        lambda: store.get_many([b"a"]),
        lambda: store.range(b"a", b"b", 1),
        lambda: store.txn([], [Put(b"a", b"")]),
        lambda: store.grant_lease(5),
    ):
        with pytest.raises(MetadataUnavailableError):
            call()


# Many threads, many processes


def test_increments_by_many_threads_are_all_counted(store):
    threads = [threading.Thread(target=lambda: [increment(store, b"counter") for _ in range(10)]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(b"counter").value == b"160"


def test_an_acknowledged_put_is_seen_through_every_other_client(harness):
    one, other = harness.open(), harness.open()
    for number in range(50):
        put(one, a=b"%d" % number)
        assert other.get(b"a").value == b"%d" % number


def test_increments_by_several_processes_are_all_counted(shared):
    store, command = shared
    others = [subprocess.Popen([*command, "increment", "60"], cwd=ROOT) for _ in range(2)]
    for _ in range(60):
        increment(store, b"counter")
    assert [other.wait(60) for other in others] == [0, 0]
    assert store.get(b"counter").value == b"180"


def test_what_one_process_acknowledged_another_sees_at_once(shared):
    store, command = shared
    for value in (b"one", b"two"):
        put(store, key=value)
        seen = subprocess.run([*command, "read", "key"], cwd=ROOT, capture_output=True, check=True, timeout=60)
        assert seen.stdout.strip() == value


def test_what_was_acknowledged_survives_sigkill_of_its_process(shared):
    store, command = shared
    acknowledged = set()
    for prefix in ("first", "second"):
        with subprocess.Popen([*command, "append", prefix], cwd=ROOT, stdout=subprocess.PIPE) as writer:
            for line in writer.stdout:
                acknowledged.add(f"{prefix}/{int(line)}".encode())
                if int(line) == 40:
                    writer.kill()
    found = {entry.key for entry in pages(store, b"first/", b"second0")}
    assert acknowledged <= found
    # At most the one transaction each that was under way may be there beside them.
    assert len(found) <= len(acknowledged) + 2
    put(store, a=b"the lock of the dead is free")


def test_a_second_process_appears_in_a_watch(shared):
    store, command = shared
    start = put(store, a=b"1")
    with store.watch(b"counter", b"counter0", start) as watch:
        subprocess.run([*command, "increment", "5"], cwd=ROOT, check=True, timeout=60)
        assert [e.entry.value for e in drain(watch, 5)] == [b"1", b"2", b"3", b"4", b"5"]


# Watches


def test_a_watch_delivers_every_change_in_order(store):
    start = put(store, a=b"1")
    put(store, a=b"2", b=b"x")
    store.txn([], [Delete(b"a")])
    put(store, a=b"3")
    with store.watch(b"a", b"b", start) as watch:
        events = drain(watch, 4)
    assert [e.entry and e.entry.value for e in events] == [b"1", b"2", None, b"3"]
    assert [e.revision for e in events] == sorted(e.revision for e in events)
    assert events[-1] == Event(b"a", store.get(b"a").mod_revision, store.get(b"a"))


def test_a_watch_begins_at_its_revision_inclusive(store):
    put(store, a=b"1")
    second = put(store, a=b"2")
    with store.watch(b"a", b"b", second) as watch:
        assert [e.entry.value for e in drain(watch, 1)] == [b"2"]
    with store.watch(b"a", b"b", second + 1) as watch:
        assert not watch.poll(0.05)
        put(store, a=b"3")
        assert [e.entry.value for e in drain(watch, 1)] == [b"3"]


def test_a_poll_ends_when_its_time_is_over(store):
    start = put(store, a=b"1")
    with store.watch(b"x", b"y", start) as watch:
        assert list(watch.poll(0.05)) == []


def test_a_waiting_poll_is_woken_by_a_change(store):
    start = put(store, a=b"1")
    with store.watch(b"b", b"c", start) as watch:
        seen = []
        poller = threading.Thread(target=lambda: seen.extend(drain(watch, 1)))
        poller.start()
        put(store, b=b"1")
        poller.join(10)
        assert [e.key for e in seen] == [b"b"]


def test_a_long_backlog_comes_in_polls_without_a_gap(store):
    start = put(store, a=b"1")
    fill(store, 1300)
    with store.watch(b"k/", b"k0", start) as watch:
        events = drain(watch, 1300)
    assert [e.key for e in events] == [b"k/%04d" % n for n in range(1300)]


def test_a_watch_may_be_resumed_by_another(store):
    start = put(store, a=b"1")
    with store.watch(b"a", b"b", start) as watch:
        last = drain(watch, 1)[-1].revision
    put(store, a=b"2")
    with store.watch(b"a", b"b", last + 1) as watch:
        assert [e.entry.value for e in drain(watch, 1)] == [b"2"]


def test_a_watch_of_what_is_no_longer_kept_says_so(harness):
    store = harness.open()
    start = put(store, a=b"1")
    put(store, a=b"2")
    harness.compact()
    with store.watch(b"a", b"b", start) as watch, pytest.raises(CompactedError):
        watch.poll(1)
    page = store.range(b"a", b"b", 10)
    with store.watch(b"a", b"b", page.revision + 1) as watch:
        put(store, a=b"3")
        assert [e.entry.value for e in drain(watch, 1)] == [b"3"]


# Leases


def test_keys_of_a_lease_end_with_it(harness, store):
    lease = store.grant_lease(10)
    assert lease.ttl_seconds >= 10
    store.txn([], [Put(b"m/1", b"", lease.lease_id), Put(b"m/2", b"", lease.lease_id), Put(b"other", b"")])
    assert store.get(b"m/1").lease_id == lease.lease_id
    harness.let_pass(lease.ttl_seconds + 1)
    assert store.get(b"m/1") is None
    assert list(store.get_many([b"m/1", b"m/2", b"other"]).entries) == [b"other"]
    assert not store.range(b"m/", b"m0", 10).entries
    assert store.txn([KeyAt(b"m/1", 0)], []).succeeded
    assert store.keep_alive(lease.lease_id) == 0.0


@pytest.mark.parametrize("read", ["get", "get_many", "range", "txn"])
def test_no_read_sees_a_key_whose_lease_has_run_out(harness, store, read):
    lease = store.grant_lease(10)
    store.txn([], [Put(b"m", b"", lease.lease_id)])
    harness.let_pass(lease.ttl_seconds + 1)
    found = {
        "get": lambda: store.get(b"m"),
        "get_many": lambda: store.get_many([b"m"]).entries,
        "range": lambda: store.range(b"m", b"n", 1).entries,
        "txn": lambda: store.txn([KeyAt(b"x", 1)], [], [b"m"]).found,
    }[read]()
    assert not found


def test_a_lease_that_is_kept_alive_stays(harness, store):
    lease = store.grant_lease(10)
    store.txn([], [Put(b"m", b"", lease.lease_id)])
    for _ in range(3):
        harness.let_pass(lease.ttl_seconds * 0.7)
        assert store.keep_alive(lease.lease_id) > 0
    assert store.get(b"m") is not None


def test_a_revoked_lease_takes_its_keys_at_once(store):
    lease = store.grant_lease(10)
    store.txn([], [Put(b"m", b"", lease.lease_id)])
    store.revoke_lease(lease.lease_id)
    store.revoke_lease(lease.lease_id)
    assert store.get(b"m") is None
    assert store.keep_alive(lease.lease_id) == 0.0


def test_a_key_put_again_without_the_lease_outlives_it(harness, store):
    lease = store.grant_lease(10)
    store.txn([], [Put(b"m", b"", lease.lease_id)])
    store.txn([], [Put(b"m", b"mine")])
    harness.let_pass(lease.ttl_seconds + 1)
    assert store.get(b"m").value == b"mine"


def test_a_put_under_a_lease_that_is_gone_does_not_succeed(store):
    lease = store.grant_lease(10)
    store.revoke_lease(lease.lease_id)
    assert not store.txn([], [Put(b"m", b"", lease.lease_id), Put(b"other", b"")]).succeeded
    assert store.get(b"other") is None


def test_the_end_of_a_lease_appears_in_a_watch_although_nobody_writes(harness, store):
    lease = store.grant_lease(10)
    revision = store.txn([], [Put(b"m", b"", lease.lease_id)]).revision
    with store.watch(b"m", b"n", revision + 1) as watch:
        assert not watch.poll(0.01)
        harness.let_pass(lease.ttl_seconds + 1)
        assert [(e.key, e.entry) for e in drain(watch, 1)] == [(b"m", None)]
