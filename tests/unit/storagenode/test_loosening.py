"""Links that nothing needs: how long each kind of them may stand."""

from __future__ import annotations

from holdfast.clock import ManualClock
from holdfast.meta import keys
from holdfast.meta.loose import LooseLinks
from holdfast.meta.repos import Repositories
from holdfast.meta.store import Put
from holdfast.names import repository
from storagenode.collecting.loosening import Graces, Loosening
from storagenode.collecting.marks import Marks
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import OTHER, REPO, V1, blob, image, link, new_ids, push, world

A, B, M = blob("a"), blob("b"), blob("m")
GRACES = Graces(left_seconds=60.0, awaited_seconds=3600.0)


class World:
    def __init__(self):
        self.clock = ManualClock()
        self.store, self.repos = world(MemoryStore(self.clock))
        self.loosening = Loosening(LooseLinks(self.store, new_ids()), Marks(self.clock))

    def after(self, seconds):
        self.clock.advance(seconds)
        return self.loosening.cycle(GRACES, lambda: True)

    def foreseen(self):
        return self.loosening.foresee(GRACES, lambda: True)


def figures(found):
    return (found.loose, found.removed, found.removed_bytes, found.kept, found.pending)


def test_what_a_deleted_manifest_left_goes_after_the_short_grace():
    made = World()
    push(made.repos, image("m", A), V1)
    made.repos.delete_manifest(REPO, M)
    assert made.after(0).waiting == 1
    assert made.after(59).removed == 0
    assert made.after(1).removed == 1
    assert made.repos.link(REPO, A) is None


def test_what_waits_for_its_manifest_has_the_long_one_and_counts_as_waiting():
    made = World()
    link(made.repos, A)
    made.after(0)
    found = made.after(3599)
    assert (found.removed, found.waiting) == (0, 1)
    push(made.repos, image("m", A), V1)  # the last layer took that long
    assert made.after(1).loose == 0


def test_a_push_that_broke_off_goes_in_the_end():
    made = World()
    link(made.repos, A, B)
    made.after(0)
    found = made.after(3600)
    assert (found.removed, found.removed_bytes, found.waiting) == (2, 20, 0)


def test_a_renewal_begins_the_grace_anew():
    made = World()
    link(made.repos, A)
    made.after(0)
    made.clock.advance(3599)
    link(made.repos, A)
    assert made.after(1).removed == 0
    assert made.after(3600).removed == 1


def test_what_is_foreseen_is_what_a_cycle_then_does_and_foreseeing_changes_nothing():
    made = World()
    push(made.repos, image("m", A), V1)
    made.repos.delete_manifest(REPO, M)
    link(made.repos, B)
    for seconds in (0, 30, 30, 3600):
        made.clock.advance(seconds)
        foreseen = [made.foreseen() for _ in range(2)]
        assert [figures(one) for one in foreseen] == [figures(made.after(0))] * 2


def test_links_of_other_repositories_are_left_alone():
    made = World()
    link(made.repos, A)
    link(made.repos, A, repo=OTHER)
    made.loosening = Loosening(LooseLinks(made.store, new_ids()), Marks(made.clock), lambda repo: repo == REPO)
    made.after(0)
    assert made.after(3600).removed == 1
    assert made.repos.link(OTHER, A) is not None


def test_a_repository_that_cannot_be_read_keeps_its_links_and_holds_up_no_other():
    clock = ManualClock()
    store = MemoryStore(clock)
    repos, other = Repositories(store, new_ids(), clock), repository("zz/other")
    for name in (REPO, other):
        repos.add_link(name, blob("x"), 1, repos.fence(blob("x")))
    store.txn([], [Put(keys.link(REPO, blob("x")), b"\xff\xff\xff")])
    loosening = Loosening(LooseLinks(store, new_ids()), Marks(clock))
    loosening.cycle(Graces(1, 1), lambda: True)
    clock.advance(2)
    assert loosening.cycle(Graces(1, 1), lambda: True).removed == 1
    assert store.get(keys.link(REPO, blob("x"))) is not None
