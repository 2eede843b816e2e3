"""Two actors at once, in every order of their store calls: what ARCHITECTURE 3b promises holds after each.

The storage nodes are a set of digests here. A collector deletes from it what ``begin_sweep`` gave it, unless a writer has been
told "have it" since (the stamp); a writer asks it, and puts bytes into it, under a fence, as gateways do.
"""

from __future__ import annotations

import contextlib
import dataclasses

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import (
    BlobUnknownError,
    MissingError,
    RemovalsMovedError,
    RepositoryUnknownError,
    StillReferencedError,
    SweepMovedError,
)
from holdfast.manifest import Reference
from holdfast.meta import keys
from holdfast.meta.repos import Repositories
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.interleaving import every_interleaving
from tests.unit.meta.world import OTHER, REPO, V1, V2, blob, faults, image, index, keys_below, link, new_ids, push

A, B, M = blob("a"), blob("b"), blob("m")


class Nodes:
    """Copies with stamps: every "have it" and every write changes the stamp."""

    def __init__(self, *digests):
        self.stamps = dict.fromkeys(digests, 0)

    def has(self, digest):
        if digest in self.stamps:
            self.stamps[digest] += 1
        return digest in self.stamps

    def write(self, digest):
        self.stamps[digest] = self.stamps.get(digest, 0) + 1

    def delete(self, digest, stamp):
        if self.stamps.get(digest) == stamp:
            del self.stamps[digest]


class Scene:
    """A fresh world each time; actors get repositories of their own over their stepped stores."""

    def __init__(self, *copies):
        self.nodes = Nodes(*copies)
        self.store = MemoryStore(ManualClock())
        self.new_id = new_ids()
        self.repos = self.over(self.store)
        self.acknowledged = []

    def over(self, store):
        return Repositories(store, self.new_id, ManualClock())

    def pusher(self, new, *tags):
        """A gateway's manifest PUT: check references and bytes, then commit; begin again when told to."""

        def actor(store):
            repos = self.over(store)
            while True:
                fence, removals = repos.fence(new.digest), repos.removals(REPO)
                needed = {reference.digest for reference in new.references if not reference.may_be_absent}
                if set(repos.links(REPO, needed)) != needed:
                    return  # 400: the client pushes what is missing
                self.nodes.write(new.digest)
                try:
                    repos.put_manifest(REPO, new, tags, fence, removals)
                except (SweepMovedError, RemovalsMovedError):
                    continue
                self.acknowledged.append(new.digest)
                return

        return actor

    def deleter(self, delete):
        def actor(store):
            with contextlib.suppress(StillReferencedError, MissingError):
                delete(self.over(store))
                self.acknowledged.append("deleted")

        return actor

    def linker(self, digest):
        """A gateway whose client asks whether it has the blob, or pushes it."""

        def actor(store):
            repos = self.over(store)
            while True:
                fence = repos.fence(digest)
                if not self.nodes.has(digest):
                    self.nodes.write(digest)
                try:
                    repos.add_link(REPO, digest, 10, fence)
                except SweepMovedError:
                    continue
                self.acknowledged.append(digest)
                return

        return actor

    def mounter(self, source, digest):
        def actor(store):
            repos = self.over(store)
            with contextlib.suppress(BlobUnknownError, RepositoryUnknownError):
                while True:
                    fence = repos.fence(digest)
                    if not self.nodes.has(digest):
                        return
                    try:
                        repos.mount(source, REPO, digest, fence)
                    except SweepMovedError:
                        continue
                    self.acknowledged.append(digest)
                    return

        return actor

    def collector(self, digest):
        def actor(store):
            store.get(b"the inventory is read at any time")
            stamp = self.nodes.stamps.get(digest)
            for free in self.over(store).begin_sweep([digest]):
                store.get(b"the deletes arrive later")
                self.nodes.delete(free, stamp)

        return actor


def run(build, check, at_least):
    """``build`` makes (scene, actors); ``check`` is given the scene after each order."""
    scenes = []

    def scene():
        made, actors = build()
        scenes.append(made)
        return made.store, actors

    for store, order in every_interleaving(scene):
        note = f"order of steps: {order}"
        assert faults(store) == [], note
        assert faults(store, OTHER) == [], note
        linked_without_bytes = [
            key for key in keys_below(store, b"link/") if keys.last_digest_in(key) not in scenes[-1].nodes.stamps
        ]
        assert linked_without_bytes == [], note
        check(scenes[-1])
    assert len(scenes) >= at_least, f"only {len(scenes)} orders: the actors hardly met"


def test_the_director_tries_every_order():
    store = MemoryStore(ManualClock())
    seen = []

    def actor(name):
        def play(store):
            for _ in range(2):
                store.get(b"key")
                seen.append(name)

        return play

    orders = set()
    for _ in every_interleaving(lambda: (store, [actor("a"), actor("b")])):
        orders.add("".join(seen))
        seen.clear()
    assert orders == {"aabb", "abab", "abba", "baab", "baba", "bbaa"}


def test_pushing_an_index_against_deleting_its_child():
    def build():
        scene = Scene(M)
        push(scene.repos, image("m"))
        delete = scene.deleter(lambda repos: repos.delete_manifest(REPO, M))
        return scene, [scene.pusher(index("parent", M), V1), delete]

    def check(scene):
        # One of the two has won, never both, never neither.
        assert len(scene.acknowledged) == 1

    run(build, check, at_least=50)


