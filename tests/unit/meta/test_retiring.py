"""What retention takes: as it was when that was decided, or not at all."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.meta import keys
from holdfast.meta.pulls import PullsSince, PullTimes
from holdfast.meta.retiring import Retiring
from holdfast.meta.standing import Standing
from holdfast.names import tag
from tests.fakes.faulty_store import FaultyStore
from tests.unit.meta.world import (
    OTHER,
    REPO,
    V1,
    V2,
    blob,
    faults,
    image,
    index,
    keys_below,
    link,
    new_ids,
    push,
    world,
)

A, B, M, N = blob("a"), blob("b"), blob("m"), blob("n")


class Kept:
    """A repository, what was read of it, and what may be taken from it then."""

    def __init__(self, store):
        self.store, self.repos = world(FaultyStore(store))
        self.retiring = Retiring(self.store, new_ids())

    def facts(self):
        found = Standing(self.store).of(REPO)
        assert found is not None
        return found

    def take_tags(self, facts):
        return self.retiring.tags(facts, facts.tags)

    def take(self, facts, digest=M, subjects=()):
        return self.retiring.manifest(facts, facts.manifests[digest], subjects)

    def pull(self, digest=M):
        PullTimes(self.store).write({(REPO, digest): 1.0})


@pytest.fixture
def kept(store):
    return Kept(store)


def test_a_tag_goes_and_its_manifest_stays(kept):
    push(kept.repos, image("m", A), V1, V2)
    assert kept.take_tags(kept.facts()) == [V1, V2]
    assert kept.repos.tags(REPO, "", 10) == ([], False)
    assert kept.repos.manifest(REPO, M).digest == M


def test_a_tag_that_was_pushed_again_stays_and_the_others_go(kept):
    push(kept.repos, image("m", A), V1, V2)
    facts = kept.facts()
    push(kept.repos, image("n", A), V2)
    assert kept.take_tags(facts) == [V1]
    assert kept.repos.manifest_by_tag(REPO, V2).digest == N


def test_a_tag_that_was_pushed_again_with_the_same_manifest_stays(kept):
    push(kept.repos, image("m", A), V1)
    facts = kept.facts()
    push(kept.repos, image("m", A), V1)
    assert kept.take_tags(facts) == []


def test_what_was_pulled_since_stays(kept):
    push(kept.repos, image("m", A), V1)
    facts = kept.facts()
    kept.pull()
    assert kept.take_tags(facts) == []
    assert not kept.take(facts)
    assert kept.facts().pulled(M).seconds == 1.0


def test_a_tag_whose_deletion_got_no_answer_is_gone_all_the_same(kept):
    push(kept.repos, image("m", A), V1)
    facts = kept.facts()
    kept.store.fail_txn(1, "after")
    assert kept.take_tags(facts) == [V1]


def test_a_manifest_goes_with_its_link_its_refs_and_its_pull_time(kept):
    push(kept.repos, image("m", A))
    push(kept.repos, image("n", A))
    kept.pull()
    assert kept.take(kept.facts())
    assert kept.repos.links(REPO, [M, N]).keys() == {N}
    assert keys_below(kept.store, b"pulled/") == []
    assert [keys.last_digest_in(key) for key in keys_below(kept.store, b"ref/")] == [N]
    assert faults(kept.store) == []


def test_a_manifest_that_a_client_deletes_goes_with_its_pull_time(kept):
    push(kept.repos, image("m", A))
    kept.pull()
    kept.repos.delete_manifest(REPO, M)
    assert keys_below(kept.store, b"pulled/") == []


def test_a_manifest_with_more_refs_than_a_transaction_goes_with_all_of_them(kept):
    push(kept.repos, image("m", *(blob(f"layer {number}") for number in range(200))))
    assert kept.take(kept.facts())
    assert keys_below(kept.store, b"ref/") == []


def test_the_repository_goes_with_its_last_link(kept):
    push(kept.repos, image("m"))
    assert kept.take(kept.facts())
    assert not kept.repos.exists(REPO)


@pytest.mark.parametrize("tags", [(), (V1,)])
def test_a_manifest_that_was_pushed_or_tagged_since_stays(kept, tags):
    push(kept.repos, image("m", A))
    facts = kept.facts()
    push(kept.repos, image("m", A), *tags)
    assert not kept.take(facts)
    assert kept.repos.manifest(REPO, M).digest == M


def test_a_manifest_whose_link_was_renewed_since_stays(kept):
    push(kept.repos, image("m", A))
    facts = kept.facts()
    link(kept.repos, M)
    assert not kept.take(facts)


def test_a_manifest_that_was_deleted_and_pushed_again_stays(kept):
    push(kept.repos, image("m", A))
    facts = kept.facts()
    kept.repos.delete_manifest(REPO, M)
    assert not kept.take(facts)
    push(kept.repos, image("m", A))
    assert not kept.take(facts)


def test_a_manifest_that_an_index_references_by_now_stays(kept):
    push(kept.repos, image("m", A))
    facts = kept.facts()
    push(kept.repos, index("i", M))
    assert not kept.take(facts)


def test_what_refers_to_something_that_is_there_again_stays(kept):
    push(kept.repos, image("n", B, subject=M))
    push(kept.repos, image("cosign", B), V1)
    facts = kept.facts()
    push(kept.repos, image("m", A))
    assert not kept.take(facts, N, [M])
    assert not kept.retiring.tag(facts, facts.tags[0], [M])
    kept.repos.delete_manifest(REPO, M)
    assert kept.take(facts, N, [M])
    assert kept.retiring.tag(facts, facts.tags[0], [M])


def test_pushes_beside_it_do_not_keep_a_manifest(kept):
    push(kept.repos, image("m", A))
    facts = kept.facts()
    kept.store.before_txn(lambda: push(kept.repos, image("n", B)))
    assert kept.take(facts)
    assert faults(kept.store) == []


def test_a_push_that_checked_its_references_before_a_manifest_went_is_told(kept):
    push(kept.repos, image("m", A))
    before = kept.repos.removals(REPO)
    assert kept.take(kept.facts())
    assert kept.repos.removals(REPO) != before


def test_tags_of_a_deleted_manifest_are_dead_and_those_that_are_new_are_not(kept):
    push(kept.repos, image("m", A), V1)
    record = kept.repos.manifest(REPO, M)
    kept.store.fail_txn(2, "down")  # the record goes, its tag is not cleaned
    kept.repos.delete_manifest(REPO, M)
    push(kept.repos, image("m", A), V2)
    facts = kept.facts()
    assert record.incarnation != kept.repos.manifest(REPO, M).incarnation
    assert [fact.tag for fact in facts.tags] == [V2]
    [(dead, revision)] = facts.dead_tags
    assert dead == V1
    kept.retiring.dead_tag(REPO, dead, revision - 1)
    assert len(keys_below(kept.store, b"tag/")) == 2
    kept.retiring.dead_tag(REPO, dead, revision)
    assert len(keys_below(kept.store, b"tag/")) == 1


def test_facts_say_what_is_there(kept):
    push(kept.repos, image("m", A, B), V1)
    push(kept.repos, index("i", M), tag("multi"))
    push(kept.repos, image("s", A, subject=M))
    push(kept.repos, image("elsewhere", A), V1, repo=OTHER)
    facts = kept.facts()
    assert {fact.tag: fact.digest for fact in facts.tags} == {"v1": M, "multi": blob("i")}
    assert facts.manifests.keys() == {M, blob("i"), blob("s")}
    assert (facts.manifests[blob("i")].children, facts.manifests[blob("i")].is_index) == ((M,), True)
    assert (facts.manifests[M].children, facts.manifests[M].is_index) == ((), False)
    assert facts.manifests[blob("s")].subject == M
    assert facts.size_of(blob("i")) == 100 + 100 + 20
    assert facts.manifests[M].pushed_seconds == ManualClock().wall()
    assert facts.pulls_since_seconds is None


def test_a_tag_that_comes_while_the_repository_is_read_is_not_taken_with_its_manifest(kept):
    """Manifests are read before tags: the other way round, this tag would be missed."""
    push(kept.repos, image("m", A))
    seen = []

    class Between:
        """Tags the manifest when the first tag is asked for."""

        def __getattr__(self, name):
            return getattr(kept.store, name)

        def range(self, start, *rest, **options):
            if start.startswith(b"tag/") and not seen:
                seen.append(push(kept.repos, image("m", A), V1))
            return kept.store.range(start, *rest, **options)

    facts = Standing(Between()).of(REPO)
    assert seen
    assert not kept.take(facts)
    assert kept.repos.manifest_by_tag(REPO, V1).digest == M


def test_a_repository_with_too_much_in_it_is_not_read(kept):
    push(kept.repos, image("m", A), V1)
    push(kept.repos, image("n", A), V2)
    assert Standing(kept.store, most=1).of(REPO) is None
    assert Standing(kept.store, most=2).of(REPO) is not None


def test_pulls_are_counted_since_somebody_began_to_and_until_nobody_asks(kept):
    push(kept.repos, image("m", A))
    since = PullsSince(kept.store)
    since.begin(REPO, 5.0)
    since.begin(REPO, 7.0)
    assert kept.facts().pulls_since_seconds == 5.0
    since.tidy(lambda _: True)
    assert since.of(REPO) == 5.0
    since.tidy(lambda _: False)
    assert since.of(REPO) is None


def test_a_repository_that_is_gone_is_forgotten(kept):
    push(kept.repos, image("m"))
    since = PullsSince(kept.store)
    since.begin(REPO, 5.0)
    kept.repos.delete_manifest(REPO, M)
    since.tidy(lambda _: True)
    assert since.of(REPO) is None
