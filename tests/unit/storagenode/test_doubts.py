"""Copies asked for at another size than they have: nobody's word puts one aside, its bytes do, and they are read once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.errors import CorruptError, UnavailableError
from holdfast.rpc.node import Want
from storagenode.disk import examining
from storagenode.disk.doubts import Doubts
from storagenode.store import Examined
from tests.serving import wait_for
from tests.unit.storagenode.conftest import HOST, put, read

DATA = b"a stored blob"
DIGEST = digests.of(DATA)


@pytest.fixture
def node(bench):
    """Restarted: it has not seen these bytes itself."""
    put(bench.start(), DATA)
    return bench.restart()


@pytest.fixture
def readings(monkeypatch):
    """The paths of the copies that were looked into."""
    seen, real = [], examining.examine

    def counted(path, digest, moved):
        seen.append(path)
        return real(path, digest, moved)

    monkeypatch.setattr(examining, "examine", counted)
    return seen


def settled(node):
    wait_for("all doubts to be settled", lambda: not node._store._doubts._waiting)


WAYS = {
    "stat": lambda node, want: node.stat_blobs([want])[0],
    "open": lambda node, want: node.open_blob(want, HOST),
    "read": lambda node, want: next(node.read_blob(want, 0, None)),
    "range": lambda node, want: next(node.read_blob(want, 2, 3)),
    "raw": lambda node, want: next(node._store.raw(want)),
}


def refused(node, way, want):
    try:
        return WAYS[way](node, want) is None
    except CorruptError:
        return True


@pytest.mark.parametrize("way", WAYS)
def test_a_false_size_gets_nothing_and_harms_no_copy(node, way):
    for size in (0, len(DATA) - 1, len(DATA) + 1, 1 << 60):
        assert refused(node, way, Want(DIGEST, size))
        assert read(node, DIGEST) == DATA
    settled(node)
    assert (node.status().quarantined, node._store.take_bereft()) == (0, set())
    assert WAYS[way](node, Want(DIGEST, len(DATA)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length", [0, 5], ids=["empty", "cut"])
def test_a_truncated_copy_gets_nobody_anything_and_goes_aside_soon(bench, node, way, length):
    os.truncate(bench.tree.blob(DIGEST), length)
    assert refused(node, way, Want(DIGEST, len(DATA)))
    wait_for("the copy to be found out", lambda: node.status().quarantined == 1)
    assert node.stat_blobs([Want(DIGEST)]) == [None]
    assert node._store.take_bereft() == {DIGEST.partition}


def test_a_copy_is_read_once_however_often_and_whatever_is_claimed_of_it(bench, node, readings):
    for size in range(100, 200):
        assert node.stat_blobs([Want(DIGEST, size)] * 3) == [None] * 3
        settled(node)
    assert len(readings) == 1
    os.utime(bench.tree.blob(DIGEST))  # somebody may have written to it
    assert node.stat_blobs([Want(DIGEST, 100)]) == [None]
    settled(node)
    assert len(readings) == 2


def test_a_copy_that_was_hashed_a_moment_ago_is_not_read_for_a_false_size(bench, readings):
    node = bench.start()
    put(node, DATA)
    assert node.stat_blobs([Want(DIGEST, 1)]) == [None]
    settled(node)
    assert readings == []


def test_a_proof_reads_the_copy_whatever_size_is_said(node):
    def proven(want):
        proving = node.prove_blob(want)
        try:
            while True:
                next(proving)
        except StopIteration as end:
            return end.value

    assert proven(Want(DIGEST, 1)) is None
    assert proven(Want(DIGEST)).size_bytes == len(DATA)
    os.truncate(node._store._tree.blob(DIGEST), 3)
    assert proven(Want(DIGEST, len(DATA))) is None
    assert node.status().quarantined == 1


def test_a_copy_pushed_anew_while_the_wrong_one_is_read_stays(bench, node, monkeypatch):
    os.truncate(bench.tree.blob(DIGEST), 3)
    real = examining.examine

    def overtaken(path, digest, moved):
        found = real(path, digest, moved)
        put(node, DATA)
        return found

    monkeypatch.setattr(examining, "examine", overtaken)
    assert node.stat_blobs([Want(DIGEST, len(DATA))]) == [None]
    settled(node)
    assert (node.status().quarantined, read(node, DIGEST)) == (0, DATA)


class Held:
    """An examination that waits to be let go."""

    def __init__(self, fault=""):
        self.go, self.seen, self.fault = threading.Event(), [], fault

    def __call__(self, digest, _moved):
        self.seen.append(digest)
        assert self.go.wait(60)
        return Examined(1, self.fault)


@pytest.fixture
def doubts():
    made = Doubts(SystemClock(), bytes_per_second=0, waiting=2)
    yield made
    made.close()


def some(count):
    return [digests.of(b"%d" % number) for number in range(count)]


def test_so_many_wait_and_the_rest_is_read_when_it_is_asked_for_again(doubts):
    one, two, three = some(3)
    held = Held()
    for digest in (one, two, three, one):
        doubts.look_into(digest, "as it is", held)
    held.go.set()
    wait_for("both to be read", lambda: not doubts._waiting)
    assert held.seen == [one, two]
    doubts.look_into(three, "as it is", held)
    doubts.look_into(one, "as it is", held)
    wait_for("the third to be read", lambda: not doubts._waiting)
    assert held.seen == [one, two, three]


def test_what_goes_wrong_in_one_reading_is_no_end_of_the_others(doubts):
    one, two = some(2)
    held = Held()
    held.go.set()

    def breaks(_digest, _moved):
        raise UnavailableError("no descriptors left")

    doubts.look_into(one, "as it is", breaks)
    doubts.look_into(two, "as it is", held)
    wait_for("both to be over", lambda: not doubts._waiting)
    doubts.look_into(one, "as it is", held)  # nobody knows yet
    wait_for("it to be read", lambda: not doubts._waiting)
    assert held.seen == [two, one]


def test_a_node_that_stops_waits_for_one_piece_and_not_for_a_whole_copy(tmp_path):
    doubts = Doubts(SystemClock(), bytes_per_second=1)  # years for this copy
    (tmp_path / "copy").write_bytes(bytes(3 << 20))
    began = threading.Event()

    def examine(digest, moved):
        began.set()
        examining.examine(str(Path(tmp_path / "copy")), digest, moved)

    doubts.look_into(DIGEST, "as it is", examine)
    assert began.wait(60)
    doubts.close()
    assert not doubts._waiting
    doubts.look_into(DIGEST, "as it is", examine)
    assert not doubts._waiting
