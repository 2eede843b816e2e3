"""What an eviction takes out of a repository, what it leaves, and under whose turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import ManifestUnknownError
from holdfast.manifest import Reference
from holdfast.meta import keys, versions
from holdfast.meta.evictions import Evictions, Outcome
from holdfast.meta.fetches import WORKER, Fetches
from holdfast.meta.holdings import Holdings
from holdfast.meta.pulls import PullTimes
from holdfast.meta.turns import Turns
from holdfast.mirrors.keeping import Held
from tests.unit.meta.world import OTHER, REPO, V1, blob, faults, image, index, keys_below, link, new_ids, push, world

A, B, M = blob("a"), blob("b"), blob("m")


class Kept:
    """A store, and a worker whose turn it is."""

    def __init__(self, store) -> None:
        self.store, self.repos = world(store)
        self.new_id = new_ids()
        self.turn = self.turns("w").take()
        self.clock = ManualClock()

    def turns(self, worker):
        return Turns(self.store, self.new_id, worker, keys.KEEP_TASK)

    def mirror(self, new, *tags, repo=REPO):
        """As from an upstream: what it references may be absent."""
        new = replace(new, origin="upstream")
        return self.repos.put_manifest(repo, new, tags, self.repos.fence(new.digest), self.repos.removals(repo))

    def fetched(self, *digests, repo=REPO):
        for digest in digests:
            self.repos.add_link(repo, digest, 10, self.repos.fence(digest), "upstream")

    def evict(self, digest, repo=REPO, last_pull=None):
        held = Held(repo, digest, 10, self.clock.wall() if last_pull is None else last_pull)
        return Evictions(self.store, self.new_id).evict(held, self.turn)

    def pulled(self, digest, seconds, repo=REPO):
        PullTimes(self.store).write({(repo, digest): seconds})


@pytest.fixture
def kept(store):
    return Kept(store)


def test_a_fetched_blob_goes_with_its_link_both_ways_and_its_pull_time(kept):
    kept.fetched(A)
    kept.pulled(A, 1.0)
    removals = kept.repos.removals(REPO)
    assert kept.evict(A) is Outcome.GONE
    assert kept.repos.link(REPO, A) is None
    assert kept.repos.holders(A, 1) == []
    assert keys_below(kept.store, b"pulled/") == []
    assert kept.repos.removals(REPO) != removals
    assert kept.evict(A) is Outcome.ABSENT


def test_a_mirrored_manifest_goes_with_its_tags_and_refs_although_an_index_names_it(kept):
    kept.mirror(image("m", A), V1)
    kept.mirror(index("i", M))
    assert kept.evict(M) is Outcome.GONE
    with pytest.raises(ManifestUnknownError):
        kept.repos.manifest_by_tag(REPO, V1)
    assert keys_below(kept.store, b"tag/") == keys_below(kept.store, f"ref/{REPO}//{A}//".encode()) == []
    assert kept.repos.manifest(REPO, blob("i")).references == (Reference(M, 10, is_manifest=True),)
    kept.mirror(image("m", A), V1)
    assert kept.repos.manifest_by_tag(REPO, V1).digest == M


def test_a_manifest_of_more_layers_than_a_transaction_takes_goes_whole(kept):
    kept.mirror(image("m", *(blob(f"layer {n}") for n in range(300))), V1)
    assert kept.evict(M) is Outcome.GONE
    assert [keys_below(kept.store, prefix) for prefix in (b"ref/", b"manifest/", b"link/", b"tag/")] == [[]] * 4


def test_what_was_pushed_stays(kept):
    link(kept.repos, A)
    push(kept.repos, image("m", A), V1)
    assert {kept.evict(A), kept.evict(M)} == {Outcome.PUSHED}
    assert faults(kept.store) == []


def test_what_came_from_upstream_and_a_pushed_manifest_names_stays(kept):
    """The client was told that the layer is there, and pushed the manifest alone."""
    kept.fetched(A, B)
    push_alone = image("m", A)
    kept.repos.put_manifest(REPO, push_alone, [], kept.repos.fence(M), kept.repos.removals(REPO))
    kept.mirror(image("n", A, B))
    assert kept.evict(A) is Outcome.PUSHED
    assert kept.evict(B) is Outcome.GONE
    assert faults(kept.store) == [f"{blob('n')} references {B}, which is not linked"]


@pytest.mark.parametrize("pushed", [False, True])
def test_a_layer_of_a_hundred_images_is_judged_by_all_of_them(kept, pushed):
    kept.fetched(A)
    for number in range(100):
        kept.mirror(image(f"image {number}", A))
    if pushed:
        new = image("image 57", A)
        kept.repos.put_manifest(REPO, new, [], kept.repos.fence(new.digest), kept.repos.removals(REPO))
    assert kept.evict(A) is (Outcome.PUSHED if pushed else Outcome.GONE)


def test_what_was_pulled_since_it_was_chosen_stays(kept):
    kept.fetched(A)
    chosen = kept.clock.wall()
    kept.pulled(A, chosen + 60)
    assert kept.evict(A, last_pull=chosen) is Outcome.PULLED
    assert kept.evict(A, last_pull=chosen + 60) is Outcome.GONE


def test_what_a_living_worker_fetches_stays_and_what_a_dead_one_left_does_not(kept):
    kept.fetched(A)
    fetches = Fetches(kept.store, kept.new_id, "v")
    fetches.take(A, fetches.look(A))
    lease = kept.store.grant_lease(60).lease_id
    versions.announce(kept.store, WORKER, "v", "0.1.0", lease, "v:1")
    assert kept.evict(A) is Outcome.FETCHED
    kept.store.revoke_lease(lease)
    assert kept.evict(A) is Outcome.GONE


def test_a_signature_is_as_recent_as_its_image(kept):
    """Clients ask for signatures by listing what refers to the image."""
    signature = image("s", A, subject=M)
    kept.mirror(image("m", B))
    kept.mirror(signature)
    old = kept.clock.wall()
    kept.pulled(M, old + 60)
    assert kept.evict(blob("s"), last_pull=old) is Outcome.NEEDED
    assert kept.evict(M, last_pull=old + 60) is Outcome.GONE
    assert kept.evict(blob("s"), last_pull=old) is Outcome.GONE
    assert kept.repos.referrers(REPO, M) == []


def test_other_repositories_keep_their_links(kept):
    kept.fetched(A)
    link(kept.repos, A, repo=OTHER)
    assert kept.evict(A) is Outcome.GONE
    assert kept.repos.holders(A, 10) == [OTHER]


def test_a_worker_whose_turn_is_over_takes_nothing(kept):
    kept.fetched(A)
    assert kept.turns("v").take() is not None  # nobody has a process key here, so "w" counts as dead
    assert kept.evict(A) is Outcome.LOST_TURN
    assert kept.repos.link(REPO, A) is not None


def test_a_turn_is_taken_from_the_dead_only_and_its_token_grows(kept):
    lease = kept.store.grant_lease(60).lease_id
    versions.announce(kept.store, WORKER, "w", "0.1.0", lease, "w:1")
    assert kept.turns("v").take() is None
    again = kept.turns("w").take()
    assert again.token > kept.turn.token
    kept.store.revoke_lease(lease)
    assert kept.turns("v").take().token > again.token


def test_all_that_is_held_is_read_with_when_it_was_pulled(kept):
    kept.fetched(A, B)
    kept.fetched(A, repo=OTHER)
    link(kept.repos, M)
    kept.pulled(A, 1.0)  # long before it came: the link tells more
    later = kept.clock.wall() + 60
    kept.pulled(B, later)
    holdings = Holdings(kept.store)
    held = {(one.repository, one.digest): one for one in holdings.held(lambda _name: True)}
    now = kept.clock.wall()
    assert held == {
        (REPO, A): Held(REPO, A, 10, now, links=2),
        (OTHER, A): Held(OTHER, A, 10, now, links=2),
        (REPO, B): Held(REPO, B, 10, later),
        (REPO, M): Held(REPO, M, 10, now, is_pushed=True),
    }
    assert {one.digest for one in holdings.held(lambda name: name == OTHER)} == {A}


def test_a_pull_time_without_a_link_is_removed_on_the_way(kept):
    kept.fetched(A)
    for digest in (A, *(blob(f"gone {n}") for n in range(150))):
        kept.pulled(digest, 1.0)
    list(Holdings(kept.store).held(lambda _name: True))
    assert keys_below(kept.store, b"pulled/") == [keys.pulled(A, REPO)]