@pytest.mark.parametrize("urls", [0, 150], ids=["refs inside", "refs before"])
def test_pushing_a_manifest_against_deleting_its_blob(urls):
    # Layers that may be absent need no link, but refs like any other.
    references = [Reference(A, 10), *(Reference(blob(f"layer {n}"), 10, may_be_absent=True) for n in range(urls))]
    new = dataclasses.replace(image("m"), references=tuple(references))

    def build():
        scene = Scene(A)
        link(scene.repos, A)
        return scene, [scene.pusher(new, V1), scene.deleter(lambda repos: repos.delete_blob(REPO, A))]

    def check(scene):
        assert len(scene.acknowledged) == 1

    run(build, check, at_least=50)


def test_pushing_a_manifest_against_deleting_its_digest_as_a_blob():
    def build():
        scene = Scene(M)
        link(scene.repos, M)
        return scene, [scene.pusher(image("m"), V1), scene.deleter(lambda repos: repos.delete_blob(REPO, M))]

    run(build, lambda scene: scene.repos.manifest_by_tag(REPO, V1), at_least=50)


def test_linking_against_a_sweep():
    def build():
        scene = Scene(A)
        return scene, [scene.linker(A), scene.collector(A)]

    run(build, lambda scene: scene.acknowledged.index(A), at_least=30)


def test_mounting_against_deleting_the_source_and_sweeping():
    def build():
        scene = Scene(A)
        link(scene.repos, A, repo=OTHER)

        def delete_and_sweep(store):
            scene.over(store).delete_blob(OTHER, A)
            scene.collector(A)(store)

        return scene, [scene.mounter(OTHER, A), delete_and_sweep]

    run(build, lambda scene: None, at_least=50)


def test_pushing_a_manifest_against_a_sweep_of_it():
    def build():
        scene = Scene(M, A)
        link(scene.repos, A)
        return scene, [scene.pusher(image("m", A), V1), scene.collector(M)]

    run(build, lambda scene: scene.acknowledged.index(M), at_least=30)


def test_pushing_a_manifest_again_against_deleting_it():
    def build():
        scene = Scene(M, A)
        push(scene.repos, image("m", A), V1)
        return scene, [
            scene.pusher(image("m", A), V2),
            scene.deleter(lambda repos: repos.delete_manifest(REPO, M)),
        ]

    def check(scene):
        tags, _ = scene.repos.tags(REPO, "", 10)
        assert set(scene.acknowledged) == {M, "deleted"}
        # Deleted last: nothing. Pushed last: the new tag alone. Both tags would be a manifest that was never deleted.
        assert tags in ([], [V2])

    run(build, check, at_least=50)


def test_two_pushes_of_one_manifest_keep_both_tags():
    def build():
        scene = Scene(M, A)
        link(scene.repos, A)
        return scene, [scene.pusher(image("m", A), V1), scene.pusher(image("m", A), V2)]

    def check(scene):
        assert scene.repos.tags(REPO, "", 10)[0] == [V1, V2]

    run(build, check, at_least=50)


def test_two_deletions_of_one_manifest():
    def build():
        scene = Scene(M, A)
        push(scene.repos, image("m", A), V1)
        delete = scene.deleter(lambda repos: repos.delete_manifest(REPO, M))
        return scene, [delete, delete]

    def check(scene):
        assert 1 <= len(scene.acknowledged) <= 2
        assert keys_below(scene.store, b"tag/") == keys_below(scene.store, b"ref/") == []

    run(build, check, at_least=50)


def test_reading_a_tag_while_it_moves_and_its_old_manifest_goes():
    read = []

    def build():
        scene = Scene(M, B)
        push(scene.repos, image("m"), V1)

        def move(store):
            repos = scene.over(store)
            push(repos, image("n"), V1)
            repos.delete_manifest(REPO, M)

        def reader(store):
            read.append(scene.over(store).manifest_by_tag(REPO, V1).digest)

        scene.nodes.write(blob("n"))
        return scene, [move, reader]

    run(build, lambda scene: None, at_least=50)
    assert set(read) == {M, blob("n")}


def test_what_is_pushed_while_a_cache_renews_its_link_counts_as_pushed():
    def build():
        scene = Scene(A)
        scene.repos.add_link(REPO, A, 10, scene.repos.fence(A), "upstream")

        def renewed(store):
            repos = scene.over(store)
            repos.add_link(REPO, A, 10, repos.fence(A), "upstream")

        return scene, [scene.linker(A), renewed]

    def check(scene):
        assert scene.repos.link(REPO, A).origin == "pushed"

    run(build, check, at_least=20)


def test_a_question_about_a_blob_does_not_bring_back_a_link_that_is_deleted():
    def build():
        scene = Scene(A)
        link(scene.repos, A)

        def asked(store):
            repos = scene.over(store)
            repos.renew_link(REPO, A, repos.fence(A))

        return scene, [asked, scene.deleter(lambda repos: repos.delete_blob(REPO, A))]

    def check(scene):
        assert scene.acknowledged == ["deleted"]
        assert scene.repos.link(REPO, A) is None

    run(build, check, at_least=20)
