"""A closing request while sweeps and layouts change: what is linked is stored, on as many nodes as a write needs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.manifests import Manifests
from gateway.uploads import Uploads
from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import ManifestUnknownError, UnavailableError
from holdfast.manifest import OCI_INDEX
from holdfast.meta import keys
from holdfast.meta.records import ManifestRecord
from holdfast.meta.repos import Repositories
from holdfast.meta.store import Put
from holdfast.meta.sweeps import Sweeps
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.node import UploadKey
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore
from tests.fakes.mirrors import no_mirrors
from tests.fakes.several import Several
from tests.unit.meta.world import REPO, V1, new_ids

DATA = b"some bytes"
DIGEST = digests.of(DATA)


class World:
    def __init__(self, pool) -> None:
        clock = ManualClock()
        self.store = MemoryStore(clock)
        self.repos = Repositories(self.store, new_ids(), clock)
        self.node = MemoryNode("a")
        self.directory = Several(self.node)
        self.marks: list[tuple[int, int]] = []
        self.change_layout()
        self.reader = ReplicaReader(self.directory, clock)
        fan_out = FanOut(self.directory, pool, clock)
        self.writer = ReplicaWriter(
            self.directory, fan_out, lambda *what: self.marks.append(what), self.reader.remember
        )
        self.uploads = Uploads(self.repos, self.reader, self.writer, lambda _local: None, no_mirrors(self.repos))

    def change_layout(self) -> None:
        self.store.txn([], [Put(keys.LAYOUT_CURRENT, b"another")])
        entry = self.store.get(keys.LAYOUT_CURRENT)
        assert entry is not None
        self.directory.layout_revision = entry.mod_revision

    def sweep(self) -> None:
        Sweeps(self.store, new_ids()).begin([DIGEST])

    def finish(self):
        key = UploadKey(self.writer.start(REPO, "", None).upload_id, REPO)
        self.writer.append(key, 0, [DATA])
        return self.uploads.finish(key, DIGEST)

    @property
    def is_linked(self) -> bool:
        return self.repos.link(REPO, DIGEST) is not None


@pytest.fixture
def world():
    with ThreadPoolExecutor(4) as pool:
        yield World(pool)


def stored_as(world, layout_revision):
    """The node says by which layout it placed what it finished."""
    finish = world.node.finish_upload

    def finish_upload(key, digest):
        return replace(finish(key, digest), layout_revision=layout_revision())

    world.node.finish_upload = finish_upload


def test_a_sweep_in_between_has_the_node_bring_its_copies_out_again(world):
    stored_as(world, lambda: world.directory.layout_revision)
    world.store.before_txn(world.sweep)
    assert world.finish().digest == DIGEST
    assert world.is_linked
    assert world.node.calls.count("finish_upload") == 2


def test_what_a_sweep_took_is_not_linked(world):
    stored_as(world, lambda: world.directory.layout_revision)

    def sweep():
        world.sweep()
        del world.node.blobs[DIGEST]

    world.store.before_txn(sweep)
    with pytest.raises(UnavailableError):
        world.finish()
    assert not world.is_linked


def test_a_layout_in_between_leaves_a_mark_before_the_link(world):
    revision = world.directory.layout_revision
    stored_as(world, lambda: revision)
    world.store.before_txn(world.change_layout)
    assert world.finish().digest == DIGEST
    assert world.is_linked
    assert world.marks == [(DIGEST.partition, 3)]


def test_a_small_blob_is_placed_again_when_the_layout_changed(world):
    world.store.before_txn(world.change_layout)
    world.uploads.put(REPO, DIGEST, DATA)
    assert world.is_linked
    assert world.node.calls.count("put_blob") == 2


class Cache(dict):
    def get(self, repo, digest):
        return super().get((repo, digest))

    def put(self, repo, digest, data):
        self[repo, digest] = data


def test_a_manifest_that_was_read_wrongly_is_neither_answered_nor_kept(world):
    data = b"{}" + b" " * (2 << 20)
    record = ManifestRecord(digests.of(data), "m", len(data), b"incarnation", b"operation", 0.0)
    wrong, right = MemoryNode("wrong"), MemoryNode("right")
    world.directory.nodes = {"wrong": wrong, "right": right}
    wrong.blobs[record.digest] = b"[" + data[1:]
    cache = Cache()
    manifests = Manifests(world.repos, world.reader, world.writer, cache, no_mirrors(world.repos), sparse=False)
    with pytest.raises(ManifestUnknownError):
        manifests.bytes_of(REPO, record)
    assert cache == {}
    wrong.blobs[record.digest] = b"[" + data[1:]
    right.blobs[record.digest] = data
    assert manifests.bytes_of(REPO, record) == data
    assert list(cache.values()) == [data]


def test_a_push_outlasts_a_collector_that_takes_link_after_link(world):
    manifests = Manifests(world.repos, world.reader, world.writer, Cache(), no_mirrors(world.repos), sparse=False)
    left = list(range(30))

    def remove_one():
        left.pop()
        world.store.txn([], [Put(keys.removals(REPO), b"%d" % len(left))])
        if left:
            world.store.before_txn(remove_one)

    world.store.before_txn(remove_one)
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    pushed = manifests.push(REPO, data, OCI_INDEX, None, [V1])
    assert left == []
    assert world.repos.manifest_by_tag(REPO, V1).digest == pushed.digest
