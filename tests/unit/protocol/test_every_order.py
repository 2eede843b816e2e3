"""The protocol between writers and collectors (ARCHITECTURE 3b), with everybody paused anywhere for as long as it may be bad.

Three and more actors at once, and every state that they can reach together. When all are done nothing is linked that has no bytes,
no manifest stands without its links, and when everything was collected that can be, nothing is left that nothing needs. Then the
same with one fence switched off at a time: each has to be missed, or these scenes would prove nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storagenode.collecting import collector
from tests.unit.meta.world import OTHER, REPO, link, push
from tests.unit.protocol.exploring import every_end, replayed
from tests.unit.protocol.registry import A, M, Registry, manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.protocol.exploring import End

    Scene = Callable[[str], Registry]


@pytest.fixture(autouse=True)
def _only_the_first_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing in the others."""
    monkeypatch.setattr(collector, "PARTITIONS", 1)


def two_writers(without: str) -> Registry:
    """Of a blob that nobody links, when the collector has begun to look at it."""
    made = Registry(A, without=without)
    made.cast = [made.collecting(), made.writing(A), made.writing(A, OTHER)]
    return made


def writer_and_deleter(without: str) -> Registry:
    """One repository gets what another gives away."""
    made = Registry(A, without=without)
    link(made.repos, A, repo=OTHER)
    made.cast = [made.collecting(), made.writing(A), made.deleting_blob(A, OTHER)]
    return made


def mounter_and_deleter(without: str) -> Registry:
    made = Registry(A, without=without)
    link(made.repos, A, repo=OTHER)
    made.cast = [made.collecting(), made.mounting(A, OTHER), made.deleting_blob(A, OTHER)]
    return made


def pusher_and_deleter_of_a_layer(without: str) -> Registry:
    made = Registry(A, M, without=without)
    link(made.repos, A)
    # Linked with its size, so that a push of it counts nothing, and only the fence tells the deleter of it.
    made.repos.add_link(REPO, M, manifest().size_bytes, made.repos.fence(M))
    made.cast = [made.collecting(has_looked=True), made.pushing(manifest()), made.deleting_blob(A)]
    return made


def pusher_and_deleter_of_a_manifest(without: str) -> Registry:
    """Deleted and pushed again, and what was collected in between."""
    made = Registry(A, M, without=without)
    push(made.repos, manifest())
    made.cast = [made.collecting(), made.pushing(manifest()), made.deleting_manifest(M)]
    return made


def pusher_and_mounter(without: str) -> Registry:
    """Both rely on a link that has been loose for long enough to go."""
    made = Registry(A, without=without)
    link(made.repos, A)
    made.cast = [made.loosening(has_looked=True), made.pushing(manifest()), made.mounting(A, target=OTHER)]
    return made


def pusher_and_time(without: str) -> Registry:
    """A push from its first layer on; it may take longer than the grace, and then it may be refused."""
    made = Registry(A, without=without)
    made.cast = [made.loosening(), made.pushing(manifest(), with_layers=True), made.time_passes()]
    return made


def pusher_and_renewal(without: str) -> Registry:
    """A push asks for a layer that is there for long, with nothing that needs it."""
    made = Registry(A, without=without)
    link(made.repos, A)
    push_all = made.pushing(manifest(), with_layers=True)
    made.cast = [made.loosening(has_looked=True), push_all, made.mounting(A, target=OTHER)]
    return made


def two_nodes(without: str) -> Registry:
    """Each collects its own copies, and a mount is told "have it" by one of them."""
    made = Registry(A, nodes=2, without=without)
    link(made.repos, A, repo=OTHER)
    collectors = [made.collecting(number, has_looked=True) for number in range(2)]
    made.cast = [*collectors, made.mounting(A, OTHER), made.deleting_blob(A, OTHER)]
    return made


def everybody(without: str) -> Registry:
    """A collector, a writer, one who mounts and one who deletes: half a minute of computing, where three take a second."""
    made = Registry(A, without=without)
    link(made.repos, A, repo=OTHER)
    made.cast = [made.collecting(), made.writing(A), made.mounting(A, OTHER), made.deleting_blob(A, OTHER)]
    return made


SCENES = [
    two_writers,
    writer_and_deleter,
    mounter_and_deleter,
    pusher_and_deleter_of_a_layer,
    pusher_and_deleter_of_a_manifest,
    pusher_and_mounter,
    pusher_and_time,
    pusher_and_renewal,
    two_nodes,
]

# Fence by fence, where it is missed.
NEEDED = [
    ("sweep/", two_writers),
    ("stamp", two_writers),
    ("holder/", two_writers),
    ("removals/", pusher_and_deleter_of_a_layer),
    ("ref/", pusher_and_deleter_of_a_layer),
    ("link/", pusher_and_renewal),
    ("grace", pusher_and_time),
]


def counterexample(scene: Scene, without: str = "") -> tuple[list[str], End[Registry]] | int:
    """What is broken and where, or how many ends there were."""
    ends = 0
    for end in every_end(lambda: scene(without)):
        ends += 1
        broken = [repr(error) for error in end.errors] or end.world.broken()
        if broken:
            return broken, end
    return ends


def told(broken: list[str], end: End[Registry]) -> str:
    return f"{broken}, order of steps: {end.order}"


@pytest.mark.parametrize("scene", SCENES, ids=[scene.__name__ for scene in SCENES])
def test_nothing_is_lost_and_nothing_is_left(scene: Scene) -> None:
    found = counterexample(scene)
    assert isinstance(found, int), told(*found)
    assert found >= 20, f"only {found} ends: the actors hardly met"


@pytest.mark.parametrize(("without", "scene"), NEEDED, ids=[without.strip("/") for without, _ in NEEDED])
def test_each_fence_is_needed(without: str, scene: Scene) -> None:
    found = counterexample(scene, without)
    assert not isinstance(found, int), f"{found} ends, and nothing was broken without this fence"
    broken, end = found
    again = replayed(lambda: scene(without), end.order)
    assert again.world.broken() == broken


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_everybody_at_once() -> None:
    found = counterexample(everybody)
    assert isinstance(found, int), told(*found)
    print(f"\n{found} ends of {len(everybody('').cast)} actors, all of them sound")
