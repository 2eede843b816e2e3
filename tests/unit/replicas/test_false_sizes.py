"""A manifest may say any size of a blob: no good copy may go into quarantine for what somebody wrote there."""

from __future__ import annotations

import json

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock, SystemClock
from holdfast.manifest import OCI_INDEX, OCI_MANIFEST
from holdfast.meta.keeping.adopting import Adopting
from holdfast.meta.keeping.comparing import Beyond
from holdfast.names import repository
from holdfast.ops.keeping.shelves import Nodes
from holdfast.replicas.read import ReplicaReader
from holdfast.rpc.node import Want
from storagenode.disk import identity
from storagenode.disk.fsio import Files
from storagenode.disk.tree import Tree
from storagenode.opening import open_store
from syncworker.linking import Linking

DATA = b'{"schemaVersion": 2}'
DIGEST = digests.of(DATA)


class Client:
    def __init__(self, store):
        self.store = store

    def read_blob(self, want, offset_bytes, length_bytes, *, patient=False):
        return self.store.read(want, offset_bytes, length_bytes)

    def stat_blobs(self, wants):
        return [self.store.stat(want) for want in wants]


class Directory:
    """Two nodes that answer."""

    def __init__(self, clients):
        self.clients = clients

    def readers(self, _digest):
        return iter(self.clients)

    def began(self, _client): ...
    def ended(self, _client): ...
    def answered(self, _client, _seconds): ...
    def failed(self, _client): ...


class Repos:
    """Links whatever is adopted."""

    def fence(self, _digest): ...
    def add_link(self, *_about): ...

    def naming(self, *_about):
        return iter(())


@pytest.fixture
def stores(tmp_path):
    files, made = Files(), []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        tree = Tree(str(tmp_path / name))
        known = identity.prepare(tree, files, "cluster", None)
        made.append(open_store(tree, 0, None, known, files, ManualClock()).disk)
        made[-1].put(DIGEST, DATA)
    return made


def reader(stores):
    return ReplicaReader(Directory([Client(store) for store in stores]), SystemClock())


def are_well(stores):
    return [(len(store.names(DIGEST.partition)), store.quarantined) for store in stores] == [(1, 0)] * len(stores)


def test_an_upstream_that_lies_about_the_size_of_somebody_elses_blob_harms_no_copy(stores):
    linking = Linking(Repos(), reader(stores), None, lambda _repository, _name: None)
    assert not linking.adopt(repository("mirror/evil"), Want(DIGEST, len(DATA) + 1))
    assert are_well(stores)
    assert linking.adopt(repository("mirror/good"), Want(DIGEST, len(DATA)))


def test_an_index_that_lies_about_the_size_of_its_child_harms_no_copy_when_names_are_recovered(stores):
    child = {"mediaType": OCI_MANIFEST, "digest": str(DIGEST), "size": len(DATA) + 1}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()
    for store in stores:
        store.put(digests.of(index), index)
    nodes = Nodes.__new__(Nodes)
    nodes._reader = reader(stores)
    Adopting(None, lambda: [Beyond(digests.of(index), len(index))], nodes.read, nodes.has).run(dry_run=True)
    assert are_well(stores)
