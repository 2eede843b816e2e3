"""A disk that runs full while its trash is full: on a real file system of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock, SystemClock
from holdfast.errors import RolledBackError, StorageFullError, UnavailableError
from holdfast.meta import keys
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import Put
from holdfast.rpc.collecting import Amount
from holdfast.rpc.node import UploadKey
from storagenode.disk.leftovers import Leftovers
from storagenode.disk.space import Space
from storagenode.disk.trash import Trash
from storagenode.tidying import LEAST_SECONDS, Bin, Keep, Tidying
from tests.clients.programs import lacking
from tests.unit.storagenode.conftest import Bench

MIB = 1 << 20
RESERVE = 4 * MIB
DAY = 24 * 3600.0


@pytest.fixture
def small(folder):
    """40 MiB, of which the directories of an empty node take a little."""
    path = folder / "small"
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0700", "small", str(path)], check=False)
    if made.returncode:
        lacking("no file system can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def full(small, files):
    """A node that takes nothing more, and what it holds."""
    bench = Bench(small, files, ManualClock(), {"reserve_bytes": RESERVE, "trash_seconds": DAY})
    node = bench.start()
    blobs = []
    with contextlib.suppress(StorageFullError):
        while True:
            data = os.urandom(MIB)
            blobs.append(node.put_blob(digests.of(data), data))
    yield bench, node, blobs
    bench.stop()


def tidying(bench):
    left = Leftovers(bench.tree, bench.files, bench.clock, bench.server.node._store.staged)
    bins = [Bin("", Trash(bench.tree, bench.files, bench.clock), Space(bench.tree.root, RESERVE), left)]
    return Tidying(bench.server.node, bins, Keep(DAY, DAY), bench.clock)


def in_trash(bench):
    return len(os.listdir(bench.tree.trash))  # noqa: PTH208


def right():
    """The metadata is."""


def test_room_is_made_of_the_trash_before_its_time_and_no_more_than_is_needed(full):
    bench, node, blobs = full
    data = os.urandom(MIB)
    for blob in blobs[:20]:
        node.delete_blob(blob.digest, blob.stamp)
    with pytest.raises(StorageFullError):
        node.put_blob(digests.of(data), data)
    tidy = tidying(bench)
    tidy.look(right)
    bench.clock.advance(LEAST_SECONDS - 1)
    tidy.look(right)
    assert in_trash(bench) == 20, "it may yet turn out to have been a mistake"
    bench.clock.advance(1)
    tidy.look(right)
    bench.clock.advance(5)
    tidy.look(right)
    assert 10 < in_trash(bench) < 20
    assert node.put_blob(digests.of(data), data)


def test_nothing_leaves_the_trash_while_the_metadata_is_not_right(full):
    bench, node, blobs = full
    node.delete_blob(blobs[0].digest, blobs[0].stamp)
    tidy = tidying(bench)
    tidy.look(right)
    bench.clock.advance(2 * DAY)

    def wrong():
        raise RolledBackError("an old backup")

    with pytest.raises(RolledBackError):
        tidy.look(wrong)
    assert in_trash(bench) == 1
    tidy.look(right)
    assert in_trash(bench) == 0


def test_a_node_empties_its_trash_also_where_nothing_is_collected(full):
    bench, node, blobs = full
    node.delete_blob(blobs[0].digest, blobs[0].stamp)
    for _ in range(2):
        bench.server.duties._housekeeping._round()
        bench.clock.advance(LEAST_SECONDS)
    assert in_trash(bench) == 0


def test_what_a_broken_copy_left_goes_and_what_somebody_is_at_work_on_stays(bench, node, files):
    key = UploadKey(node.start_upload("a/app", "", None).upload_id, "a/app")
    node.append(key, 0, [b"begun"], lambda: None)
    state = {"refuses": True}

    def refuse(operation, path):
        if operation == "unlink" and "/staging/" in path and state["refuses"]:
            raise UnavailableError("the disk refuses")

    files.before = refuse
    with pytest.raises(UnavailableError):
        node.receive(digests.of(b"another"), 7, [b"a copy"], lambda: None)
    state["refuses"] = False
    tidy = tidying(bench)
    assert len(staged(bench)) == 2
    tidy.look(right)
    bench.clock.advance(3599)
    assert tidy.uploads(dry_run=True)[0] == tidy.uploads(dry_run=False)[0] == Amount()
    bench.clock.advance(1)
    assert tidy.uploads(dry_run=True)[0] == tidy.uploads(dry_run=False)[0] == Amount(1, len(b"a copy"))
    assert [name.partition(".")[0] for name in staged(bench)] == [key.upload_id]
    assert node.finish_upload(key, digests.of(b"begun")).size_bytes == 5


def staged(bench):
    return [name for name in os.listdir(bench.tree.staging) if name != "uploads"]  # noqa: PTH208


def test_the_trash_waits_for_trust_also_where_nothing_is_collected(folder, files):
    store, clock = SqliteStore(folder / "m.db", SystemClock()), ManualClock()
    bench = Bench(folder, files, clock, {"trash_seconds": 60.0, "metadata": folder / "m.db"})
    stored = bench.start().put_blob(digests.of(b"deleted"), b"deleted")
    bench.server.node.delete_blob(stored.digest, stored.stamp)
    store.txn([], [Put(keys.CLUSTER_RESTORED, b"by a restore")])
    for _ in range(2):
        with pytest.raises(RolledBackError):
            bench.server.duties._round()
        clock.advance(100)
    assert len(list(Path(bench.tree.trash).iterdir())) == 1
    bench.stop()
    store.close()
