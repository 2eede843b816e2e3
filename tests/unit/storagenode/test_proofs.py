"""Reading copies for those who push them again: each once, few at a time, and never more than may wait."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.rpc import methods as m
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.node import Want
from storagenode.disk import read
from storagenode.disk.proofs import KEEP_SECONDS, Proofs, of_file
from tests.unit.storagenode.conftest import put

DIGEST = digests.of(b"x")
FILE = SimpleNamespace(st_dev=1, st_ino=2, st_size=3, st_mtime_ns=4, st_ctime_ns=5)


@pytest.fixture
def reads(monkeypatch):
    """Which digests were read and verified."""
    seen, verified = [], read.verified

    def counting(descriptor, digest, size_bytes, corrupt):
        seen.append(digest)
        return verified(descriptor, digest, size_bytes, corrupt)

    monkeypatch.setattr(read, "verified", counting)
    return seen


def prove(node, digest):
    proving = node.prove_blob(Want(digest))
    with contextlib.suppress(StopIteration):
        while True:
            next(proving)
    return node.stat_blobs([Want(digest)])[0]


def put_before(bench, data):
    """A copy that was written so long ago that it is no longer taken to be right for that."""
    digest = put(bench.server.node, data)
    bench.clock.advance(KEEP_SECONDS)
    return digest


def test_a_copy_that_was_just_written_is_not_read(node, reads):
    assert prove(node, put(node, b"hashed as it came in"))
    assert reads == []


def test_who_asks_again_does_not_have_it_read_again(bench, node, reads):
    digest = put_before(bench, b"asked for by many")
    assert prove(node, digest)
    assert prove(node, digest)
    assert reads == [digest]


def test_a_file_that_was_touched_is_read_again(bench, node, reads):
    digest = put_before(bench, b"written to")
    prove(node, digest)
    os.utime(bench.tree.blob(digest), (1, 1))
    prove(node, digest)
    assert reads == [digest] * 2


def test_a_proof_ages(bench, reads):
    node = bench.start()
    digest = put_before(bench, b"proven long ago")
    prove(node, digest)
    bench.clock.advance(KEEP_SECONDS)
    prove(node, digest)
    assert reads == [digest] * 2


def test_a_copy_that_was_proven_by_somebody_else_while_one_waited_is_not_read_again(bench, reads):
    node = bench.start()
    proofs = node._store._proofs = Proofs(bench.clock, at_a_time=1)
    digest = put_before(bench, b"wanted at the same time")
    with ended(proofs.turn()):
        waiting = node.prove_blob(Want(digest))
        next(waiting)
        proofs.add(digest, of_file(Path(bench.tree.blob(digest)).stat()))
    assert end_of(waiting) is not None
    assert reads == []


def test_where_too_many_wait_a_copy_counts_as_not_proven_and_stays(bench):
    node = bench.start()
    proofs = node._store._proofs = Proofs(bench.clock, at_a_time=1, waiting=0)
    digest = put_before(bench, b"one too many")
    with ended(proofs.turn()):
        assert end_of(node.prove_blob(Want(digest))) is None
    assert end_of(node.prove_blob(Want(digest))) is not None


def test_who_does_not_wait_any_longer_takes_no_room(bench):
    node = bench.start()
    proofs = node._store._proofs = Proofs(bench.clock, at_a_time=1, waiting=1)
    digest = put_before(bench, b"given up")
    with ended(proofs.turn()):
        for _ in range(3):
            waiting = node.prove_blob(Want(digest))
            next(waiting)
            waiting.close()
    assert end_of(node.prove_blob(Want(digest))) is not None


def test_the_oldest_proofs_are_forgotten(monkeypatch):
    monkeypatch.setattr("storagenode.disk.proofs._KEEP_COUNT", 2)
    proofs = Proofs(ManualClock())
    several = [digests.of(b"%d" % number) for number in range(3)]
    for digest in several:
        proofs.add(digest, FILE)
    assert [proofs.has(digest, FILE) for digest in several] == [False, True, True]


def test_a_node_of_a_version_without_proofs_is_taken_by_its_word(bench, monkeypatch):
    node = bench.start()
    digest = put(node, b"measured only")
    monkeypatch.setattr(m, "PROVE_BLOB", m.Method("Unheard", *list(values(m.PROVE_BLOB))[1:]))
    client = GrpcNode(bench.server.start(), host_id="")
    try:
        assert client.prove_blob(Want(digest, 13), lambda: None).digest == digest
        assert client.prove_blob(Want(digests.of(b"none")), lambda: None) is None
    finally:
        client.close()


def values(method):
    return (method.name, method.kind, method.lane, method.request, method.response, method.roles)


def end_of(generator):
    """What it returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def ended(generator):
    held = end_of(generator)
    assert held is not None
    return held
