"""Finishing: once, joined by whoever repeats it, remembered for an hour."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import digest as digests
from holdfast.errors import CorruptError, DigestInvalidError, NodeUnreachableError, StaleWriterError, UploadUnknownError
from holdfast.rpc.node import Want
from storagenode import hashing
from storagenode.disk.fsio import SyncFailedError
from storagenode.results import KEEP_SECONDS
from tests.unit.storagenode.conftest import begin, put, read


class Gate:
    """Holds one operation until it is opened."""

    def __init__(self, operation):
        self._operation = operation
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.count = 0

    def __call__(self, operation, _path):
        if operation == self._operation:
            self.count += 1
            self.reached.set()
            assert self.opened.wait(20)


def test_a_repeated_finish_joins_the_one_under_way(node, files):
    key = begin(node, b"slow disk")
    digest = digests.of(b"slow disk")
    gate = files.before = Gate("sync")
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(node.finish_upload, key, digest)
        assert gate.reached.wait(20)
        others = [pool.submit(node.finish_upload, key, digest) for _ in range(3)]
        with pytest.raises(DigestInvalidError):
            node.finish_upload(key, digests.of(b"another"))
        with pytest.raises(StaleWriterError):
            node.append(key, None, [b"late"], lambda: None)
        with pytest.raises(StaleWriterError):
            node.cancel_upload(key)
        gate.opened.set()
        results = [future.result(20) for future in (first, *others)]
    assert {result.digest for result in results} == {digest}
    assert gate.count == 1


class Caller:
    """Whoever follows, for as long as the test lasts."""

    def is_active(self):
        return True

    def add_callback(self, _callback):
        return True


def test_who_follows_has_all_bytes_before_they_are_durable_and_the_end_after_that(node, files):
    key = begin(node, b"slow disk")
    gate = files.before = Gate("sync")
    stream = node.follow_upload(key.upload_id, 0, Caller())
    assert next(stream) == b"slow dis"
    with ThreadPoolExecutor(2) as pool:
        finish = pool.submit(node.finish_upload, key, digests.of(b"slow disk"))
        assert gate.reached.wait(20)
        try:
            assert pool.submit(next, stream).result(20) == b"k"
            end = pool.submit(list, stream)
            assert not finish.done()
            assert not end.done()
        finally:
            gate.opened.set()
        assert end.result(20) == []


def test_who_follows_hears_of_bytes_that_could_not_be_made_durable(node, files):
    key = begin(node, b"broken disk")
    stream = node.follow_upload(key.upload_id, 0, Caller())
    assert next(stream) == b"broken dis"

    def fail(operation, _path):
        if operation == "sync":
            raise SyncFailedError("the disk is broken")

    files.before = fail
    with pytest.raises(SyncFailedError):
        node.finish_upload(key, digests.of(b"broken disk"))
    with pytest.raises(CorruptError):
        list(stream)


def test_a_finish_goes_on_when_nobody_waits_for_it_any_more(node, files):
    """The caller's thread is abandoned in the middle; a later caller finds the result."""
    key = begin(node, b"detached")
    digest = digests.of(b"detached")
    gate = files.before = Gate("sync")
    caller = threading.Thread(target=node.finish_upload, args=(key, digest), daemon=True)
    caller.start()
    assert gate.reached.wait(20)
    gate.opened.set()
    assert node.finish_upload(key, digest).digest == digest
    caller.join(20)


def test_a_result_is_forgotten_after_an_hour(bench, node):
    key = begin(node, b"kept")
    digest = digests.of(b"kept")
    node.finish_upload(key, digest)
    bench.clock.advance(KEEP_SECONDS - 1)
    node.finish_upload(key, digest)
    bench.clock.advance(1)
    with pytest.raises(UploadUnknownError):
        node.finish_upload(key, digest)
    assert read(node, digest) == b"kept"


def test_after_a_restart_a_finished_upload_is_unknown_and_its_blob_is_there(bench, node):
    key = begin(node, b"finished")
    digest = digests.of(b"finished")
    node.finish_upload(key, digest)
    node = bench.restart()
    with pytest.raises(UploadUnknownError):
        node.finish_upload(key, digest)
    assert read(node, digest) == b"finished"


def test_a_finish_replaces_a_damaged_copy(bench, node):
    digest = put(node, b"healthy")
    with open(bench.tree.blob(digest), "wb") as file:  # noqa: PTH123 - a string path
        file.write(b"damaged")
    node.finish_upload(begin(node, b"healthy"), digest)
    assert read(node, digest) == b"healthy"


def test_bytes_are_hashed_once(node, monkeypatch):
    again = []
    monkeypatch.setattr(
        "storagenode.node.catch_up",
        lambda state, stage, end: again.append(end - state.hashed_bytes) or hashing.catch_up(state, stage, end),
    )
    key = begin(node, *[b"x" * 1000] * 5)
    node.finish_upload(key, digests.of(b"x" * 5000))
    key = begin(node, b"y" * 1000, algorithm="sha512")
    node.finish_upload(key, digests.of(b"y" * 1000, "sha512"))
    assert again == [0, 0]
    key = begin(node, b"z" * 1000)
    node.finish_upload(key, digests.of(b"z" * 1000, "blake3"))
    assert again == [0, 0, 1000]


class HandsOn:
    """A placer that gives everything to others, or waits, or fails, as a test wants it."""

    def __init__(self, node):
        self._store = node._store
        self.elsewhere = {}
        self.before = lambda: None

    def place(self, stored):
        self.before()
        self._store.discard(stored.digest, stored.stamp)
        self.elsewhere[stored.digest] = stored
        return stored

    def find(self, want):
        return self.elsewhere.get(want.digest)


def test_a_repeated_finish_finds_what_was_handed_on_to_its_owners(node):
    placer = node._placer = HandsOn(node)
    key, digest = begin(node, b"handed on"), digests.of(b"handed on")
    first = node.finish_upload(key, digest)
    assert node.stat_blobs([Want(digest)]) == [None]
    assert node.finish_upload(key, digest) == first
    placer.elsewhere.clear()
    with pytest.raises(UploadUnknownError):
        node.finish_upload(key, digest)


def test_what_could_not_be_placed_is_placed_when_it_is_asked_for_again(node):
    placer = node._placer = HandsOn(node)
    key, digest = begin(node, b"placed later"), digests.of(b"placed later")

    def fail():
        raise NodeUnreachableError("no answer")

    placer.before = fail
    for _ in range(2):
        with pytest.raises(NodeUnreachableError):
            node.finish_upload(key, digest)
        assert node.stat_blobs([Want(digest)])[0] is not None
    placer.before = lambda: None
    assert node.finish_upload(key, digest).digest == digest


def test_a_finish_that_waits_for_other_nodes_holds_up_no_other(bench):
    bench.options = {"finish_threads": 1}
    node = bench.start()
    placer = node._placer = HandsOn(node)
    reached, go_on = threading.Event(), threading.Event()

    def wait():
        placer.before = lambda: None
        reached.set()
        assert go_on.wait(30)

    placer.before = wait
    slow, quick = begin(node, b"slow"), begin(node, b"quick")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(node.finish_upload, slow, digests.of(b"slow"))
        assert reached.wait(30)
        assert node.finish_upload(quick, digests.of(b"quick")).digest == digests.of(b"quick")
        go_on.set()
        assert waiting.result(30).digest == digests.of(b"slow")
