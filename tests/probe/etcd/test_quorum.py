"""Without a quorum: nothing is written, nothing stale passes for fresh, and the view for stale reading goes on for a while."""

from __future__ import annotations

import contextlib
import threading

import pytest

from holdfast.errors import MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.store import KeyAt, Put
from tests.serving import wait_for

# Short, so that the tests are; the relation of the two is that of the defaults.
SHORT = {"try_seconds": 0.5, "deadline_seconds": 2.0}


@pytest.fixture
def store(cluster, prefix):
    made = cluster.open(prefix, **SHORT)
    wait_for("a write", lambda: _written(made, b"1"))
    yield made
    made.close()


@contextlib.contextmanager
def without_quorum(cluster):
    """Two of three members stopped; a follower is left."""
    left = cluster.followers()[0]
    stopped = [member for member in cluster.members if member is not left]
    for member in stopped:
        member.pause()
    try:
        yield left
    finally:
        for member in stopped:
            member.resume()


READS = {
    "get": lambda reads: reads.get(b"key"),
    "get_many": lambda reads: reads.get_many([b"key", b"other"]),
    "get_many of nothing": lambda reads: reads.get_many([]),
    "range": lambda reads: reads.range(b"k", b"l", 10),
}
CHANGELESS = {
    "compares only": lambda store: store.txn([KeyAt(b"other", 0)], []),
    "compares and reads": lambda store: store.txn([KeyAt(b"key", 1)], [], [b"key"]),
}


def test_without_a_quorum_nothing_stale_passes_for_fresh(cluster, store):
    with without_quorum(cluster):
        for question in (READS | CHANGELESS).values():
            with pytest.raises(MetadataUnavailableError):
                question(store)
    wait_for("a quorum", lambda: _answers(store))
    assert store.get(b"key").value == b"1"


def test_without_a_quorum_no_write_is_acknowledged(cluster, store):
    revision = store.get(b"key").mod_revision
    with without_quorum(cluster):
        for compares in ([], [KeyAt(b"key", 0)], [KeyAt(b"key", revision)]):
            with pytest.raises((MetadataUnavailableError, OutcomeUnknownError)):
                store.txn(compares, [Put(b"key", b"lost or late")])
        with pytest.raises(MetadataUnavailableError):
            store.grant_lease(5)
    wait_for("a write", lambda: _written(store, b"2"))


def test_stale_reads_go_on_and_say_so(cluster, store):
    ages = []
    view = store.stale(60.0, ages.append)
    fresh = {name: question(view) for name, question in READS.items()}
    assert ages == []
    with without_quorum(cluster):
        for name, question in READS.items():
            assert question(view) == fresh[name]
        assert len(ages) == len(READS)
        assert ages == sorted(ages)
    wait_for("a fresh answer", lambda: _count_of(ages, view) == 0)
    wait_for("a write", lambda: _written(store, b"2"))
    assert view.get(b"key").value == b"2"


def _count_of(ages, view):
    before = len(ages)
    view.get(b"key")
    return len(ages) - before


def test_a_known_loss_is_not_waited_for_by_the_next_readers(cluster, store):
    """While the quorum is known to be lost, the linearizable way is taken by probes only, and by one at a time."""
    view = store.stale(60.0, lambda age: None)
    view.get(b"key")
    asked, answer = [], store._calls.read

    def counted(call, deadline=None):
        asked.append(threading.current_thread().name)
        return answer(call, deadline)

    with without_quorum(cluster):
        view.get(b"key")
        assert store._quorum.lost
        store._reads._ask = counted
        for _ in range(200):
            view.get(b"key")
        assert set(asked) <= {"etcd-quorum-probe"}
        assert len(asked) < 20
    wait_for("the probe to find the quorum again", lambda: view.get(b"key") and not store._quorum.lost)


def test_stale_readers_stay_with_the_member_that_lives_whatever_the_probes_find(cluster, store):
    view, probes, asked, answer = store.stale(60.0, lambda age: None), set(), [], store._calls._try

    def noted(call, member, seconds, *, leader):
        if not leader:
            asked.append(str(member.endpoint))
        return answer(call, member, seconds, leader=leader)

    def probed():
        view.get(b"key")
        probes.add(store._quorum._probed_at)
        return len(probes) > 4

    view.get(b"key")
    with without_quorum(cluster) as alive:
        view.get(b"key")  # finds it
        store._calls._try = noted
        wait_for("some probes", probed)
        assert set(asked) == {alive.client_url}


def test_stale_reads_end_with_their_time(cluster, store):
    brief, never = store.stale(4.0, lambda age: None), store.stale(0.0, lambda age: None)
    brief.get(b"key")
    with without_quorum(cluster):
        assert brief.get(b"key").value == b"1"
        with pytest.raises(MetadataUnavailableError, match="too old"):
            never.get(b"key")
        with pytest.raises(MetadataUnavailableError, match="too old"):
            wait_for("the end of the stale time", lambda: brief.get(b"key") and False)


def test_a_process_that_never_had_a_fresh_answer_gives_no_stale_one(cluster, prefix, store):
    with without_quorum(cluster), contextlib.closing(cluster.open(prefix, **SHORT)) as late:
        view = late.stale(60.0, lambda age: None)
        for _ in range(2):
            with pytest.raises(MetadataUnavailableError, match="too old"):
                view.get(b"key")


def test_a_closed_store_is_not_read_by_its_stale_view_either(store):
    view = store.stale(60.0, lambda age: None)
    view.get(b"key")
    store.close()
    with pytest.raises(MetadataUnavailableError, match="closed"):
        view.get(b"key")


def test_the_status_tells_who_is_missing(cluster, store):
    with without_quorum(cluster):
        status = store.status()
        assert not status.has_quorum
        assert len([member for member in status.members if member.trouble]) == 2
    cluster.wait_until_healthy()
    status = store.status()
    assert status.has_quorum
    assert [member.trouble for member in status.members] == [None] * 3
    assert [member.member_id for member in status.members if member.is_leader] == [status.leader_id]
    assert status.alarms == ()
    assert all(0 < member.in_use_bytes <= member.size_bytes <= status.size_bytes for member in status.members)


def _answers(store):
    with contextlib.suppress(MetadataUnavailableError):
        store.get(b"key")
        return True
    return False


def _written(store, value):
    with contextlib.suppress(MetadataUnavailableError, OutcomeUnknownError):
        return store.txn([], [Put(b"key", value)]).succeeded
    return False
