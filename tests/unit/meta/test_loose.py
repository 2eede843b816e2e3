"""Links that nothing needs: found by one walk, and removed only if that is still so."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import RemovalsMovedError
from holdfast.meta import keys
from holdfast.meta.loose import LooseLinks
from holdfast.meta.pulls import PullTimes
from holdfast.meta.repos import Repositories
from holdfast.meta.store import Put
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.interleaving import every_interleaving
from tests.unit.meta.world import OTHER, REPO, V1, blob, faults, image, index, keys_below, link, new_ids, push, world

A, B, C, M = blob("a"), blob("b"), blob("c"), blob("m")


class Walked:
    def __init__(self, store) -> None:
        self.store, self.repos = world(store)
        self.links = self.looking()

    def looking(self, most=100):
        return LooseLinks(self.store, new_ids(), most)

    def found(self, repo=REPO, most=100):
        return [loose.digest for loose in self.looking(most).of(repo)]

    def one(self, digest, repo=REPO):
        return next(loose for loose in self.links.of(repo) if loose.digest == digest)


@pytest.fixture
def walked(store):
    return Walked(store)


def test_what_no_manifest_references_is_found_in_order(walked):
    link(walked.repos, A, B, C)
    push(walked.repos, image("m", A), V1)
    assert walked.found() == sorted([B, C], key=str)
    assert list(walked.links.repositories()) == [REPO]


def test_another_repositorys_manifest_needs_nothing_here(walked):
    push(walked.repos, image("m", A), repo=OTHER)
    link(walked.repos, A)
    assert walked.found() == [A]
    assert walked.found(OTHER) == []


def test_manifests_are_needed_for_themselves_and_so_are_an_indexs_children(walked):
    push(walked.repos, image("m", A))
    push(walked.repos, index("i", M))
    assert walked.found() == []


def test_what_a_deleted_manifest_leaves_is_found_even_where_its_refs_stayed(walked):
    push(walked.repos, image("m", A, B), V1)
    refs = keys_below(walked.store, b"ref/")
    walked.repos.delete_manifest(REPO, M)
    for key in refs:
        assert walked.store.txn([], [Put(key, b"")]).succeeded
    assert walked.found() == sorted([A, B], key=str)


@pytest.mark.parametrize("most", [0, 1])
def test_with_more_manifests_than_are_kept_too_little_is_found_and_never_too_much(walked, most):
    push(walked.repos, image("m", A), V1)
    push(walked.repos, image("n", B), V1)
    link(walked.repos, C)
    assert walked.found(most=most) == [C]


def test_a_link_goes_both_ways_and_with_its_pull_time(walked):
    link(walked.repos, A)
    PullTimes(walked.store).write({(REPO, A): 1.0})
    removals = walked.repos.removals(REPO)
    assert walked.links.remove([walked.one(A)])
    assert walked.repos.link(REPO, A) is None
    assert walked.repos.holders(A, 1) == []
    assert keys_below(walked.store, b"pulled/") == []
    assert walked.repos.removals(REPO) != removals
    assert not faults(walked.store)


def test_what_was_renewed_referenced_or_pushed_as_a_manifest_since_stays(walked):
    link(walked.repos, A, B, M)
    suspects = [walked.one(digest) for digest in (A, B, M)]
    link(walked.repos, A)
    push(walked.repos, image("other", B))
    push(walked.repos, image("m"))
    assert walked.links.remove(suspects) == []
    assert set(walked.repos.links(REPO, [A, B, M])) == {A, B, M}


def test_many_go_together_and_those_that_stay_hold_up_none_of_the_others(walked):
    many = [blob(f"one of many {number}") for number in range(80)]
    push(walked.repos, image("n", B), V1)
    link(walked.repos, *many)
    suspects = list(walked.links.of(REPO))
    link(walked.repos, many[0], many[40])
    push(walked.repos, image("m", many[7]))
    gone = {loose.digest for loose in walked.links.remove(suspects)}
    stay = {many[0], many[40], many[7]}
    assert gone == set(many) - stay
    assert set(walked.repos.links(REPO, many)) == stay
    assert not faults(walked.store)


def test_what_a_dead_manifest_still_refers_to_goes_with_the_others(walked):
    push(walked.repos, image("m", A, B), V1)
    refs = keys_below(walked.store, b"ref/")
    walked.repos.delete_manifest(REPO, M)
    for key in refs:
        assert walked.store.txn([], [Put(key, b"")]).succeeded
    link(walked.repos, C)
    suspects = list(walked.links.of(REPO))
    assert [loose.digest for loose in walked.links.remove(suspects)] == sorted([A, B, C], key=str)
    assert keys_below(walked.store, b"link/") == []
    assert keys_below(walked.store, b"usage/") == []


def test_what_waits_for_its_first_manifest_is_told_from_what_one_has_left(walked):
    push(walked.repos, image("m", A), V1)
    walked.repos.delete_manifest(REPO, M)
    link(walked.repos, B)
    assert not walked.one(A).is_awaited
    assert walked.one(B).is_awaited


def test_what_waits_for_its_first_manifest_does_so_when_another_push_is_given_up(walked):
    link(walked.repos, A, B)
    assert walked.links.remove([walked.one(A)])
    assert walked.one(B).is_awaited
    push(walked.repos, image("m", B), V1)
    walked.repos.delete_manifest(REPO, M)
    link(walked.repos, A)
    assert walked.links.remove([walked.one(A)])
    assert not walked.one(B).is_awaited


def test_nothing_that_is_gone_is_removed_again(walked):
    link(walked.repos, A)
    suspect = walked.one(A)
    assert walked.links.remove([suspect])
    assert not walked.links.remove([suspect])


def test_in_no_order_of_steps_does_a_manifest_lose_what_it_references():
    """A push whose blob has been linked for a while, and a collector that suspects it."""
    outcomes = set()

    def scene():
        store = MemoryStore(ManualClock())
        repos = Repositories(store, new_ids(), ManualClock())
        link(repos, A)
        suspect = next(LooseLinks(store, new_ids()).of(REPO))

        def pusher(stepped):
            repos = Repositories(stepped, new_ids(), ManualClock())
            new = image("m", A)
            while True:
                fence, removals = repos.fence(M), repos.removals(REPO)
                if A not in repos.links(REPO, [A]):
                    return
                try:
                    repos.put_manifest(REPO, new, [V1], fence, removals)
                except RemovalsMovedError:
                    continue
                return

        return store, [pusher, lambda stepped: LooseLinks(stepped, new_ids()).remove([suspect])]

    for store, order in every_interleaving(scene):
        assert not faults(store), order
        outcomes.add((store.get(keys.link(REPO, A)) is not None, store.get(keys.manifest(REPO, M)) is not None))
    assert outcomes == {(True, True), (False, False)}
