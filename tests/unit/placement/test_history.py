"""Layouts that live together."""

from __future__ import annotations

import pytest

from holdfast.errors import LayoutInvalidError
from holdfast.placement.history import Layouts
from tests.unit.placement.cases import layout

ONE = layout("R=2 a/A b/A c/A")
TWO = layout("R=2 b/A c/A d/B", 2, ONE)
THREE = layout("R=2 c/B d/B e/C f/C", 3, TWO)
ALL = Layouts((ONE, TWO, THREE))


def test_writes_go_to_the_owners_in_all_versions_newest_first():
    for partition in range(4096):
        owners = ALL.write_owners(partition)
        assert owners[:2] == THREE.owners(partition)
        assert set(owners) == {*ONE.owners(partition), *TWO.owners(partition), *THREE.owners(partition)}
        assert len(set(owners)) == len(owners)


def test_reads_begin_with_owners_that_are_known_to_have_the_data():
    for partition in range(4096):
        order = ALL.read_order(partition)
        owners = [*ONE.owners(partition), *THREE.owners(partition), *TWO.owners(partition)]
        expected = list(dict.fromkeys([*owners, *THREE.handoffs(partition)]))
        assert list(order) == expected


def test_one_version_reads_in_its_own_order():
    assert Layouts((ONE,)).read_order(7) == ONE.order(7)
    assert Layouts((ONE,)).write_owners(7) == ONE.owners(7)


def test_every_write_owner_is_asked_by_reads():
    for partition in range(0, 4096, 8):
        assert set(ALL.write_owners(partition)) <= set(ALL.read_order(partition))


def test_the_zone_of_a_node_is_what_the_newest_version_that_has_it_says():
    assert ALL.zones() == {"a": "A", "b": "A", "c": "B", "d": "B", "e": "C", "f": "C"}


def test_a_retired_version_takes_older_ones_along():
    assert ALL.after_retired(1).live == (TWO, THREE)
    assert ALL.after_retired(2).live == (THREE,)
    assert ALL.newest is THREE
    assert ALL.oldest is ONE


@pytest.mark.parametrize(("version", "reason"), [(3, "newest"), (4, "not live"), (0, "not live")])
def test_neither_the_newest_nor_an_unknown_version_can_be_retired(version, reason):
    with pytest.raises(LayoutInvalidError, match=reason):
        ALL.after_retired(version)


def test_a_newer_version_is_added_at_the_end():
    assert Layouts((ONE,)).after_applied(TWO).live == (ONE, TWO)
    with pytest.raises(LayoutInvalidError, match="oldest first"):
        Layouts((TWO,)).after_applied(ONE)


@pytest.mark.parametrize("live", [(), (ONE, ONE), (TWO, ONE)])
def test_live_versions_rise_and_there_is_one(live):
    with pytest.raises(LayoutInvalidError):
        Layouts(live)
