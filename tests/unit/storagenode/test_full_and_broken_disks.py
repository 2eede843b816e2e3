"""A disk that is full, or whose fsync fails: a clean refusal, and never half a blob."""

from __future__ import annotations

import errno
import os

import pytest

from holdfast import digest as digests
from holdfast.errors import ReadOnlyError, StorageFullError, UploadUnknownError
from holdfast.rpc.node import Want
from storagenode.disk.fsio import SyncFailedError
from storagenode.disk.space import Room, Space
from storagenode.writing import FLUSH_BYTES
from tests.fakes.files import FullDisk
from tests.unit.storagenode.conftest import HOST, begin, put, read


def nothing_is_staged(bench):
    return set(os.listdir(bench.tree.staging)) <= {os.path.basename(bench.tree.upload_log)}  # noqa: PTH119, PTH208


@pytest.fixture
def reserve(monkeypatch):
    """The free space, to be set by the test; far from the reserve until then."""
    room = {"free": 10_000}
    monkeypatch.setattr(Space, "room", lambda _self: Room(20_000, room["free"]))
    return room


def test_the_reserve_is_never_used(bench, node, reserve):
    node._space.reserve_bytes = 5_000
    key = begin(node, b"abc")
    reserve["free"] = 4_999
    for ask in (
        lambda: begin(node),
        lambda: node.append(key, 3, [b"def"], lambda: None),
        lambda: node.open_append(key, 3, HOST),
        lambda: put(node, b"small"),
    ):
        with pytest.raises(StorageFullError):
            ask()
    reserve["free"] = 5_003
    with pytest.raises(StorageFullError):
        put(node, b"five!")
    assert node.upload_state(key).offset_bytes == 3
    node.finish_upload(key, digests.of(b"abc"))  # needs no more room, and gives the client its blob


def test_a_stream_stops_at_the_reserve_and_keeps_what_it_had(node, reserve):
    reserve["free"] = 1 << 40
    node._space.reserve_bytes = 5_000
    key = begin(node)

    def chunks():
        for number in range(64):
            if number == 20:
                reserve["free"] = 0
            yield b"x" * (1 << 20)

    with pytest.raises(StorageFullError):
        node.append(key, 0, chunks(), lambda: None)
    assert 20 << 20 <= node.upload_state(key).offset_bytes < 40 << 20


def test_no_space_left_is_a_clean_refusal(bench):
    files = bench.files = FullDisk()
    node = bench.start()
    key = begin(node, b"abc")
    files.full = True
    with pytest.raises(StorageFullError):
        node.append(key, 3, [b"def"], lambda: None)
    assert node.upload_state(key).offset_bytes == 3
    with pytest.raises(StorageFullError):
        put(node, b"small")
    files.full = False
    assert node.stat_blobs([Want(digests.of(b"small"))]) == [None]
    node.append(key, 3, [b"def"], lambda: None)
    node.finish_upload(key, digests.of(b"abcdef"))
    assert nothing_is_staged(bench)
    assert not node.status().read_only


def failing(operation, where):
    def before(name, path):
        if name == operation and where in path:
            raise SyncFailedError("the disk is broken")

    return before


@pytest.mark.parametrize(("operation", "where"), [("sync", "staging"), ("sync_directory", "blobs")])
@pytest.mark.parametrize("how", ["finish", "put"])
def test_a_failed_fsync_makes_the_node_read_only(bench, node, files, operation, where, how):
    before = put(node, b"before")
    other = begin(node, b"other")
    key = begin(node, b"lost")
    files.before = failing(operation, where)
    store = {"finish": lambda: node.finish_upload(key, digests.of(b"lost")), "put": lambda: put(node, b"lost")}[how]
    with pytest.raises(ReadOnlyError):
        store()
    files.before = lambda *_: None  # the kernel would say that all is well now
    assert node.status().read_only
    for ask in (
        lambda: begin(node),
        lambda: put(node, b"small"),
        lambda: node.append(other, 5, [b"x"], lambda: None),
        lambda: node.finish_upload(other, digests.of(b"other")),
    ):
        with pytest.raises(ReadOnlyError):
            ask()
    if how == "finish":
        with pytest.raises(UploadUnknownError):
            node.upload_state(key)
    assert read(node, before) == b"before"
    assert node.stat_blobs([Want(before)])[0] is not None
    # What may not be durable is not "had": not stored, or nobody knows.
    try:
        assert node.stat_blobs([Want(digests.of(b"lost"))]) == [None]
    except ReadOnlyError:
        assert where == "blobs"


def test_a_flush_that_failed_in_the_background_is_not_forgotten(bench, node, files):
    """A later fsync of the same file, on another descriptor, says that all is well; it must not be believed."""
    piece = b"f" * (1 << 20)
    key = begin(node)
    files.before = failing("sync_data", "staging")
    node.append(key, 0, [piece] * (FLUSH_BYTES // len(piece) + 1), lambda: None)
    files.before = lambda *_: None
    with pytest.raises(ReadOnlyError):
        node.finish_upload(key, digests.of(piece * (FLUSH_BYTES // len(piece) + 1)))
    assert node.status().read_only


def test_the_words_of_the_operating_system_are_translated(node, files, monkeypatch):
    def no_quota(*_):
        raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr("storagenode.disk.fsio.os.pwrite", no_quota)
    with pytest.raises(StorageFullError):
        put(node, b"over quota")
