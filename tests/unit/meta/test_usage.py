"""What a repository holds is counted with its links: after whatever comes and goes, breaks off or races, the count is their sum."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.clock import ManualClock
from holdfast.errors import HoldfastError, MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta import keys
from holdfast.meta.records import LinkRecord
from holdfast.meta.repos import Repositories
from holdfast.meta.store import Delete, Put, pages
from holdfast.meta.usage import Counted, Usage
from holdfast.names import repository
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta import world as worlds
from tests.unit.meta.world import OTHER, REPO, blob, image, link, new_ids, push

BLOBS = tuple(blob(f"b{number}") for number in range(4))
SIZES = {digest: 10 + number for number, digest in enumerate(BLOBS)}


def linked(store, name) -> Counted:
    """What the links come to."""
    sizes = [LinkRecord.decode(entry.value).size_bytes for entry in pages(store, *keys.links_of(name))]
    return Counted(len(sizes), sum(sizes))


def usage_of(store) -> Usage:
    return Usage(store, new_ids())


def test_a_blob_counts_once_in_each_repository_however_often_it_is_pushed():
    store, repos = worlds.world()
    link(repos, BLOBS[0], BLOBS[0], BLOBS[1])
    repos.mount(REPO, OTHER, BLOBS[0], repos.fence(BLOBS[0]))
    repos.mount(REPO, OTHER, BLOBS[0], repos.fence(BLOBS[0]))
    assert usage_of(store).of(REPO) == Counted(2, 20)
    assert usage_of(store).of(OTHER) == Counted(1, 10)


def test_manifests_count_as_they_come_and_go_and_what_holds_nothing_has_no_count():
    store, repos = worlds.world()
    new = image("m", blob("layer"))
    push(repos, new, worlds.V1)
    push(repos, new, worlds.V2)
    assert usage_of(store).of(REPO) == Counted(2, 110)
    repos.delete_manifest(REPO, new.digest)
    assert usage_of(store).of(REPO) == Counted(1, 10)
    repos.delete_blob(REPO, blob("layer"))
    assert list(pages(store, *keys.usage_below(""))) == []


def test_a_namespace_is_what_its_names_say_and_not_what_begins_like_it():
    store, repos = worlds.world()
    for name in ("team", "team/a", "team/b/c", "team-x", "teams/a"):
        link(repos, BLOBS[0], repo=repository(name))
    assert usage_of(store).counted("team", lambda _name: True) == Counted(3, 30)
    assert usage_of(store).counted("", lambda name: name == "teams/a") == Counted(1, 10)
    assert usage_of(store).counted("", lambda _name: True) == Counted(5, 50)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["link", "mount", "push", "unpush", "unlink", "recount"]),
        st.sampled_from([REPO, OTHER]),
        st.sampled_from(BLOBS),
        st.sampled_from([None, None, None, "before", "after", "down"]),
    ),
    max_size=25,
)


def act(repos, store, what, name, digest):
    other = OTHER if name == REPO else REPO
    manifest = image(f"of {digest}", digest)
    if what == "link":
        repos.add_link(name, digest, SIZES[digest], repos.fence(digest))
    elif what == "mount":
        repos.mount(other, name, digest, repos.fence(digest))
    elif what == "push":
        if repos.link(name, digest) is None:
            return
        repos.put_manifest(name, manifest, [worlds.V1], repos.fence(manifest.digest), repos.removals(name))
    elif what == "unpush":
        repos.delete_manifest(name, manifest.digest)
    elif what == "unlink":
        repos.delete_blob(name, digest)
    else:
        assert list(usage_of(store).recount()) == []


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_is_linked_and_removed_and_breaks_off_the_count_is_the_sum_of_the_links(steps):
    store = MemoryStore(ManualClock())
    repos = Repositories(store, new_ids(), ManualClock())
    for what, name, digest, fault in steps:
        if fault is not None and what != "recount":
            store.fail_txn(1, fault)
        try:
            act(repos, store, what, name, digest)
        except HoldfastError:
            pass  # refused, or broken off: what was done counts all the same
        finally:
            store._faults.clear()
        for every in (REPO, OTHER):
            found = linked(store, every)
            assert usage_of(store).of(every) == found
            # A repository that is there and holds nothing was left when something broke off; the next removal takes it.
            assert repos.exists(every) or found == Counted()


WRITERS = list(itertools.product(["link", "mount", "unlink", "push", "unpush"], repeat=2))


@pytest.mark.parametrize(("first", "second"), WRITERS)
def test_a_change_that_comes_in_between_is_counted_as_well(first, second):
    """The second writer does all of its work between the reading and the writing of the first."""
    store, repos = worlds.world()
    for what, name, digest in (("link", REPO, BLOBS[0]), ("link", OTHER, BLOBS[0]), ("link", REPO, BLOBS[1])):
        act(repos, store, what, name, digest)
    act(repos, store, "push", REPO, BLOBS[1])
    act(repos, store, "link", OTHER, BLOBS[1])

    def quietly(what, digest):
        try:
            act(repos, store, what, REPO, digest)
        except HoldfastError:
            return

    for digest, other in itertools.product(BLOBS[:2], repeat=2):
        store.before_txn(lambda second=second, other=other: quietly(second, other))
        quietly(first, digest)
        assert usage_of(store).of(REPO) == linked(store, REPO)


def test_sixteen_who_push_and_delete_at_once_leave_the_right_count():
    store, repos = worlds.world()

    def work(number: int) -> None:
        for turn in range(12):
            mine = blob(f"{number} {turn}")
            link(repos, mine, BLOBS[0])
            if turn % 3 == 0:
                repos.delete_blob(REPO, mine)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert usage_of(store).of(REPO) == linked(store, REPO) == Counted(1 + 16 * 8, 10 * (1 + 16 * 8))


def wrong_counts(store) -> None:
    """As a program leaves it that did not count: links without a count, and a count without its links."""
    for entry in pages(store, *keys.usage_below(REPO)):
        store.txn([], [Delete(entry.key)])
    for entry in pages(store, *keys.links_of(OTHER)):
        store.txn([], [Delete(entry.key)])


def test_a_recount_repairs_what_others_have_not_counted():
    store, repos = worlds.world()
    link(repos, *BLOBS)
    link(repos, *BLOBS, repo=OTHER)
    wrong_counts(store)
    repaired = {one.repository: (one.before, one.after) for one in usage_of(store).recount()}
    assert repaired == {REPO: (Counted(), Counted(4, 40)), OTHER: (Counted(4, 40), Counted())}
    assert list(usage_of(store).recount()) == []
    assert usage_of(store).of(REPO) == Counted(4, 40)


def test_what_was_never_counted_goes_without_a_count_below_nothing():
    store, repos = worlds.world()
    link(repos, *BLOBS)
    wrong_counts(store)
    repos.delete_blob(REPO, BLOBS[0])
    assert usage_of(store).of(REPO) == Counted()
    list(usage_of(store).recount())
    assert usage_of(store).of(REPO) == Counted(3, 30)


@pytest.mark.parametrize("what", ["link", "unlink"])
def test_a_recount_is_right_although_links_come_and_go_while_it_looks(what):
    store, repos = worlds.world()
    link(repos, *BLOBS[1:])
    if what == "unlink":
        link(repos, BLOBS[0])
    for entry in pages(store, *keys.usage_below(REPO)):
        store.txn([], [Put(entry.key, entry.value[:1])])
    store.before_txn(lambda: act(repos, store, what, REPO, BLOBS[0]))
    list(usage_of(store).recount())
    assert usage_of(store).of(REPO) == linked(store, REPO)


def test_a_recount_that_breaks_off_is_made_again():
    store, repos = worlds.world()
    link(repos, *BLOBS)
    wrong_counts(store)
    store.fail_txn(2, "down")
    with pytest.raises((MetadataUnavailableError, OutcomeUnknownError)):
        list(usage_of(store).recount())
    list(usage_of(store).recount())
    assert usage_of(store).of(REPO) == Counted(4, 40)
