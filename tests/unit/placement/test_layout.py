"""Roles, rules and layouts: only valid ones exist, and their orders are the same everywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from holdfast.errors import LayoutInvalidError
from holdfast.placement.layout import Layout, NodeRole, Rules
from tests.unit.placement.cases import layout, roles


@pytest.mark.parametrize(
    ("node_id", "zone", "weight"),
    [("", "z", 1), ("-a", "z", 1), ("a b", "z", 1), ("ä", "z", 1), ("a" * 65, "z", 1), ("a", "", 1), ("a\n", "z", 1),
     ("a", "z/1", 1), ("a", "z", 0), ("a", "z", -1), ("a", "z", 2**32)],
)  # fmt: skip
def test_a_role_against_the_grammar_is_refused(node_id, zone, weight):
    with pytest.raises(LayoutInvalidError):
        NodeRole(node_id, zone, weight)


@pytest.mark.parametrize(("replicas", "quorum"), [(0, 0), (3, 0), (3, 4), (256, 2), (-1, -1)])
def test_a_quorum_is_between_one_and_all_replicas(replicas, quorum):
    with pytest.raises(LayoutInvalidError, match="write quorum"):
        Rules(replicas, quorum)


@pytest.mark.parametrize(("replicas", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_the_usual_quorum_is_a_majority_and_two_as_soon_as_there_are_two(replicas, quorum):
    assert Rules.majority(replicas) == Rules(replicas, quorum)


GOOD = layout("R=2 a/A b/A c/B d/B")


def with_row(*row):
    return (row, *GOOD.table[1:])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 0}, "begin with 1"),
        ({"roles": ()}, "at least one node"),
        ({"roles": GOOD.roles[::-1]}, "sorted"),
        ({"roles": (GOOD.roles[0], *GOOD.roles[:3])}, "twice"),
        ({"table": GOOD.table[1:]}, "4096 partitions"),
        ({"table": with_row(0)}, "2 different"),
        ({"table": with_row(0, 0)}, "2 different"),
        ({"table": with_row(0, 2, 3)}, "2 different"),
        ({"table": with_row(0, 4)}, "known"),
        ({"table": with_row(0, -1)}, "known"),
        ({"table": with_row(0, 1)}, "spread"),
        ({"rules": Rules(3, 2)}, "3 different"),
        ({"rules": Rules(2, 2, zone_strict=True), "roles": tuple(roles("a/A b/A c/A d/A"))}, "no write could succeed"),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused(change, reason):
    with pytest.raises(LayoutInvalidError, match=reason):
        replace(GOOD, **change)


def test_a_zone_strict_layout_has_zones_for_its_quorum():
    assert layout("R=3 a/A b/A c/B", zone_strict=True).rules.zone_strict


@pytest.mark.parametrize("partition", [-1, 4096])
def test_there_are_4096_partitions(partition):
    for ask in (GOOD.owners, GOOD.handoffs, GOOD.order):
        with pytest.raises(ValueError, match="a partition is 0 to 4095"):
            ask(partition)


def test_the_order_has_every_node_once_and_owners_first():
    for partition in range(4096):
        order = GOOD.order(partition)
        assert sorted(order) == ["a", "b", "c", "d"]
        assert order[:2] == GOOD.owners(partition)


def test_handoffs_take_turns_in_the_zones_and_begin_where_no_copy_is():
    wide = layout("R=2 a1/A a2/A a3/A b1/B b2/B b3/B c1/C c2/C c3/C")
    zones = wide.zones()
    for partition in range(0, 4096, 64):
        placed = Counter(zones[node] for node in wide.owners(partition))
        for node in wide.handoffs(partition):
            assert placed[zones[node]] == min(placed[zone] for zone in "ABC")
            placed[zones[node]] += 1


def test_every_node_stands_in_about_equally_often():
    wide = layout("R=1 a/A b/A c/A d/A e/A")
    first = Counter(wide.handoffs(partition)[0] for partition in range(4096))
    assert all(abs(count - 4096 / 5) < 4096 / 5 * 0.15 for count in first.values())
    assert len(first) == 5


def test_a_node_that_joins_does_not_change_the_order_of_the_others():
    before, after = layout("R=1 a/A b/A c/A d/A"), layout("R=1 a/A b/A c/A d/A e/A")
    for partition in range(0, 4096, 16):
        if before.owners(partition) == after.owners(partition):
            others = tuple(node for node in after.handoffs(partition) if node != "e")
            assert others == before.handoffs(partition)


def test_copies_count_what_each_node_owns():
    assert GOOD.copies() == {"a": 2048, "b": 2048, "c": 2048, "d": 2048}
    assert Layout(1, Rules(1, 1), tuple(roles("a/A b/A")), ((1,),) * 4096).copies() == {"a": 0, "b": 4096}
