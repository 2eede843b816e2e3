"""A collector's cycle: what goes, what waits, what stops it."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import MetadataUnavailableError, RolledBackError, SweepMovedError, UnavailableError
from holdfast.manifest import OCI_MANIFEST, Reference
from holdfast.meta import keys
from holdfast.meta.holders import Held
from holdfast.meta.loose import LooseLinks
from holdfast.meta.loosened import Words
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.store import Delete
from holdfast.rpc.node import ListedBlob
from storagenode.collecting.collector import Collector, Terms
from storagenode.collecting.loosening import Graces, Loosening
from storagenode.collecting.marks import Marks
from storagenode.collecting.unlinking import Unlinked
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.interleaving import every_interleaving
from tests.unit.meta.world import OTHER, REPO, blob, faults, keys_below, link, new_ids

A, B, C = blob("a"), blob("b"), blob("c")
GRACE = Terms(grace_seconds=60.0)


class Node:
    """Copies of 10 bytes with stamps: every "have it" and every write changes the stamp."""

    def __init__(self, *digests):
        self.stamps = dict.fromkeys(digests, 0)

    def listing(self, partition):
        here = sorted((digest for digest in self.stamps if digest.partition == partition), key=str)
        return [ListedBlob(digest, 10, str(self.stamps[digest])) for digest in here]

    def delete(self, digest, stamp):
        if str(self.stamps.get(digest)) != stamp:
            return False
        del self.stamps[digest]
        return True

    def has(self, digest):
        if digest in self.stamps:
            self.stamps[digest] += 1
        return digest in self.stamps

    def write(self, digest):
        self.stamps[digest] = self.stamps.get(digest, 0) + 1


class World:
    def __init__(self, *digests, most=1000):
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.repos = Repositories(self.store, new_ids(), self.clock)
        self.node = Node(*digests)
        self.short = []
        self.error = None
        self.marks = Marks(self.clock, most)

    def collector(self, store=None):
        links = Repositories(store, new_ids(), self.clock) if store is not None else self.repos
        return Collector(self.node, store or self.store, links, self.marks, self.short.append, self.look)

    def look(self):
        if self.error is not None:
            raise self.error

    def cycle(self, terms=GRACE, goes_on=lambda: True, **options):
        return self.collector().cycle(terms, goes_on, **options)

    def after_grace(self, **options):
        self.clock.advance(61)
        return self.cycle(**options)


def test_what_nobody_links_goes_after_the_grace_and_not_before():
    world = World(A, B)
    link(world.repos, B)
    first = world.cycle()
    assert (first.orphans, first.orphan_bytes, first.swept, first.waiting) == (1, 10, 0, 1)
    world.clock.advance(59)
    assert world.cycle().swept == 0
    world.clock.advance(1)
    last = world.cycle()
    assert (last.swept, last.swept_bytes, last.waiting) == (1, 10, 0)
    assert set(world.node.stamps) == {B}


def test_without_any_grace_a_whole_walk_still_lies_between():
    world = World(A, B)
    link(world.repos, B)
    assert world.cycle(Terms(0.0)).swept == 0
    assert world.cycle(Terms(0.0)).swept == 1


@pytest.mark.parametrize("touch", [Node.has, Node.write], ids=["asked for", "written again"])
def test_a_copy_that_somebody_touched_waits_anew(touch):
    world = World(A, B)
    link(world.repos, B)
    world.cycle()
    touch(world.node, A)
    assert world.after_grace().swept == 0
    assert world.after_grace().swept == 1


def test_a_copy_that_is_asked_for_after_the_listing_stays():
    world = World(A, B)
    link(world.repos, B)
    world.cycle()
    begin = world.repos.begin_sweep

    def meanwhile(digests):
        free = begin(digests)
        world.node.has(A)
        return free

    world.repos.begin_sweep = meanwhile
    cycle = world.after_grace()
    assert (cycle.swept, cycle.kept) == (0, 1)
    assert A in world.node.stamps


def test_what_is_linked_again_is_nobodys_no_more():
    world = World(A, B)
    link(world.repos, B)
    world.cycle()
    link(world.repos, A)
    assert world.after_grace().orphans == 0
    assert world.marks.waiting == 0


def test_links_of_every_repository_count_and_come_in_order():
    world = World()
    digests = [blob(f"{number}") for number in range(300)]
    link(world.repos, *digests)
    link(world.repos, *digests[::3], repo=OTHER)
    held = Held(world.store)
    assert not held.is_empty
    found = [digest for partition in range(4096) for digest in held.in_partition(partition)]
    assert found == sorted(digests, key=lambda digest: (digest.partition, str(digest)))


def test_empty_metadata_deletes_nothing_until_somebody_says_so():
    world = World(A, B)
    world.cycle()
    cycle = world.after_grace()
    assert cycle.swept == 0
    assert "right metadata" in cycle.refused
    assert world.cycle(Terms(60.0, share=1)).swept == 2


def test_metadata_that_went_back_in_time_deletes_nothing():
    world = World(A, B)
    link(world.repos, B)
    world.cycle()
    world.error = RolledBackError("older")
    with pytest.raises(RolledBackError):
        world.after_grace()
    assert set(world.node.stamps) == {A, B}


def test_more_than_its_share_stops_a_cycle():
    digests = [blob(f"{number}") for number in range(300)]
    world = World(*digests)
    link(world.repos, *digests[:140])
    world.cycle()
    cycle = world.after_grace()
    assert cycle.swept == 0
    assert cycle.refused
    link(world.repos, *digests[140:160])
    assert world.after_grace().swept == 140


class Registry(World):
    """Images of a layer each, most of which nobody wants any more."""

    def __init__(self, wanted=10, unwanted=150):
        super().__init__()
        self.words = Words(self.store, self.clock)
        self.loosening = Loosening(LooseLinks(self.store, new_ids(), explain=self.words.ops), Marks(self.clock))
        self.wanted = [blob(f"wanted {number}") for number in range(wanted)]
        self.unwanted = [blob(f"unwanted {number}") for number in range(unwanted)]
        for manifest in (*self.wanted, *self.unwanted):
            self.node.write(manifest)
            self.node.write(self.layer(manifest))
            name = NewManifest(manifest, OCI_MANIFEST, 10, (Reference(self.layer(manifest), 10),))
            link(self.repos, self.layer(manifest))
            self.repos.put_manifest(REPO, name, [], self.repos.fence(manifest), self.repos.removals(REPO))

    @staticmethod
    def layer(manifest):
        return blob(f"layer of {manifest}")

    def night(self):
        """Links go, and then copies."""
        for _ in range(3):
            self.loosening.cycle(Graces(60.0, 60.0), lambda: True)
            found = self.after_grace()
        return found


def test_a_registry_most_of_which_is_deleted_every_night_asks_nobody():
    made = Registry()
    for manifest in made.unwanted:
        made.repos.delete_manifest(REPO, manifest)
    found = made.night()
    assert (found.refused, len(made.node.stamps)) == ("", 20)


@pytest.mark.parametrize("lost", ["manifests", "links"])
def test_metadata_that_has_lost_most_of_its_entries_takes_nothing_before_somebody_says_so(lost):
    made = Registry()
    for manifest in made.unwanted:
        both = (manifest, made.layer(manifest))
        links = [key for digest in both for key in (keys.link(REPO, digest), keys.holder(digest, REPO))]
        gone = [keys.manifest(REPO, manifest)] if lost == "manifests" else links
        made.store.txn([], [Delete(key) for key in gone])
    before = len(made.node.stamps)
    assert "are nobody's" in made.night().refused
    assert len(made.node.stamps) == before


def test_what_would_be_unlinked_counts_as_little_in_a_dry_run_as_then():
    made = Registry()
    made.marks = Marks(made.clock)
    unlinked = {digest for manifest in made.unwanted for digest in (manifest, made.layer(manifest))}
    foreseen = made.collector().foresee(GRACE, lambda: True, unlinked)
    assert (foreseen.orphans, foreseen.strange, foreseen.refused) == (300, 0, "")


def test_what_a_lost_manifest_left_behind_is_as_strange_in_a_dry_run_as_then():
    made = Registry()
    made.node.write(A)  # is due, and would go
    for manifest in made.unwanted:
        made.store.txn([], [Delete(keys.manifest(REPO, manifest))])
    graces = Graces(60.0, 60.0)
    made.loosening.cycle(graces, lambda: True)
    made.cycle()
    made.clock.advance(61)
    unlinked = Unlinked(loosened=made.loosening.foresee(graces, lambda: True))
    foreseen = made.collector().foresee(GRACE, lambda: True, unlinked.left.keys(), unlinked.strange)
    made.loosening.cycle(graces, lambda: True)
    found = made.cycle()
    assert "are nobody's" in found.refused
    assert (foreseen.strange, foreseen.refused, foreseen.swept) == (found.strange, found.refused, found.swept)


def test_a_few_may_go_however_little_is_left():
    digests = [blob(f"{number}") for number in range(90)]
    world = World(*digests)
    link(world.repos, digests[0])
    world.cycle()
    assert world.after_grace().swept == 89


def figures(cycle):
    """All that a report is made of."""
    return (cycle.blobs, cycle.orphans, cycle.swept, cycle.swept_bytes, cycle.kept, cycle.refused, cycle.pending)


@pytest.mark.parametrize("seconds", [0, 30, 61])
def test_what_is_foreseen_is_what_a_cycle_then_does_and_foreseeing_changes_nothing(seconds):
    world = World(A, B, C)
    link(world.repos, B)
    world.cycle()
    world.node.write(blob("a late one"))
    world.clock.advance(seconds)
    foreseen = [world.collector().foresee(GRACE, lambda: True) for _ in range(3)]
    assert A in world.node.stamps
    assert {figures_text(one) for one in foreseen} == {figures_text(world.cycle())}


def figures_text(cycle):
    return repr(figures(cycle))


def test_what_would_be_linked_no_more_is_foreseen_as_waiting():
    world = World(A, B)
    link(world.repos, A, B)
    foreseen = world.collector().foresee(GRACE, lambda: True, unlinked={A})
    assert (foreseen.orphans, foreseen.pending.count, foreseen.pending.last_seconds) == (1, 1, 60.0)


def test_more_than_its_share_goes_if_somebody_has_seen_how_much_and_no_more_than_that():
    digests = [blob(f"{number}") for number in range(300)]
    world = World(*digests)
    link(world.repos, *digests[:140])
    world.cycle()
    assert world.after_grace(terms=Terms(60.0, allowed_bytes=1590)).refused
    assert world.after_grace(terms=Terms(60.0, allowed_bytes=1600)).swept == 160


def test_how_long_the_first_and_the_last_of_them_wait_is_told():
    world = World(A, B, C)
    link(world.repos, B)
    world.cycle()
    world.clock.advance(20)
    world.node.write(C)
    pending = world.cycle().pending
    assert (pending.count, pending.size_bytes, pending.first_seconds, pending.last_seconds) == (2, 20, 40.0, 60.0)


def test_more_than_are_remembered_get_their_turn_later():
    digests = [blob(f"{number}") for number in range(10)]
    world = World(B, *digests, most=4)
    link(world.repos, B)
    world.cycle()
    assert world.marks.is_full
    swept = [world.after_grace().swept for _ in range(6)]
    assert sum(swept) == 10
    assert max(swept) <= 4


def test_a_walk_that_is_broken_off_leaves_the_marks_as_they_were():
    world = World(A, B)
    link(world.repos, B)
    world.cycle()
    calls = iter([True] * 10 + [False] * 5000)
    world.clock.advance(61)
    assert world.cycle(goes_on=lambda: next(calls)).swept == 0
    assert world.cycle().swept == 1


def test_a_link_that_came_by_another_nodes_word_marks_the_partition_short():
    world = World(A, B)
    link(world.repos, B)
    world.cycle()
    delete = world.node.delete

    def linked_behind(digest, stamp):
        gone = delete(digest, stamp)
        link(world.repos, A)  # under a fence taken after the sweep began: another node said "have it"
        return gone

    world.node.delete = linked_behind
    assert world.after_grace().mended == {A.partition}
    assert world.short == [A.partition]


class _LinkedBehind:
    """A collector whose copies others said "have it" of: they are linked by the time they are gone."""

    def __init__(self, *digests):
        self.world = World(B, *digests)
        link(self.world.repos, B)
        self.collector = self.world.collector()
        self.cycle()
        self.world.clock.advance(61)
        self.delete, self.held = self.world.node.delete, self.world.repos.held
        self.world.node.delete = self.deleted

    def cycle(self):
        self.collector.cycle(GRACE, lambda: True)

    def deleted(self, digest, stamp):
        gone = self.delete(digest, stamp)
        link(self.world.repos, digest)
        return gone


def test_a_disk_that_fails_after_the_first_copy_leaves_no_partition_short_that_nobody_knows_of():
    first, second = sorted((A, C), key=lambda one: (one.partition, str(one)))
    made = _LinkedBehind(first, second)

    def fails(digest, stamp):
        if digest == second:
            raise UnavailableError("the disk does not answer")
        return made.deleted(digest, stamp)

    made.world.node.delete = fails
    with pytest.raises(UnavailableError):
        made.cycle()
    assert first not in made.world.node.stamps
    made.world.node.delete = made.delete
    made.cycle()
    assert made.world.short == [first.partition]


def test_metadata_that_goes_away_after_the_copies_leaves_no_partition_short_that_nobody_knows_of():
    made = _LinkedBehind(A)

    def away(_digests):
        raise MetadataUnavailableError("away")

    made.world.repos.held = away
    with pytest.raises(MetadataUnavailableError):
        made.cycle()
    made.world.repos.held = made.held
    made.cycle()
    assert made.world.short == [A.partition]


def _writer(world, repo):
    """A gateway: it asks, or writes, under a fence, and begins again when told to."""

    def actor(store):
        repos = Repositories(store, new_ids(), world.clock)
        while True:
            fence = repos.fence(A)
            store.get(b"the node is asked at any time")
            if not world.node.has(A):
                store.get(b"the bytes take a while")
                world.node.write(A)
            try:
                repos.add_link(repo, A, 10, fence)
            except SweepMovedError:
                continue
            return

    return actor


def _held_without_bytes(world):
    return [key for key in keys_below(world.store, b"holder/") if keys.held_in(key) not in world.node.stamps]


def _marked():
    world = World(A, B)
    link(world.repos, B)
    world.cycle()
    world.clock.advance(61)
    return world


def test_in_no_order_of_steps_does_a_push_lose_its_bytes():
    worlds, swept = [], set()

    def scene():
        world = _marked()
        worlds.append(world)
        return world.store, [
            _writer(world, REPO),
            lambda store: swept.add(world.collector(store).cycle(GRACE, lambda: True).swept),
        ]

    for _, order in every_interleaving(scene):
        assert not _held_without_bytes(worlds[-1]), order
        assert not faults(worlds[-1].store), order
    assert len(worlds) > 25
    assert swept == {0, 1}
