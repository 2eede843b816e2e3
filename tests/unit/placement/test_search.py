"""Tables: always valid, always at their quotas, and never a move more than the judge needs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import LayoutInvalidError
from holdfast.placement.draw import drawn
from holdfast.placement.proof import fewest_moves
from holdfast.placement.search import cheapest, rearranged
from holdfast.placement.shape import shape
from holdfast.placement.shares import ideal, quotas
from tests.unit.placement import judge
from tests.unit.placement.cases import clusters, tables


def wanted(cluster, before):
    form = shape(cluster.partitions, cluster.replicas, cluster.zone_of)
    return form, quotas(form, ideal(form, cluster.weights), loads(before, form.nodes))


def loads(table, nodes):
    return [sum(node in row for row in table) for node in range(nodes)]


def check(table, cluster, quota):
    assert judge.faults(table, cluster.replicas, cluster.zone_of) == []
    assert loads(table, len(quota)) == quota


@given(clusters())
def test_a_first_table_meets_every_quota(cluster):
    form, quota = wanted(cluster, [])
    check(drawn(form, quota), cluster, quota)


@given(st.data())
@settings(max_examples=500)
def test_a_rearranged_table_moves_as_little_as_the_judge_can(data):
    cluster = data.draw(clusters())
    before = data.draw(tables(cluster))
    form, quota = wanted(cluster, before)
    table = rearranged(form, quota, before)
    check(table, cluster, quota)
    assert judge.moved(before, table) == judge.cheapest(cluster.replicas, cluster.zone_of, quota, before)


@given(st.data())
def test_a_rearranged_table_moves_as_little_as_any_table_there_is(data):
    cluster = data.draw(clusters(most_partitions=5, most_nodes=5))
    before = data.draw(tables(cluster))
    form, quota = wanted(cluster, before)
    moves = judge.moved(before, rearranged(form, quota, before))
    assert moves == judge.fewest_moves(cluster.replicas, cluster.zone_of, quota, before)


@given(st.data())
@settings(max_examples=300)
def test_a_table_with_other_weights_and_replicas_is_rearranged_as_cheaply_as_can_be(data):
    cluster = data.draw(clusters(most_partitions=20))
    before = drawn(*wanted(cluster, []))
    after = data.draw(clusters(nodes=len(cluster.zone_of)))
    form = shape(cluster.partitions, after.replicas, after.zone_of)
    quota = quotas(form, ideal(form, after.weights), loads(before, form.nodes))
    table = rearranged(form, quota, before)
    check(table, after, quota)
    assert judge.moved(before, table) == judge.cheapest(after.replicas, after.zone_of, quota, before)


@pytest.mark.parametrize(("zones", "replicas"), [(1, 3), (2, 3), (5, 3), (5, 4), (100, 3)], ids=str)
def test_the_prices_prove_at_full_size_that_fewer_moves_are_impossible(zones, replicas):
    nodes = 100
    zone_of = [node % zones for node in range(nodes)]
    first = shape(4096, 3, zone_of)
    before = drawn(first, quotas(first, ideal(first, [1 + node % 3 for node in range(nodes)]), [0] * nodes))
    form = shape(4096, replicas, zone_of)
    quota = quotas(form, ideal(form, [1 + node % 5 for node in range(nodes)]), loads(before, nodes))
    network = cheapest(form, quota, before)
    moves = judge.moved(before, network.holders)
    prices = (network.node_price, network.place_price, network.sink_price)
    assert moves > 0
    assert moves == judge.proof(form.low, form.high, zone_of, quota, before, *prices)
    assert moves == fewest_moves(form, quota, before, *prices)


@given(st.data())
def test_wrong_prices_prove_too_little_and_never_too_much(data):
    cluster = data.draw(clusters())
    before = data.draw(tables(cluster))
    form, quota = wanted(cluster, before)
    price = st.integers(0, 3)
    node_price = data.draw(st.lists(price, min_size=form.nodes, max_size=form.nodes))
    places = st.fixed_dictionaries({-1: price}, optional=dict.fromkeys(range(form.zones), price))
    place_price = data.draw(st.lists(places, min_size=form.partitions, max_size=form.partitions))
    prices = (node_price, place_price, data.draw(price))
    bound = fewest_moves(form, quota, before, *prices)
    assert bound == judge.proof(form.low, form.high, cluster.zone_of, quota, before, *prices)
    assert bound <= judge.cheapest(cluster.replicas, cluster.zone_of, quota, before)


def test_one_more_node_is_reached_through_full_ones():
    # Every partition is on all three nodes; those that give up one copy each cannot all be the same.
    before = [[0, 1, 2]] * 8
    table = rearranged(shape(8, 3, [0, 0, 0, 0]), [6, 6, 6, 6], before)
    assert all(len(set(row)) == 3 for row in table)
    assert judge.moved(before, table) == 6


def test_quotas_that_cannot_be_met_end_in_an_error():
    with pytest.raises(LayoutInvalidError, match="cannot be met"):
        rearranged(shape(2, 2, [0, 0, 0]), [3, 1, 0], [[], []])
