"""An eviction, paused before each of its steps, while somebody else comes for the same digest: in every order of steps.

The eviction is the real one, from the link to the bytes, over a store and two nodes of which each call is a step, or the first
one's alone where the orders would be too many. So are those who come: a gateway that mounts, uploads, or takes a manifest, and a
worker that adopts or fetches.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import pytest

from gateway.blobs import Blobs
from gateway.cache import ManifestCache
from gateway.manifests import Manifests
from gateway.renewal import Renewal
from gateway.uploads import Uploads
from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast.clock import ManualClock
from holdfast.errors import HoldfastError, ReferencesMissingError
from holdfast.meta import keys, versions
from holdfast.meta.evictions import Evictions, Outcome
from holdfast.meta.fetches import WORKER, Fetches
from holdfast.meta.pulls import PullTimes
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.turns import Turns
from holdfast.mirrors.keeping import Held
from holdfast.names import repository, tag
from holdfast.placement.layout import Rules
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.removing import ReplicaRemover
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.node import Want
from syncworker.keeping.freeing import Freeing
from syncworker.linking import Linking
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore
from tests.fakes.mirrors import no_mirrors
from tests.fakes.several import Several
from tests.sync.peers import OCI, image
from tests.unit.meta.interleaving import every_interleaving
from tests.unit.meta.world import faults, keys_below, new_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.meta.store import Store

CACHE, OURS = repository("up/app"), repository("ours/app")
DATA = b"a layer of some image"
DIGEST = digests.of(DATA)
IMAGE = image(DATA, config=DATA)
MANIFEST = digests.of(IMAGE)
STEPS = {"stat_blobs", "list_blobs", "delete_blob", "put_blob", "finish_upload"}


class SteppedNode:
    """A node whose calls are steps of the actor that makes them."""

    def __init__(self, node: MemoryNode, pause: Callable[[], None]) -> None:
        self._node = node
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._node, name)
        if name not in STEPS:
            return method

        def step(*args: Any, **options: object) -> object:
            if args[0] != [Want(MANIFEST, len(IMAGE))] and args[0] != MANIFEST:
                self._pause()
            return method(*args, **options)

        return step


class Here:
    """An executor without threads: who steps is who acts."""

    def submit(self, work: Callable[..., object], *args: object) -> None:
        work(*args)


class Scene:
    """A cache holds a layer, on two nodes."""

    def __init__(self, stepped: int) -> None:
        self.stepped = stepped
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.new_id = new_ids()
        self.nodes = [MemoryNode("a"), MemoryNode("b")]
        self.repos = Repositories(self.store, self.new_id, self.clock)
        for node in self.nodes:
            node.put_blob(DIGEST, DATA)
        self.repos.add_link(CACHE, DIGEST, len(DATA), self.repos.fence(DIGEST), "upstream")
        self.held = Held(CACHE, DIGEST, len(DATA), self.clock.wall())
        self.turn = Turns(self.store, self.new_id, "w", keys.KEEP_TASK).take()
        self.outcome: Outcome | None = None
        self.marks: list[tuple[int, int]] = []
        self.acknowledged = False

    def parts(self, store: Any) -> Parts:
        return Parts(self, store)

    def evictor(self, store: Any) -> None:
        parts = self.parts(store)
        assert self.turn is not None
        self.outcome = Evictions(store, self.new_id).evict(self.held, self.turn)
        if self.outcome is Outcome.GONE:
            Freeing(parts.repos, ReplicaRemover(parts.directory, parts.writer.misplaced), self.clock).free(
                [DIGEST], lambda: True
            )

    def record(self) -> None:
        """The image of the layer is mirrored."""
        parsed = manifests.parse(IMAGE, OCI)
        new = NewManifest(MANIFEST, OCI, len(IMAGE), parsed.references, origin="upstream")
        self.repos.put_manifest(CACHE, new, [], self.repos.fence(MANIFEST), self.repos.removals(CACHE))

    def may_be_absent(self, fault: str) -> bool:
        """What a mirrored manifest references."""
        is_mirrored = MANIFEST in self.repos.manifests(CACHE, [MANIFEST]) and not self.acknowledged
        return is_mirrored and fault == f"{MANIFEST} references {DIGEST}, which is not linked"

    @property
    def copies(self) -> int:
        return sum(DIGEST in node.blobs for node in self.nodes)


class Parts:
    """What one actor works with."""

    def __init__(self, scene: Scene, store: Any) -> None:
        self.repos = Repositories(store, scene.new_id, scene.clock)
        stepped = [cast("Any", SteppedNode(node, store._role.pause)) for node in scene.nodes[: scene.stepped]]
        self.directory = Several(*stepped, *scene.nodes[scene.stepped :], rules=Rules(2, 1))
        self.directory.layout_revision = 0
        self.reader = ReplicaReader(self.directory, scene.clock)
        fan_out = FanOut(self.directory, cast("Any", Here()), scene.clock)
        self.writer = ReplicaWriter(
            self.directory, fan_out, lambda *mark: scene.marks.append(mark), self.reader.remember
        )
        self.mirroring = no_mirrors(self.repos)


def run(
    actor: Callable[[Scene, Any], object], at_least: int, stepped: int = 1, *, recorded: bool = False
) -> Iterator[Scene]:
    """The scene after each order of steps; in every one of them, what is linked has bytes."""
    scenes: list[Scene] = []

    def scene() -> tuple[Store, list[Any]]:
        made = Scene(stepped)
        if recorded:
            made.record()
        scenes.append(made)
        return made.store, [made.evictor, lambda store: actor(made, store)]

    for _, order in every_interleaving(scene):
        made, note = scenes[-1], f"order of steps: {order}"
        for repo in (CACHE, OURS):
            assert [fault for fault in faults(made.store, repo) if not made.may_be_absent(fault)] == [], note
        if keys_below(made.store, keys.holders_of(DIGEST)[0]):
            assert made.copies, f"linked, and no copy is left; {note}"
            assert made.copies == 2 or made.marks, f"short of a copy, and no repair will look; {note}"
        yield made
    assert len(scenes) >= at_least, f"only {len(scenes)} orders: the actors hardly met"


def test_a_mount_gets_the_blob_or_a_no_and_never_an_empty_link() -> None:
    def mount(scene: Scene, store: Any) -> None:
        parts = scene.parts(store)
        mounted = Blobs(parts.repos, parts.reader, parts.mirroring, Renewal(parts.repos, ManualClock(), 3600.0)).mount(
            OURS, CACHE, DIGEST, lambda _: True
        )
        scene.acknowledged = mounted is not None

    seen = set()
    for scene in run(mount, at_least=500, stepped=2):
        assert scene.acknowledged == (scene.repos.link(OURS, DIGEST) is not None)
        seen.add((scene.acknowledged, scene.outcome))
    assert seen == {(True, Outcome.GONE), (False, Outcome.GONE)}


def test_an_upload_of_the_same_blob_is_linked_with_its_bytes() -> None:
    def upload(scene: Scene, store: Any) -> None:
        parts = scene.parts(store)
        uploads = Uploads(parts.repos, parts.reader, parts.writer, lambda _local: None, parts.mirroring)
        uploads.put(OURS, DIGEST, DATA)
        scene.acknowledged = True

    for scene in run(upload, at_least=500):
        assert scene.acknowledged
        assert scene.repos.link(OURS, DIGEST) is not None


def test_a_worker_adopts_what_is_there_or_fetches_it_anew() -> None:
    def fetch(scene: Scene, store: Any) -> None:
        parts = scene.parts(store)
        linking = Linking(parts.repos, parts.reader, parts.writer, lambda _repository, _size: None)
        if not linking.adopt(OURS, Want(DIGEST, len(DATA))):
            fence = parts.repos.fence(DIGEST)
            linking.link([OURS], parts.writer.put(DIGEST, DATA, OURS), fence)

    for scene in run(fetch, at_least=500):
        assert scene.repos.link(OURS, DIGEST) is not None


@pytest.mark.parametrize("recorded", [False, True], ids=["new here", "mirrored before"])
def test_a_pushed_manifest_is_never_left_without_a_layer_that_it_names(recorded: bool) -> None:
    """Into the cache's own repository, where pushes are allowed: a client that was told "there" sends the manifest alone."""

    def push(scene: Scene, store: Any) -> None:
        parts = scene.parts(store)
        gateway = Manifests(
            parts.repos, parts.reader, parts.writer, ManifestCache(1 << 20), parts.mirroring, sparse=False
        )
        with contextlib.suppress(ReferencesMissingError):
            gateway.push(CACHE, IMAGE, OCI, None, [tag("v1")])
            scene.acknowledged = True

    seen = set()
    for scene in run(push, at_least=300, stepped=0, recorded=recorded):
        assert scene.acknowledged == (scene.repos.link(CACHE, DIGEST) is not None)
        seen.add((scene.acknowledged, scene.outcome))
    assert seen == {(True, Outcome.PUSHED), (False, Outcome.GONE)}


