"""Shapes, shares and quotas."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.placement.shape import shape
from holdfast.placement.shares import ideal, quotas
from tests.unit.placement import judge
from tests.unit.placement.cases import clusters


@given(clusters())
def test_the_shape_admits_what_cannot_be_spread_more_evenly_and_nothing_else(cluster):
    form = shape(1, cluster.replicas, cluster.zone_of)
    sizes = [len(nodes) for nodes in form.by_zone()]
    best = judge.most_even(form.copies, sizes)
    for zone in range(form.zones):
        assert form.low[zone] == min(counts[zone] for counts in best)
        assert form.high[zone] == max(counts[zone] for counts in best)
    for counts in best:
        assert form.admits([zone for zone, count in enumerate(counts) for _ in range(count)])


@pytest.mark.parametrize(
    ("zones", "admitted"),
    [([0, 1, 2], True), ([0, 0, 1], False), ([2, 3, 0], True), ([1, 1, 1], False)],
)
def test_with_zones_to_spare_no_two_copies_are_in_one(zones, admitted):
    assert shape(1, 3, [0, 0, 1, 1, 2, 3]).admits(zones) == admitted


def test_a_spread_that_leaves_a_zone_out_is_not_admitted():
    form = shape(1, 4, [0, 0, 1, 1, 2, 2])
    assert form.admits([0, 0, 1, 2])
    assert not form.admits([0, 0, 1, 1])


def test_a_spread_that_gives_two_zones_what_a_third_needs_is_not_admitted():
    form = shape(1, 7, [zone for zone in range(3) for _ in range(4)])
    assert form.admits([0, 0, 0, 1, 1, 2, 2])
    assert not form.admits([0, 0, 0, 1, 1, 1, 2])


@given(clusters(most_partitions=9, most_nodes=5))
def test_shares_are_as_near_to_the_weights_as_the_judge_can_bring_them(cluster):
    form = shape(cluster.partitions, cluster.replicas, cluster.zone_of)
    shares = ideal(form, cluster.weights)
    assert sum(shares) == form.partitions * form.copies
    fairest = judge.fairest(cluster.partitions, cluster.replicas, cluster.zone_of, cluster.weights)
    assert [float(share) for share in shares] == pytest.approx(fairest, abs=0.05)


@given(st.data())
def test_quotas_are_shares_rounded_for_each_node_and_each_zone(data):
    cluster = data.draw(clusters(most_partitions=50))
    form = shape(cluster.partitions, cluster.replicas, cluster.zone_of)
    shares = ideal(form, cluster.weights)
    held = data.draw(st.lists(st.integers(0, 50), min_size=form.nodes, max_size=form.nodes))
    quota = quotas(form, shares, held)
    assert sum(quota) == form.partitions * form.copies
    assert all(abs(copies - share) < 1 for copies, share in zip(quota, shares, strict=True))
    for nodes in form.by_zone():
        assert abs(sum(quota[node] for node in nodes) - sum(shares[node] for node in nodes)) < 1


def test_who_holds_a_copy_more_is_rounded_up():
    form = shape(10, 1, [0, 0, 0])
    shares = [Fraction(10, 3)] * 3
    assert quotas(form, shares, [3, 3, 4]) == [3, 3, 4]
    assert quotas(form, shares, [3, 4, 3]) == [3, 4, 3]


def test_nodes_hold_what_their_weights_say_while_nothing_limits_them():
    form = shape(60, 2, [0, 1, 2, 3])
    assert ideal(form, [1, 2, 3, 4]) == [12, 24, 36, 48]
