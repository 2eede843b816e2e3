"""Plans: what moves, how little could, and what is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.placement.changes import NodeChange, lower_bound_moves, orphaned, plan
from tests.unit.placement.cases import layout


def test_a_plan_names_each_owner_that_comes_or_goes():
    old, new = layout("R=2 a/A b/A c/A"), layout("R=2 a/A b/A d/A", 2, layout("R=2 a/A b/A c/A"))
    found = plan(old, new)
    for change in found.partitions:
        had, has = old.owners(change.partition), new.owners(change.partition)
        assert set(change.added) == set(has) - set(had)
        assert set(change.removed) == set(had) - set(has)
    changed = {change.partition for change in found.partitions}
    assert changed == {p for p in range(4096) if set(old.owners(p)) != set(new.owners(p))}
    assert found.moved_copies == new.copies()["d"]


def test_a_plan_counts_for_each_node_what_it_gains_and_loses():
    old = layout("R=1 a/A b/A")
    found = plan(old, layout("R=1 a/A*3 b/A*1", 2, old))
    assert found.nodes == (NodeChange("a", 1024, 0, 2048, 3072), NodeChange("b", 0, 1024, 2048, 1024))


def test_without_an_old_layout_every_copy_is_new():
    found = plan(None, layout("R=2 a/A b/A"))
    assert found.moved_copies == found.lower_bound_moves == 8192
    assert all(not change.removed for change in found.partitions)


def test_when_nothing_changes_the_plan_is_empty():
    old = layout("R=2 a/A b/A c/A")
    found = plan(old, layout("R=2 a/A b/A c/A", 2, old))
    assert (found.partitions, found.nodes, found.lower_bound_moves) == ((), (), 0)


@st.composite
def texts(draw):
    nodes = draw(st.integers(1, 6))
    words = [f"n{n}/z{draw(st.integers(0, 3))}*{draw(st.integers(1, 4))}" for n in range(nodes)]
    return f"R={draw(st.integers(1, 4))} {' '.join(words)}"


@given(texts(), texts(), texts())
@settings(max_examples=5)  # four layouts of 4096 partitions each
def test_a_layout_moves_as_little_as_is_proven_and_one_that_comes_from_elsewhere_no_less(first, second, third):
    old = layout(first)
    near, far = layout(second, 2, old), layout(second, 3, layout(third, 2))
    assert plan(old, near).moved_copies == lower_bound_moves(old, near)
    assert plan(old, far).moved_copies >= lower_bound_moves(old, far)


def test_a_detour_moves_more_than_is_proven_necessary():
    old = layout("R=1 a/A b/A c/A d/A")
    far = layout("R=1 a/A b/A c/A d/A", 3, layout("R=1 a/A", 2))
    assert lower_bound_moves(old, far) == 0
    assert plan(old, far).moved_copies > 2000


def test_the_bound_sees_copies_that_zones_do_not_let_stay():
    # Each node owns as much as before, but a and c, b and d are now in one zone: what they shared must be parted.
    old = layout("R=2 a/A b/A c/B d/B")
    new = layout("R=2 a/A b/B c/A d/B", 2, old)
    parted = sum(set(old.owners(partition)) in ({"a", "c"}, {"b", "d"}) for partition in range(4096))
    assert parted > 0
    assert new.copies() == old.copies()
    assert lower_bound_moves(old, new) == plan(old, new).moved_copies == parted


def test_partitions_are_orphaned_when_all_their_owners_are_gone():
    old = layout("R=2 a/A b/A c/A d/A")
    lost = orphaned([old], {"a", "b"})
    assert lost == tuple(p for p in range(4096) if set(old.owners(p)) == {"a", "b"})
    assert lost
    assert orphaned([old], {"a"}) == ()
    assert orphaned([old], {"a", "b", "c", "d"}) == tuple(range(4096))


def test_an_owner_in_any_live_layout_saves_a_partition():
    old = layout("R=1 a/A b/A")
    new = layout("R=1 b/A c/A", 2, old)
    assert len(orphaned([old], {"a"})) == 2048
    saved = set(orphaned([old], {"a"})) - set(orphaned([old, new], {"a"}))
    assert saved == set(orphaned([old], {"a"}))
