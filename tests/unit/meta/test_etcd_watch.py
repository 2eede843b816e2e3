"""The etcd watch over scripted streams: where it begins anew, and what it believes."""

from __future__ import annotations

import threading

import grpc
import pytest
from pyetcd import etcdrpc

from holdfast.clock import SystemClock
from holdfast.errors import CompactedError, MetadataUnavailableError
from holdfast.meta.etcd import EtcdOptions, EtcdStore, endpoint
from tests.fakes.failed_calls import SOCKET_CLOSED, FailedCall
from tests.serving import wait_for

DELETE = 1


def created():
    return etcdrpc.WatchResponse(created=True)


def changes(*revisions, kind=0):
    return etcdrpc.WatchResponse(
        events=[{"type": kind, "kv": {"key": b"holdfast/a", "mod_revision": revision}} for revision in revisions]
    )


def progress(revision, watch_id=0):
    return etcdrpc.WatchResponse(header={"revision": revision}, watch_id=watch_id)


class ScriptedStream:
    """Answers, then an error or silence until it is cancelled."""

    def __init__(self, answers):
        self._answers = iter(answers)
        self._cancelled = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        answer = next(self._answers, None)
        if answer is None:
            self._cancelled.wait()
            answer = FailedCall(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
        if isinstance(answer, grpc.RpcError):
            raise answer
        return answer

    def cancel(self):
        self._cancelled.set()


class WatchedMember:
    def __init__(self, endpoint, streams):
        self.endpoint = endpoint
        self.watch = self
        self.begun_at = []
        self._streams = list(streams)

    def Watch(self, requests, metadata):  # noqa: N802 - gRPC's name
        self.begun_at.append(next(requests).create_request.start_revision)
        return ScriptedStream(self._streams.pop(0) if self._streams else [])

    def close(self):
        pass


@pytest.fixture
def watching():
    """watching(stream, stream, ...) -> (watch from revision 5 on, the member behind it)"""
    stores = []

    def start(*streams, **options):
        known = EtcdOptions((endpoint("http://127.0.0.1:1"),), **options)
        store = EtcdStore(known, SystemClock())
        member = WatchedMember(known.endpoints[0], streams)
        store._members.connected([member])
        stores.append(store)
        return store.watch(b"a", b"b", 5), member

    yield start
    for store in stores:
        store.close()


def revisions(watch, count):
    found = []
    wait_for("events", lambda: found.extend(event.revision for event in watch.poll(0.1)) or len(found) >= count)
    return found


def test_a_broken_stream_is_followed_by_one_from_the_next_revision(watching):
    watch, member = watching([created(), changes(5, 7, 7), SOCKET_CLOSED], [created(), changes(9)])
    assert revisions(watch, 4) == [5, 7, 7, 9]
    assert member.begun_at == [5, 8]


def test_a_stream_that_brought_nothing_is_followed_by_one_from_where_it_began(watching):
    _, member = watching([created(), SOCKET_CLOSED], [SOCKET_CLOSED], [created()])
    wait_for("the third stream", lambda: len(member.begun_at) == 3)
    assert member.begun_at == [5, 5, 5]


def test_a_note_of_progress_moves_the_beginning(watching):
    _, member = watching([created(), progress(20), SOCKET_CLOSED], [created()])
    wait_for("another stream", lambda: len(member.begun_at) == 2)
    assert member.begun_at == [5, 21]


@pytest.mark.parametrize("note", [progress(20, watch_id=-1), progress(3)], ids=["asked for", "of the past"])
def test_a_note_that_may_be_wrong_moves_nothing(watching, note):
    _, member = watching([created(), note, SOCKET_CLOSED], [created()])
    wait_for("another stream", lambda: len(member.begun_at) == 2)
    assert member.begun_at == [5, 5]


def test_changes_from_before_the_beginning_are_dropped(watching):
    watch, _ = watching([created(), changes(3, 4), changes(5)])
    assert revisions(watch, 1) == [5]


def test_a_deletion_has_no_entry(watching):
    watch, _ = watching([created(), changes(6, kind=DELETE)])
    (event,) = wait_for("an event", lambda: watch.poll(0.1))
    assert (event.key, event.revision, event.entry) == (b"a", 6, None)


def test_a_compacted_revision_is_said_after_what_came_before_it_and_for_ever(watching):
    watch, member = watching([created(), changes(5), etcdrpc.WatchResponse(canceled=True, compact_revision=9)])
    assert revisions(watch, 1) == [5]
    for _ in range(2):
        with pytest.raises(CompactedError):
            wait_for("the end", lambda: watch.poll(0.1))
    assert len(member.begun_at) == 1


def test_a_watch_that_is_cancelled_for_another_reason_begins_anew(watching):
    watch, _ = watching(
        [created(), etcdrpc.WatchResponse(canceled=True, cancel_reason="permission denied")], [created(), changes(5)]
    )
    assert revisions(watch, 1) == [5]


def test_the_reason_is_told_when_it_lasts(watching):
    refusals = [[etcdrpc.WatchResponse(canceled=True, cancel_reason="permission denied")]] * 100
    watch, _ = watching(*refusals, try_seconds=0.1, deadline_seconds=0.2)
    with pytest.raises(MetadataUnavailableError, match="permission denied"):
        wait_for("the complaint", lambda: watch.poll(0.1))


def test_a_member_that_never_says_that_it_watches_is_left(watching):
    watch, member = watching([], [created(), changes(5)], try_seconds=0.1, deadline_seconds=5.0)
    assert revisions(watch, 1) == [5]
    assert member.begun_at == [5, 5]


def test_a_reader_that_lags_makes_etcd_wait(watching, monkeypatch):
    monkeypatch.setattr("holdfast.meta.etcd.watching._MAX_UNREAD", 2)
    watch, _ = watching([created(), *(changes(revision) for revision in range(5, 15))])
    wait_for("as many as may be unread", lambda: len(watch._events) == 2)
    assert revisions(watch, 10) == list(range(5, 15))


def test_a_closed_watch_says_so_and_its_thread_ends(watching):
    watch, _ = watching([created()])
    thread = next(thread for thread in threading.enumerate() if getattr(thread._target, "__self__", None) is watch)
    watch.close()
    with pytest.raises(MetadataUnavailableError, match="closed"):
        watch.poll(0)
    thread.join(10)
    assert not thread.is_alive()


def test_an_empty_range_cannot_be_watched():
    store = EtcdStore(EtcdOptions((endpoint("http://127.0.0.1:1"),)), SystemClock())
    with pytest.raises(ValueError):
        store.watch(b"b", b"a", 1)
