"""A power cut at the worst moment takes everything that was not fsynced; what was acknowledged is still there.

SIGKILL keeps the page cache and cannot show a missing fsync, so here the disk itself forgets (``tests.fakes.files``). And the proof
that this test would notice: with any one fsync left out of the code it fails.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import HoldfastError
from holdfast.rpc.node import UploadKey, Want
from storagenode.disk.tree import Tree
from storagenode.options import NodeOptions, RoomOptions
from storagenode.server import NodeServer
from tests.fakes.files import ForgetfulFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from storagenode.disk.fsio import Files

HOST = "here"


class PowerCutError(BaseException):
    """The process is no more. No handler may catch it."""


@pytest.fixture
def folder() -> Iterator[Path]:
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as made:
        yield Path(made)


def started(root: Path, files: Files | None) -> NodeServer:
    server = NodeServer(NodeOptions(root, f"unix:{root}/s", reserve_bytes=0), files, ManualClock())
    server.node._host_id = HOST
    return server


def finished(server: NodeServer) -> None:
    server.node.close()
    server._rooms.close()
    os.close(server._lock)


def acknowledged(root: Path, files: ForgetfulFiles) -> tuple[str, dict[Digest, bytes]]:
    """Everything a node acknowledges in two lives: its name, and blobs by every way there is."""
    blobs: dict[Digest, bytes] = {}

    def acked(digest: Digest, data: bytes) -> None:
        blobs[digest] = data

    server = started(root, files)
    node = server.node
    acked(node.put_blob(digests.of(b"put"), b"put").digest, b"put")
    acked(streamed(node, b"streamed", b" in two pieces"), b"streamed in two pieces")
    acked(short_circuited(node, b"written by the gateway", closes=True), b"written by the gateway")
    acked(
        short_circuited(node, b"written by one that did not close", closes=False), b"written by one that did not close"
    )
    cut_off_after_the_rename(node, files, b"renamed, not yet acknowledged")
    finished(server)

    tree = Tree(str(root))
    brought = digests.of(b"brought by an operator")
    Path(tree.blob(brought)).write_bytes(b"brought by an operator")
    server = started(root, files)
    for data in (b"renamed, not yet acknowledged", b"brought by an operator"):
        (answer,) = server.node.stat_blobs([Want(digests.of(data), len(data))])
        assert answer is not None
        acked(answer.digest, data)  # "have it" is an acknowledgement
    name = server.node.status().node_id
    finished(server)
    return name, blobs


def streamed(node, *pieces: bytes) -> Digest:
    key = UploadKey(node.start_upload("library/alpine", "", None).upload_id, "library/alpine")
    for piece in pieces:
        node.append(key, None, [piece], lambda: None)
    return node.finish_upload(key, digests.of(b"".join(pieces))).digest


def short_circuited(node, data: bytes, *, closes: bool) -> Digest:
    key = UploadKey(node.start_upload("library/alpine", "", None).upload_id, "library/alpine")
    file = node.open_append(key, 0, HOST)
    Path(file.path).write_bytes(data)
    node.advance(key, file.token, len(data), is_last=closes)
    return node.finish_upload(key, digests.of(data)).digest


def cut_off_after_the_rename(node, files: ForgetfulFiles, data: bytes) -> None:
    def before(operation: str, path: str) -> None:
        if operation == "sync_directory":
            raise PowerCutError

    files.before = before
    with pytest.raises(PowerCutError):
        node.put_blob(digests.of(data), data)
    files.before = lambda *_: None


def assert_all_there(root: Path, name: str, blobs: dict[Digest, bytes]) -> None:
    server = started(root, None)
    try:
        assert server.node.status().node_id == name
        for digest, data in blobs.items():
            assert server.node.stat_blobs([Want(digest, len(data))])[0] is not None, data
            assert b"".join(server.node.read_blob(Want(digest), 0, None)) == data
    finally:
        finished(server)


def test_what_was_acknowledged_survives_a_power_cut(folder):
    root = folder / "data"
    files = ForgetfulFiles(root)
    name, blobs = acknowledged(root, files)
    assert len(blobs) == 6
    files.survivors(folder / "after")
    files.close()
    assert_all_there(folder / "after", name, blobs)


def test_what_was_acknowledged_on_a_further_disk_survives_a_power_cut(folder):
    machine = folder / "machine"
    machine.mkdir()
    files = ForgetfulFiles(machine)
    files.sync_directory(str(folder))

    def with_a_room(at: Path, files: Files | None) -> NodeServer:
        rooms = (RoomOptions("/library", at / "room", reserve_bytes=0),)
        options = NodeOptions(at / "data", f"unix:{at}/s", reserve_bytes=0, rooms=rooms)
        return NodeServer(options, files, ManualClock())

    server = with_a_room(machine, files)
    name = server.node.status().node_id
    uploaded = streamed(server.node, b"streamed", b" in two pieces")
    put = server.node.put_blob(digests.of(b"put"), b"put", "library/alpine").digest
    finished(server)
    files.survivors(folder / "after")
    files.close()
    server = with_a_room(folder / "after", None)
    assert server.node.status().node_id == name
    assert [Path(Tree(str(folder / "after/room")).blob(digest)).exists() for digest in (uploaded, put)] == [True, True]
    assert b"".join(server.node.read_blob(Want(uploaded), 0, None)) == b"streamed in two pieces"
    assert Path(Tree(str(folder / "after/data")).rooms_file).exists()
    finished(server)


SITES = {
    "the file of a small blob": ("sync", "/staging/put."),
    "the file of an upload": ("sync", ".data."),
    "the file of a copy that somebody else left": ("sync", "/blobs/"),
    "the directory of a partition": ("sync_directory", "/blobs/"),
    "the new partition directories": ("sync_directory", "/data/blobs$"),
    "node.json": ("sync", "/node.json"),
    "the data directory with node.json in it": ("sync_directory", "/data$"),
    "the directory that holds the data directory": ("sync_directory", "$parent"),
}


def matches(site: tuple[str, str], root: Path, operation: str, path: str) -> bool:
    wanted, where = site
    if where == "$parent":
        return operation == wanted and path == str(root.parent)
    found = path.endswith(where[:-1]) if where.endswith("$") else where in path
    return operation == wanted and found


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_without_any_one_fsync_something_acknowledged_is_lost(folder, site):
    root = folder / "data"
    left_out = []

    def skip(operation: str, path: str) -> bool:
        hit = matches(site, root, operation, path)
        left_out.extend([path] * hit)
        return hit

    files = ForgetfulFiles(root, skip)
    name, blobs = acknowledged(root, files)
    assert left_out, "this fsync does not exist"
    files.survivors(folder / "after")
    files.close()
    with pytest.raises((AssertionError, HoldfastError)):
        assert_all_there(folder / "after", name, blobs)


def test_every_fsync_of_the_code_is_among_those_left_out(folder):
    root = folder / "data"
    files = ForgetfulFiles(root)
    seen = []
    files._skip = lambda operation, path: seen.append((operation, path)) or False
    acknowledged(root, files)
    files.close()
    for operation, path in seen:
        assert any(matches(site, root, operation, path) for site in SITES.values()), (operation, path)


def test_a_power_cut_at_any_step_leaves_no_half_blob(folder):
    """Cut before each change of the disk in turn: what is visible afterwards is whole."""
    step, total = 0, 1
    while step < total:
        root = folder / f"data{step}"
        files = ForgetfulFiles(root)
        server = started(root, files)
        before = server.node.put_blob(digests.of(b"before"), b"before").digest
        count = 0

        def cut(_operation: str, _path: str, at: int = step) -> None:
            nonlocal count
            count += 1
            if count > at:
                raise PowerCutError

        files.before = cut
        data = b"interrupted"
        try:
            streamed(server.node, data)
            acked = True
        except PowerCutError:
            acked = False
        files.before = lambda *_: None
        total = max(total, count + 1) if acked else total + 1
        files.survivors(folder / f"after{step}")
        finished(server)
        files.close()
        after = started(folder / f"after{step}", None)
        assert b"".join(after.node.read_blob(Want(before), 0, None)) == b"before"
        (found,) = after.node.stat_blobs([Want(digests.of(data), len(data))])
        assert found is not None or not acked
        if found is not None:
            assert b"".join(after.node.read_blob(Want(found.digest), 0, None)) == data
        assert streamed(after.node, data) == digests.of(data)
        finished(after)
        if acked:
            break
        step += 1
    assert step >= 8
