"""Sums say what a partition holds: equal contents, equal sums, and never one of yesterday."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.errors import CorruptError
from holdfast.rpc.node import Want
from storagenode.disk.sums import Sums
from storagenode.disk.tree import Tree
from storagenode.options import NodeOptions
from storagenode.server import NodeServer


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """Two, for all tests: making their directories takes longer than everything else here. Each test has blobs of its own."""
    path = tmp_path_factory.mktemp("sums")
    servers = [NodeServer(NodeOptions(path / name, f"unix:{path}/{name}.s", reserve_bytes=0)) for name in "ab"]
    for server in servers:
        server.start()
    yield [server.node for server in servers]
    for server in servers:
        server.stop(0)


@pytest.fixture
def node(nodes):
    return nodes[0]


def put(node, data):
    return node.put_blob(digests.of(data), data)


def test_an_empty_partition_has_no_sum(node):
    empty = digests.of(b"never stored").partition
    assert list(node.sum_partitions(empty, empty)) == []
    assert node._store.sum_of(empty).copies == 0


def test_equal_contents_have_equal_sums_in_whatever_order_they_came(nodes):
    one, two = nodes
    found = in_one_partition(3)
    for data in found:
        put(one, data)
    for data in reversed(found[1:]):
        put(two, data)
    partition = digests.of(found[0]).partition
    assert one._store.sum_of(partition) != two._store.sum_of(partition)
    put(two, found[0])
    assert one._store.sum_of(partition) == two._store.sum_of(partition)
    assert one._store.sum_of(partition).copies == 3


def in_one_partition(count: int) -> list[bytes]:
    wanted = digests.of(b"0").partition
    several = (b"%d" % number for number in range(1_000_000))
    return list(itertools.islice((data for data in several if digests.of(data).partition == wanted), count))


def test_a_sum_follows_every_way_in_which_a_copy_comes_or_goes(node):
    stored = put(node, b"first")
    partition = stored.digest.partition
    with_it = node._store.sum_of(partition)
    assert with_it.copies == 1
    assert node.delete_blob(stored.digest, stored.stamp)
    assert node._store.sum_of(partition).copies == 0
    node.receive(stored.digest, 5, [b"fir", b"st"], lambda: None)
    assert node._store.sum_of(partition) == with_it
    (held,) = node.stat_blobs([Want(stored.digest)])
    assert node._store.discard(stored.digest, held.stamp)
    assert node._store.sum_of(partition).copies == 0
    put(node, b"first")
    os.truncate(node._store._tree.blob(stored.digest), 4)
    with pytest.raises(CorruptError):
        list(node.read_blob(Want(stored.digest), 0, None))  # into quarantine
    assert node._store.sum_of(partition).copies == 0


def test_a_copy_of_another_size_has_another_sum(nodes):
    one, two = nodes
    stored = put(one, b"cut short")
    put(two, b"cut short")
    partition = stored.digest.partition
    os.truncate(two._store._tree.blob(stored.digest), 2)
    assert one._store.sum_of(partition) != two._store.sum_of(partition)


def test_what_another_process_took_away_is_noticed(node):
    stored = put(node, b"taken away")
    assert node._store.sum_of(stored.digest.partition).copies == 1
    path = Path(node._store._tree.blob(stored.digest))
    path.unlink()
    os.utime(path.parent, ns=(1, 1))  # however coarse this file system's times are
    assert node._store.sum_of(stored.digest.partition).copies == 0


def test_a_sum_is_read_once_until_something_changes(tmp_path, monkeypatch):
    tree = Tree(str(tmp_path))
    Path(tree.partition(7)).mkdir(parents=True)
    reads = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: reads.append(path) or scandir(path))
    known = Sums(tree)
    for _ in range(3):
        known.of(7)
    assert len(reads) == 1
    known.changed(7)
    known.of(7)
    assert len(reads) == 2


def test_a_copy_that_comes_while_a_sum_is_read_is_in_the_next_one(tmp_path, monkeypatch):
    tree = Tree(str(tmp_path))
    digest = digests.of(b"late")
    Path(tree.partition(digest.partition)).mkdir(parents=True)
    known = Sums(tree)
    modified = Path(tree.partition(digest.partition)).stat().st_mtime_ns
    scandir = os.scandir

    def slow(path):
        found = list(scandir(path))
        Path(tree.blob(digest)).write_bytes(b"late")
        os.utime(path, ns=(modified, modified))  # within one tick of the file system's clock
        known.changed(digest.partition)
        return Listing(found)

    monkeypatch.setattr(os, "scandir", slow)
    assert known.of(digest.partition).copies == 0
    monkeypatch.undo()
    assert known.of(digest.partition).copies == 1


class Listing(list):
    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        """Nothing is open."""