def test_a_pull_that_is_told_before_the_link_goes_keeps_it() -> None:
    def note(scene: Scene, store: Any) -> None:
        PullTimes(store).write({(CACHE, DIGEST): scene.held.last_pull_seconds + 1})
        scene.acknowledged = scene.store.get(keys.link(CACHE, DIGEST)) is not None

    seen = set()
    for scene in run(note, at_least=4):
        assert scene.acknowledged == (scene.repos.link(CACHE, DIGEST) is not None)
        seen.add(scene.outcome)
    assert seen == {Outcome.GONE, Outcome.PULLED}


def test_a_fetch_that_begins_before_the_link_goes_keeps_it() -> None:
    def begin(scene: Scene, store: Any) -> None:
        versions.announce(scene.store, WORKER, "v", "0.1.0", scene.store.grant_lease(60).lease_id, "v:1")
        fetches = Fetches(store, scene.new_id, "v")
        assert fetches.take(DIGEST, fetches.look(DIGEST)) is not None
        scene.acknowledged = scene.store.get(keys.link(CACHE, DIGEST)) is not None

    seen = set()
    for scene in run(begin, at_least=10):
        assert scene.acknowledged == (scene.repos.link(CACHE, DIGEST) is not None)
        seen.add(scene.outcome)
    assert seen == {Outcome.GONE, Outcome.FETCHED}


def test_a_reader_gets_the_whole_blob_or_is_told_that_it_is_gone() -> None:
    def read(scene: Scene, store: Any) -> None:
        parts = scene.parts(store)
        blobs = Blobs(parts.repos, parts.reader, parts.mirroring, Renewal(parts.repos, ManualClock(), 3600.0))
        try:
            body = b"".join(blobs.read(blobs.linked(CACHE, DIGEST), 0, None))
        except HoldfastError:
            return
        assert body == DATA
        scene.acknowledged = True

    assert {scene.acknowledged for scene in run(read, at_least=8)} == {True, False}
