"""Who owns, who keeps, who may hold a copy: by layouts and members, without those that were removed."""

from __future__ import annotations

from holdfast.placement.layout import Rules
from holdfast.replicas import view as views
from holdfast.replicas.view import View
from tests.fakes.views import layout_of, view_of

TWO = Rules(2, 2)


def test_nobody_is_asked_before_anything_was_read():
    assert View().everybody(5) == View().owners(5) == View().keepers(5) == ()


def test_keepers_are_the_owners_of_all_live_versions_newest_first():
    view = view_of(layout_of(1, "a", "b", rules=TWO), layout_of(2, "b", "c", rules=TWO))
    assert view.owners(0) == ("b", "c")
    assert view.keepers(0) == ("b", "c", "a")


def test_a_removed_node_owns_nothing_and_is_asked_nothing_whatever_the_layouts_say():
    view = view_of(layout_of(1, "a", "b", "c"), members=("d", "e"), removed=("b", "e"))
    for partition in range(3):
        assert "b" not in view.owners(partition) + view.keepers(partition) + view.everybody(partition)
    assert view.named == {"a", "c"}
    assert view.present == {"a", "c", "d"}
    assert view.removed == {"b", "e"}
    assert set(view.zones) == view.present


def test_everybody_means_keepers_then_handoffs_then_members_that_no_layout_names():
    view = view_of(layout_of(1, "a", "b", "c", "d", rules=TWO), members=("y", "x"))
    for partition in range(8):
        order = view.everybody(partition)
        assert set(order[:2]) == set(view.keepers(partition))
        assert set(order[2:4]) == {"a", "b", "c", "d"} - set(order[:2])
        assert order[4:] == ("x", "y")


def test_remembered_orders_are_bounded(monkeypatch):
    monkeypatch.setattr(views, "_REMEMBERED_NAMES", 30)
    view = view_of(layout_of(1, "a", "b", "c"))
    orders = [view.everybody(partition) for partition in range(100)]
    assert len(view._orders) <= 10
    assert orders == [view.everybody(partition) for partition in range(100)]
    assert view.everybody(99) is view.everybody(99)
