"""Reports of scrubs, what is lost, and whom that touches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import CorruptError
from holdfast.manifest import Reference
from holdfast.meta import keys, scrubs
from holdfast.meta.dangling import Dangling, dangling
from holdfast.meta.lost import Lost, LostBook
from holdfast.meta.scrubs import Finding, Report, Round, Scrubs, State
from holdfast.meta.store import Delete
from holdfast.meta.touched import touched
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import OTHER, REPO, V1, V2, blob, image, index, link, new_ids, push, world

A, B, C = blob("a"), blob("b"), blob("c")
FINDINGS = tuple(Finding(blob(state.name), f"fault {state.name}", state) for state in State)
REPORT = Report(
    7, Round(1.5, 0.0, 100, 5, 50, 1, 2, 3, FINDINGS[:1]), Round(1.0, 2.0, 4096, 9, 90, 4, 5, 6, FINDINGS), 8
)


def test_a_report_comes_back_as_it_was_written():
    book = Scrubs(MemoryStore(ManualClock()), new_ids())
    assert book.reports() == {}
    book.publish("n1", REPORT)
    book.publish("n2", Report())
    assert book.reports() == {"n1": REPORT, "n2": Report()}
    assert scrubs.from_json(scrubs.as_json(REPORT)) == REPORT


def test_a_report_of_a_newer_version_is_read_as_far_as_it_is_known():
    assert scrubs.from_json({**scrubs.as_json(REPORT), "soundOfTheDisk": "rattling"}) == REPORT


def test_a_report_that_makes_no_sense_is_refused():
    for written in ({"last": {"findings": [{"digest": "no digest"}]}}, {"last": 5}):
        with pytest.raises(CorruptError):
            scrubs.from_json(written)


def test_each_wish_is_a_later_one_and_only_that_node_s():
    book = Scrubs(MemoryStore(ManualClock()), new_ids())
    assert book.asked("n1") == 0
    first = book.ask("n1")
    second = book.ask("n1")
    assert second > first
    assert (book.asked("n1"), book.asked("n2")) == (second, 0)


def test_what_is_lost_is_known_until_it_is_struck_out():
    book = LostBook(MemoryStore(ManualClock()), new_ids())
    for digest in (A, B):
        book.add(Lost(digest, "it is empty", 3.0))
    book.add(Lost(A, "the bytes have another digest", 4.0))
    assert {one.digest: (one.fault, one.found_seconds) for one in book.all()} == {
        A: ("the bytes have another digest", 4.0),
        B: ("it is empty", 3.0),
    }
    book.remove(A)
    book.remove(C)
    assert [one.digest for one in book.all()] == [B]


def test_linked_digests_come_once_each_and_by_partition():
    store, repos = world()
    link(repos, A, B)
    link(repos, A, repo=OTHER)
    book = LostBook(store, new_ids())
    assert [digest for partition in (A.partition, B.partition) for digest in book.linked(partition)] == [A, B]


def test_a_link_that_was_renewed_does_not_stand_as_it_stood():
    store, repos = world()
    book = LostBook(store, new_ids())
    assert book.standing(A) == frozenset()
    link(repos, A)
    stood = book.standing(A)
    assert not stood.isdisjoint(book.standing(A))
    link(repos, A)
    assert stood.isdisjoint(book.standing(A))


def test_a_loss_touches_every_image_that_leads_to_it_however_far_up():
    store, repos = world()
    one, two = push(repos, image("one", A, B), V1).digest, push(repos, image("two", B)).digest
    both = push(repos, index("both", one, two), V2).digest
    push(repos, image("elsewhere", A), V1, repo=OTHER)
    found = touched(store, repos, [A, B])
    assert [(one.repository, one.digest, set(one.manifests), one.tags) for one in found] == [
        *(
            (REPO, digest, above, tags)
            for digest, above, tags in sorted([(A, {one, both}, (V1, V2)), (B, {one, two, both}, (V1, V2))])
        ),
        (OTHER, A, {blob("elsewhere")}, (V1,)),
    ]


def test_a_lost_manifest_touches_itself_and_its_tags():
    store, repos = world()
    lost = push(repos, image("one", A), V1).digest
    (found,) = touched(store, repos, [lost])
    assert (found.manifests, found.tags, found.is_mirrored) == ((lost,), (V1,), False)


def test_a_tag_of_a_deleted_manifest_is_nobody_s_image():
    store, repos = world()
    push(repos, image("one", A), V1)
    stale = store.get(keys.tag(REPO, V1)).value
    repos.delete_manifest(REPO, blob("one"))
    push(repos, image("one", A), V2)
    store.txn([], [scrubs.Put(keys.tag(REPO, V1), stale)])
    (found,) = touched(store, repos, [A])
    assert found.tags == (V2,)


def test_what_no_manifest_names_is_told_by_its_repository_alone():
    store, repos = world()
    link(repos, A)
    (found,) = touched(store, repos, [A])
    assert (found.repository, found.manifests, found.tags, found.is_mirrored) == (REPO, (), (), False)
    assert touched(store, repos, [digests.of(b"nobody's")]) == []


def test_a_manifest_whose_layer_is_not_linked_dangles():
    store, repos = world()
    push(repos, image("one", A, B), V1)
    push(repos, image("two", C), V2)
    assert list(dangling(store)) == []
    store.txn([], [Delete(keys.link(REPO, B))])
    assert list(dangling(store)) == [Dangling(REPO, blob("one"), B)]


def test_what_may_be_absent_or_comes_from_an_upstream_does_not_dangle():
    store, repos = world()
    push(repos, replace(image("mirrored", A), origin="upstream"), V1)
    foreign = (Reference(B, 10, may_be_absent=True),)
    push(repos, replace(image("foreign"), references=foreign), V2)
    store.txn([], [Delete(keys.link(REPO, digest)) for digest in (A, B)])
    assert list(dangling(store)) == []


def test_a_ref_that_a_deleted_manifest_left_is_no_finding():
    store, repos = world()
    push(repos, image("one", A), V1)
    store.txn([], [Delete(keys.link(REPO, A)), Delete(keys.manifest(REPO, blob("one")))])
    assert list(dangling(store)) == []
