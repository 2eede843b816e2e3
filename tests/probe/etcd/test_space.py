"""The space quota of a real etcd, before it bites and when it has bitten; and the limits of a transaction."""

from __future__ import annotations

import contextlib

import pytest

from holdfast.errors import MetadataFullError, MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.etcd import Alarm
from holdfast.meta.store import MAX_OPS, MAX_TXN_BYTES, Delete, KeyAt, Put, check_txn
from tests.serving import wait_for

QUOTA_BYTES = 24 << 20


def fill(store, bytes_each=1 << 20):
    """Put until it is refused; the keys that were taken."""
    for number in range(100):
        key = b"fill/%d" % number
        try:
            assert store.txn([KeyAt(key, 0)], [Put(key, bytes(bytes_each))]).succeeded
        except (MetadataFullError, OutcomeUnknownError):
            return [b"fill/%d" % taken for taken in range(number)]
    raise AssertionError("nothing was refused")


def test_at_four_fifths_of_the_quota_pushes_end_and_everything_else_goes_on(alone, prefix):
    cluster = alone("--quota-backend-bytes", str(QUOTA_BYTES))
    store = cluster.open(prefix, quota_bytes=QUOTA_BYTES)
    lease = store.grant_lease(60)
    kept = store.txn([], [Put(b"kept", b"1")]).revision
    store._quota._mark_bytes = 1  # as if it were so full; the size itself is asked of etcd
    with pytest.raises(MetadataFullError) as refused:
        store.txn([], [Put(b"new", b"")])
    assert refused.value.detail["size"] == store.status().size_bytes
    for goes_on in (
        ([KeyAt(b"kept", kept)], [Put(b"kept", b"2")]),
        ([], [Put(b"removals/repo", b""), Delete(b"kept")]),
        ([], [Put(b"sweep/000", b"")]),
        ([], [Put(b"member/1", b"", lease.lease_id)]),
        ([], [Put(b"node", b"", lease.lease_id)]),
    ):
        assert store.txn(*goes_on).succeeded
    assert store.status().alarms == ()
    store.close()


def test_the_guard_stops_before_etcd_does(alone, prefix, monkeypatch):
    monkeypatch.setattr("holdfast.meta.etcd.quota._REFRESH_SECONDS", 0.0)
    cluster = alone("--quota-backend-bytes", str(QUOTA_BYTES))
    with contextlib.closing(cluster.open(prefix, quota_bytes=QUOTA_BYTES)) as store:
        assert fill(store)
        assert store.status().alarms == ()
        assert store.status().size_bytes >= 0.8 * QUOTA_BYTES


def test_a_full_etcd_says_so_lets_deletes_go_on_and_comes_back(alone, prefix):
    cluster = alone("--quota-backend-bytes", str(QUOTA_BYTES))
    store = cluster.open(prefix)
    taken = fill(store)
    wait_for("the alarm", lambda: store.status().alarms)
    assert [alarm.kind for alarm in store.status().alarms] == ["NOSPACE"]
    assert store.status().alarms == (Alarm(store.status().leader_id, "NOSPACE"),)
    with pytest.raises(MetadataFullError):
        store.txn([], [Put(b"one more", b"")])
    for key in taken:
        assert store.txn([], [Delete(key)]).succeeded
    store.compact(0)
    before = store.status().size_bytes
    store.defragment(store.status().members[0].endpoint)
    assert store.status().size_bytes < before
    store.lift_space_alarm()
    assert store.status().alarms == ()
    assert store.txn([], [Put(b"one more", b"")]).succeeded
    store.close()


def test_compacting_keeps_as_many_revisions_as_asked_for(alone, prefix):
    with contextlib.closing(alone().open(prefix)) as store:
        assert store.compact(1_000) == 1
        revisions = [store.txn([], [Put(b"a", b"%d" % number)]).revision for number in range(20)]
        first = store.compact(5)
        assert first == revisions[-1] - 5
        with store.watch(b"a", b"b", first + 1) as watch:
            assert [event.revision for event in wait_for("events", lambda: watch.poll(0.2))] == revisions[-5:]
        assert store.compact(5) == first
        with pytest.raises(ValueError):
            store.compact(-1)


def test_a_foreign_member_cannot_be_defragmented(alone, prefix, cluster):
    with contextlib.closing(alone().open(prefix)) as store, pytest.raises(ValueError):
        store.defragment(cluster.options().endpoints[0])


def test_the_largest_transaction_that_the_port_takes_is_taken_by_an_etcd_as_it_comes(store):
    """128 compares, 128 operations and 128 reads of long names, as many bytes as are allowed, a prefix as long as allowed."""
    names = [b"%03d" % number + b"n" * 400 for number in range(MAX_OPS)]
    compares = [KeyAt(name, 0) for name in names]
    left = MAX_TXN_BYTES - 3 * sum(map(len, names))
    ops = [Put(name, bytes(left // MAX_OPS)) for name in names]
    check_txn(compares, ops, names)
    with pytest.raises(ValueError):
        check_txn(compares, [Put(op.key, op.value + b"more than that") for op in ops], names)
    assert store.txn(compares, ops, names).succeeded
    result = store.txn(compares, ops, names)
    assert not result.succeeded
    assert len(result.found) == MAX_OPS
    assert result.found[names[0]].value == ops[0].value


@pytest.fixture
def prefix():
    return b"p" * 63 + b"/"


def test_what_etcd_finds_too_large_is_refused_and_not_tried_again(store):
    """No caller can get here by way of ``txn``; another limit in etcd's configuration would."""
    request = store._codec.txn([], [Put(b"a", bytes(2_000_000))], [])
    with pytest.raises(MetadataUnavailableError, match="too large"):
        store._change(request, repeatable=True)
