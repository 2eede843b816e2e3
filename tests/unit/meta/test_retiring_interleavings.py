"""Retention beside a push, in every order of their store calls: what was acknowledged stands, and nothing is left half."""

from __future__ import annotations

import pytest

from holdfast.meta.retiring import Retiring
from holdfast.meta.standing import Standing
from tests.unit.meta.interleaving import every_interleaving
from tests.unit.meta.test_interleavings import Scene
from tests.unit.meta.world import REPO, V1, blob, faults, image, index, push

A, M, S = blob("a"), blob("m"), blob("s")


class Kept(Scene):
    def read(self):
        """What a pass knows when it decides; the writers come after that."""
        self.facts = Standing(self.store).of(REPO)

    def takes_tags(self, store):
        Retiring(store, self.new_id).tags(self.facts, self.facts.tags)

    def takes(self, digest, *subjects):
        def actor(store):
            Retiring(store, self.new_id).manifest(self.facts, self.facts.manifests[digest], subjects)

        return actor


def test_a_tag_that_was_pushed_at_the_same_moment_is_there_afterwards():
    scenes = []

    def scene():
        made = Kept()
        push(made.repos, image("m", A), V1)
        made.read()
        scenes.append(made)
        return made.store, [made.takes_tags, made.pusher(image("m", A), V1)]

    for store, order in every_interleaving(scene):
        made = scenes[-1]
        assert made.acknowledged == [M], order
        assert made.repos.manifest_by_tag(REPO, V1).digest == M, order
        assert faults(store) == [], order


@pytest.mark.parametrize("new", [image("m", A), index("i", M)], ids=["tagged", "in an index"])
def test_a_manifest_that_is_named_at_the_same_moment_stays_or_the_push_is_told_before_it_is_acknowledged(new):
    scenes, taken = [], set()

    def scene():
        made = Kept()
        push(made.repos, image("m", A))
        made.read()
        scenes.append(made)
        return made.store, [made.takes(M), made.pusher(new, V1)]

    for store, order in every_interleaving(scene):
        made = scenes[-1]
        taken.add(M not in made.repos.manifests(REPO, [M]))
        if made.acknowledged:
            assert made.repos.manifest_by_tag(REPO, V1).digest == new.digest, order
            assert M in made.repos.manifests(REPO, [M]), order
        assert faults(store) == [], order
    # Pushed anew, it is there in any case; an index that came too late is refused.
    assert taken == ({False} if new.digest == M else {True, False})


def test_what_refers_to_a_subject_that_comes_at_the_same_moment_stays_or_went_before_it():
    scenes = []

    def scene():
        made = Kept()
        push(made.repos, image("s", A, subject=M))
        made.read()
        scenes.append(made)
        return made.store, [made.takes(S, M), made.pusher(image("m", A), V1)]

    for store, order in every_interleaving(scene):
        made = scenes[-1]
        assert made.acknowledged == [M], order
        assert (S in made.repos.manifests(REPO, [S])) == (S in made.repos.referrers(REPO, M)), order
        assert faults(store) == [], order


def test_two_passes_at_once_take_it_once():
    def scene():
        made = Kept()
        push(made.repos, index("i", A))
        push(made.repos, image("m", A), V1)
        made.read()
        return made.store, [made.takes(blob("i")), made.takes(blob("i"))]

    for store, order in every_interleaving(scene):
        assert faults(store) == [], order
        assert Standing(store).of(REPO).manifests.keys() == {M}, order
