"""Existence means bytes, and a stream that breaks goes on elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import (
    BlobUnknownError,
    CorruptError,
    NodeSilentError,
    NodeUnreachableError,
    OverloadedError,
    UploadUnknownError,
)
from holdfast.replicas.directory import OneNode
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import STAT_TTL_SECONDS, ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.node import LocalBlob, UploadKey, Want
from tests.fakes.memory_node import MemoryNode
from tests.fakes.several import Several

DATA = b"x" * (3 << 20)
DIGEST = digests.of(DATA)
WANT = Want(DIGEST, len(DATA))
UNREACHABLE = NodeUnreachableError("no answer")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def nodes():
    return MemoryNode("one"), MemoryNode("two")


@pytest.fixture
def reader(nodes, clock):
    return ReplicaReader(Several(*nodes), clock)


def test_any_owner_that_has_it_is_enough(nodes, reader):
    nodes[1].put_blob(DIGEST, DATA)
    assert reader.stat([WANT])[0].digest == DIGEST
    nodes[0].fail_with = UNREACHABLE
    reader.forget(DIGEST)
    assert reader.stat([WANT])[0].digest == DIGEST


def test_all_asked_and_none_has_it(reader):
    assert reader.stat([WANT, WANT]) == [None, None]


@pytest.mark.parametrize("error", [UNREACHABLE, OverloadedError("busy")])
def test_not_all_could_be_asked(nodes, reader, error):
    nodes[1].fail_with = error
    with pytest.raises(NodeUnreachableError):
        reader.stat([WANT])
    with pytest.raises(type(error)):
        reader.open(WANT)
    with pytest.raises(type(error)):
        list(reader.read(WANT, 0, None))


def test_a_confirmed_copy_is_remembered_for_seconds_and_absence_never(nodes, reader, clock):
    assert reader.stat([WANT]) == [None]
    nodes[0].put_blob(DIGEST, DATA)
    for _ in range(3):
        assert reader.stat([WANT])[0] is not None
    assert nodes[0].calls.count("stat_blobs") == 2
    del nodes[0].blobs[DIGEST]
    assert reader.stat([WANT])[0] is not None
    assert reader.stat([Want(DIGEST, 1)]) == [None]  # a memory of another size is none
    clock.advance(STAT_TTL_SECONDS)
    assert reader.stat([WANT]) == [None]


def test_one_question_for_many_wants(nodes, reader):
    some = [b"a", b"b", b"c"]
    for data in some[:2]:
        nodes[0].put_blob(digests.of(data), data)
    found = reader.stat([Want(digests.of(data)) for data in some])
    assert [blob is not None for blob in found] == [True, True, False]
    assert nodes[0].calls.count("stat_blobs") == nodes[1].calls.count("stat_blobs") == 1


class Breaking(MemoryNode):
    """Breaks off after its first message."""

    def read_blob(self, want, offset_bytes, length_bytes, *, patient=False):
        for message in super().read_blob(want, offset_bytes, length_bytes):
            yield message
            raise UNREACHABLE


@pytest.mark.parametrize(("offset", "length"), [(0, None), (10, None), (5, 2 << 20)])
def test_read_resumes_at_the_same_offset_on_the_next_owner(clock, offset, length):
    nodes = Breaking("one"), MemoryNode("two")
    varied = bytes(range(256)) * (3 << 12)
    digest = digests.of(varied)
    for node in nodes:
        node.put_blob(digest, varied)
    reader = ReplicaReader(Several(*nodes), clock)
    end = None if length is None else offset + length
    assert b"".join(reader.read(Want(digest), offset, length)) == varied[offset:end]


@pytest.mark.parametrize(("offset", "length"), [(0, None), (5, 2 << 20)])
def test_a_read_goes_on_with_an_owner_that_is_back(clock, offset, length):
    nodes = Breaking("one"), Breaking("two")
    for node in nodes:
        node.put_blob(DIGEST, DATA)
    end = None if length is None else offset + length
    assert b"".join(ReplicaReader(Several(*nodes), clock).read(WANT, offset, length)) == DATA[offset:end]


class Gone(Breaking):
    """Breaks off after its first message, for good."""

    def read_blob(self, want, offset_bytes, length_bytes, *, patient=False):
        if offset_bytes:
            raise UNREACHABLE
        yield from super().read_blob(want, offset_bytes, length_bytes)


def test_a_read_with_no_owner_left_does_not_end_cleanly(clock):
    node = Gone("one")
    node.put_blob(DIGEST, DATA)
    came = []
    with pytest.raises(NodeUnreachableError):
        came.extend(ReplicaReader(OneNode(node), clock).read(WANT, 0, None))
    assert len(came) == 1


def test_a_corrupt_copy_is_passed_over_while_nothing_of_it_was_passed_on(nodes, reader):
    data = DATA[: 1 << 20]  # one message, which is withheld until the digest is confirmed
    want = Want(digests.of(data), len(data))
    for node in nodes:
        node.put_blob(want.digest, data)
    nodes[0].blobs[want.digest] = b"y" + data[1:]
    assert b"".join(reader.read(want, 0, None)) == data
    nodes[1].blobs[want.digest] = b"short"
    with pytest.raises(CorruptError):
        list(reader.read(want, 0, None))
    with pytest.raises(BlobUnknownError):
        list(reader.read(want, 0, None))


def test_wrong_bytes_that_were_passed_on_are_never_completed_by_a_good_copy(nodes, reader):
    for node in nodes:
        node.put_blob(DIGEST, DATA)
    nodes[0].blobs[DIGEST] = b"y" + DATA[1:]
    came = []
    with pytest.raises(CorruptError):
        came.extend(reader.read(WANT, 0, None))
    assert 0 < len(b"".join(came)) < len(DATA)
    assert b"".join(reader.read(WANT, 0, None)) == DATA


class Offering(MemoryNode):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def open_blob(self, want):
        super().open_blob(want)
        found = self.path.stat()
        return LocalBlob(str(self.path), found.st_dev, found.st_ino, found.st_size)


def test_local_handles_are_kept_and_compared_with_the_file_at_each_use(tmp_path, clock):
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    node = Offering(path)
    node.blobs[DIGEST] = DATA
    reader = ReplicaReader(OneNode(node), clock)
    first = reader.open(WANT)
    assert reader.open(WANT) == first
    assert node.calls.count("open_blob") == 1
    (tmp_path / "new").write_bytes(DATA)
    (tmp_path / "new").rename(path)  # pushed again: another inode
    second = reader.open(WANT)
    assert second.inode != first.inode
    path.unlink()
    node.blobs.clear()
    with pytest.raises(BlobUnknownError):
        reader.open(WANT)


def test_an_upload_stays_with_its_node_and_a_stored_blob_is_reported(clock):
    node, heard = MemoryNode(), []
    with ThreadPoolExecutor(1) as pool:
        nodes = OneNode(node)
        writer = ReplicaWriter(nodes, FanOut(nodes, pool, clock), lambda *_: None, heard.append)
        key = UploadKey(writer.start("library/alpine", "", None).upload_id, "library/alpine")
        writer.append(key, 0, [b"abc"])
        assert writer.open_append(key, 3) is None
        assert writer.state(key).offset_bytes == 3
        stored = writer.finish(key, digests.of(b"abc"))
        assert heard == [stored, writer.put(digests.of(b"p"), b"p", "library/alpine")]
        with pytest.raises(UploadUnknownError):
            writer.cancel(UploadKey("no node's name", "library/alpine"))


class Slow(MemoryNode):
    """Says nothing to whoever has no patience."""

    def read_blob(self, want, offset_bytes, length_bytes, *, patient=False):
        if not patient:
            raise NodeSilentError("nothing came")
        yield from super().read_blob(want, offset_bytes, length_bytes)


def test_the_only_copy_is_waited_for_after_everybody_else_was_asked(clock):
    slow, other = Slow("slow"), MemoryNode("other")
    slow.put_blob(DIGEST, DATA)
    reader = ReplicaReader(Several(slow, other), clock)
    assert b"".join(reader.read(WANT, 0, None)) == DATA
    assert other.calls == ["read_blob"]
    other.put_blob(DIGEST, DATA)
    slow.calls.clear()
    assert b"".join(reader.read(WANT, 0, None)) == DATA
    assert slow.calls == []


def test_a_single_node_is_waited_for_at_once(clock):
    slow = Slow("slow")
    slow.put_blob(DIGEST, DATA)
    assert b"".join(ReplicaReader(OneNode(slow), clock).read(WANT, 0, None)) == DATA
