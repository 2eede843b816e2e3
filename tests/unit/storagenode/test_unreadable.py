"""A copy that the disk cannot read, and a note that it cannot write: the copy goes aside, and the node goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.errors import CorruptError, StorageFullError
from holdfast.rpc.node import Want
from storagenode.disk import read as reading
from tests.serving import wait_for
from tests.unit.storagenode.conftest import put, read

DATA = b"a stored blob"
DIGEST = digests.of(DATA)


@pytest.fixture
def bad_sector(monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(reading.os, "pread", fail)


@pytest.mark.usefixtures("bad_sector")
@pytest.mark.parametrize("part", [(0, None), (3, 5)], ids=["the whole", "a range"])
def test_what_the_disk_cannot_read_goes_into_quarantine(node, part):
    put(node, DATA)
    with pytest.raises(CorruptError, match="Input/output error"):
        b"".join(node.read_blob(Want(DIGEST, len(DATA)), *part))
    assert node.status().quarantined == 1
    assert node.stat_blobs([Want(DIGEST)]) == [None]


@pytest.mark.usefixtures("bad_sector")
def test_what_cannot_be_read_for_another_node_goes_into_quarantine(bench, node):
    put(node, DATA)
    with pytest.raises(CorruptError):
        b"".join(bench.server.node._store.raw(Want(DIGEST, len(DATA))))
    assert node.status().quarantined == 1


def test_a_copy_goes_aside_also_where_its_note_finds_no_room(bench, node, files):
    put(node, DATA)
    Path(bench.tree.blob(DIGEST)).write_bytes(b"cut")

    def full(operation: str, path: str) -> None:
        if operation == "create" and path.endswith(".json"):
            raise StorageFullError("no space")

    files.before = full
    assert node.stat_blobs([Want(DIGEST, len(DATA))]) == [None]
    wait_for("the copy to be found out", lambda: node.status().quarantined == 1)
    files.before = lambda *_: None
    put(node, DATA)
    assert read(node, DIGEST) == DATA
