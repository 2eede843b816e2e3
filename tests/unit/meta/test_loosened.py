"""Words of links that were taken for a reason: they come with the link's end, and go after a while."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.meta import keys
from holdfast.meta.loose import LooseLinks
from holdfast.meta.loosened import KEEP_SECONDS, Explained, Words
from holdfast.meta.retiring import Retiring
from holdfast.meta.standing import Standing
from holdfast.meta.store import Delete
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import REPO, V1, blob, image, keys_below, link, new_ids, push, world

A, B = blob("a"), blob("b")


class Written:
    def __init__(self):
        self.clock = ManualClock()
        self.store, self.repos = world(MemoryStore(self.clock))
        self.words = Words(self.store, self.clock)
        self.links = LooseLinks(self.store, new_ids(), explain=self.words.ops)

    def write(self, *digests):
        self.store.txn([], [op for digest in digests for op in self.words.ops(digest)])

    @property
    def known(self):
        return {keys.loosened_in(key) for key in keys_below(self.store, b"loosened/")}

    def loosen(self):
        suspects = list(self.links.of(REPO))
        assert self.links.remove(suspects) == suspects


def test_what_a_removed_manifest_left_behind_is_explained():
    made = Written()
    push(made.repos, image("m", A, B), V1)
    made.repos.delete_manifest(REPO, blob("m"))
    made.loosen()
    assert made.known == {A, B, blob("m")}


def test_a_blob_that_somebody_deletes_is_explained():
    made = Written()
    link(made.repos, A)
    made.repos.delete_blob(REPO, A)
    assert made.known == {A}


def test_what_a_lost_manifest_left_behind_is_not():
    made = Written()
    push(made.repos, image("m", A, B), V1)
    made.store.txn([], [Delete(keys.manifest(REPO, blob("m")))])
    made.loosen()
    assert not {A, B} & made.known
    assert not made.repos.links(REPO, [A, B])


def test_what_no_manifest_came_for_is_explained():
    made = Written()
    link(made.repos, A)
    made.loosen()
    assert made.known == {A}


def test_a_manifest_that_retention_takes_is_explained():
    made = Written()
    push(made.repos, image("m", A))
    facts = Standing(made.store).of(REPO)
    assert Retiring(made.store, new_ids(), made.words.ops).manifest(facts, facts.manifests[blob("m")], ())
    assert made.known == {blob("m")}


@pytest.mark.parametrize("seconds", [KEEP_SECONDS + 1, -KEEP_SECONDS - 1])
def test_words_are_forgotten_after_a_while_and_also_those_from_the_future(seconds):
    made = Written()
    digests = [blob(f"{number}") for number in range(300)]
    for first in range(0, 300, 100):
        made.write(*digests[first : first + 100])
    made.clock.advance(seconds)
    made.write(A)
    made.words.tidy(lambda: True)
    assert made.known == {A}


def test_words_that_are_younger_stay():
    made = Written()
    made.write(A)
    made.clock.advance(KEEP_SECONDS)
    made.words.tidy(lambda: True)
    assert made.known == {A}


def test_words_come_in_the_order_of_copies():
    made = Written()
    digests = [blob(f"{number}") for number in range(100)]
    made.write(*digests)
    explained = Explained(made.store)
    found = [digest for partition in range(4096) for digest in explained.in_partition(partition)]
    assert found == sorted(digests, key=lambda digest: (digest.partition, str(digest)))
