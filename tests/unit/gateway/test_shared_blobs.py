"""A push into a repository that is a cache too: what it names was said to be there, and stays from then on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest

from gateway.cache import ManifestCache
from gateway.following import Following
from gateway.manifests import Manifests
from gateway.mirroring import Mirroring
from gateway.sharing import Sharing
from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import ReferencesMissingError, UnavailableError, UpstreamMissingError
from holdfast.manifest import OCI_MANIFEST, Reference
from holdfast.meta import keys
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.store import Put
from holdfast.meta.sweeps import Sweeps
from holdfast.mirrors.policy import Policy
from holdfast.mirrors.routes import Routes
from holdfast.names import Tag
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.sync import Underway
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore
from tests.fakes.several import Several
from tests.unit.meta.world import REPO, new_ids
from tests.unit.mirrors.settings import sync_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from holdfast.names import Repository

LAYER, CONFIG = b"a layer of theirs", b"{}"
OURS = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "a/config", "digest": str(digests.of(CONFIG)), "size": len(CONFIG)},
        "layers": [{"mediaType": "a/layer", "digest": str(digests.of(LAYER)), "size": len(LAYER)}],
    }
).encode()


class World:
    """``repos`` hold a manifest of an upstream's that names the layer. The worker needs ``turns`` before it is here."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.repos = Repositories(self.store, new_ids(), self.clock)
        self.node = MemoryNode("a")
        nodes = Several(self.node)
        self.store.txn([], [Put(keys.LAYOUT_CURRENT, b"a layout")])
        nodes.layout_revision = self.store.get_many([keys.LAYOUT_CURRENT]).entries[keys.LAYOUT_CURRENT].mod_revision
        self.reader = ReplicaReader(nodes, self.clock)
        fan_out = FanOut(nodes, pool, self.clock)
        writer = ReplicaWriter(nodes, fan_out, lambda *_: None, self.reader.remember)
        self.turns, self.asked = 2, 0
        workers = cast("Any", self)
        following = Following(workers, nodes, self.reader, self.clock, self.clock.advance, Sharing())
        registry = {"urls": ["http://upstream"], "onDemand": True}
        policy = Policy(Routes.of(sync_of(registries=[registry])))
        mirroring = Mirroring(policy, self.repos, workers, following, self.clock, lambda _warning: None)
        self.manifests = Manifests(self.repos, self.reader, writer, ManifestCache(1000), mirroring, sparse=False)
        self.have(CONFIG, "pushed")
        theirs = NewManifest(
            digests.of(b"theirs"), OCI_MANIFEST, 6, (Reference(digests.of(LAYER), len(LAYER)),), origin="upstream"
        )
        self.repos.put_manifest(REPO, theirs, [], self.repos.fence(theirs.digest), self.repos.removals(REPO))

    def have(self, data: bytes, origin: Any) -> None:
        digest = digests.of(data)
        self.node.blobs[digest] = data
        self.repos.add_link(REPO, digest, len(data), self.repos.fence(digest), origin)

    def fetch_blob(self, _repository: Repository, _digest: Digest, _patience: float = 0.0) -> Underway | None:
        self.asked += 1
        if self.turns:
            self.turns -= 1
            return Underway("an upload", len(LAYER))
        self.have(LAYER, "upstream")
        return None

    def push(self) -> None:
        self.manifests.push(REPO, OURS, OCI_MANIFEST, None, [Tag("ours")])

    def origin(self) -> str:
        link = self.repos.link(REPO, digests.of(LAYER))
        return link.origin if link else ""


@pytest.fixture
def world() -> Iterator[World]:
    with ThreadPoolExecutor(4) as pool:
        yield World(pool)


def test_what_is_still_to_come_is_waited_for(world: World) -> None:
    world.push()
    assert world.repos.manifest_by_tag(REPO, Tag("ours")).origin == "pushed"
    assert world.asked == 3


def test_what_an_upstream_gave_is_pushed_from_then_on(world: World) -> None:
    world.have(LAYER, "upstream")
    assert world.origin() == "upstream"
    world.push()
    assert world.origin() == "pushed"
    assert world.asked == 0


def test_a_sweep_in_between_makes_the_push_look_again(world: World) -> None:
    world.have(LAYER, "upstream")
    beside = digests.parse(f"sha256:{digests.of(LAYER).encoded[:3]:0<64}")
    swept = []
    # The first transaction stores nothing but the claim on the layer.
    world.store.before_txn(lambda: swept.extend(Sweeps(world.store, new_ids()).begin([beside])))
    world.push()
    assert swept == [beside]
    assert world.origin() == "pushed"


def test_what_does_not_come_in_time_is_a_push_to_be_done_again(world: World) -> None:
    world.turns = 10_000
    with pytest.raises(UnavailableError, match="still being fetched") as caught:
        world.push()
    assert caught.value.detail == [{"digest": str(digests.of(LAYER))}]


def test_what_no_upstream_has_is_the_client_s_to_push(world: World) -> None:
    def fetch_blob(*_: object) -> None:
        raise UpstreamMissingError("no upstream has it")

    world.fetch_blob = fetch_blob  # type: ignore[method-assign]
    with pytest.raises(ReferencesMissingError) as caught:
        world.push()
    assert caught.value.detail == [{"digest": str(digests.of(LAYER))}]
