"""What the next layout would be, and what speaks against it."""

from __future__ import annotations

import pytest

from holdfast.errors import LayoutInvalidError
from holdfast.ops.layout.proposal import Wishes, propose, rules_for, too_full, traffic
from holdfast.placement.layout import Rules
from tests.unit.ops.pictures import GIB, alive, layout, picture

NOTHING = Wishes()


@pytest.mark.parametrize(
    ("nodes", "expected"), [(1, Rules(1, 1)), (2, Rules(2, 2)), (3, Rules(3, 2)), (8, Rules(3, 2))]
)
def test_the_first_layout_has_three_copies_or_one_on_each_node(nodes, expected):
    assert rules_for(NOTHING, None, nodes) == expected


def test_rules_that_are_not_named_stay_as_they_are():
    assert rules_for(NOTHING, Rules(5, 2, zone_strict=True), 9) == Rules(5, 2, zone_strict=True)
    assert rules_for(Wishes(zone_strict=False), Rules(5, 2, zone_strict=True), 9) == Rules(5, 2)
    assert rules_for(Wishes(write_quorum=1), Rules(3, 2), 9) == Rules(3, 1)


def test_a_majority_stays_the_majority_when_the_number_of_copies_changes():
    assert rules_for(Wishes(replicas=5), Rules(3, 2), 9) == Rules(5, 3)
    assert rules_for(Wishes(replicas=2), Rules(3, 3), 9) == Rules(2, 2)
    assert rules_for(Wishes(replicas=5), Rules(3, 3), 9) == Rules(5, 3)


def test_a_quorum_above_the_copies_is_refused_by_placement_itself():
    with pytest.raises(LayoutInvalidError):
        rules_for(Wishes(replicas=2, write_quorum=3), None, 9)


def test_only_nodes_that_shall_be_present_get_a_share():
    seen = picture("a", "b", "c", "d", "e", draining=["b"], removed=["c"], down=["d"])
    assert [role.node_id for role in propose(seen, NOTHING).layout.roles] == ["a", "d", "e"]
    assert [role.node_id for role in propose(seen, NOTHING, leaving=["a"]).layout.roles] == ["d", "e"]
    assert [role.node_id for role in propose(seen, NOTHING, joining=["b"]).layout.roles] == ["a", "b", "d", "e"]


def test_nobody_left_is_refused_with_what_to_do():
    with pytest.raises(LayoutInvalidError, match="storagenode CONFIG"):
        propose(picture(), NOTHING)


def test_the_same_nodes_again_are_no_change():
    first = layout(1, "a", "b", "c")
    assert not propose(picture("a", "b", "c", layouts=[first]), NOTHING).is_change
    assert propose(picture("a", "b", "c", layouts=[first]), Wishes(replicas=2)).is_change
    assert propose(picture("a", "b", "c@other", layouts=[first]), NOTHING).is_change
    assert propose(picture("a", "b", "c", "d", layouts=[first]), NOTHING).is_change


def test_a_change_that_is_not_finished_must_be_forced():
    first = layout(1, "a", "b", "c")
    second = layout(2, "a", "b", "c", "d", previous=first)
    seen = picture("a", "b", "c", "d", "e", layouts=[first, second], waited_for=["c"])
    (refusal,) = propose(seen, NOTHING).refusals
    assert "not finished" in refusal
    assert "waiting for c" in refusal
    assert propose(picture("a", "b", "c", "d", "e", layouts=[second]), NOTHING).refusals == ()


def test_fewer_nodes_than_the_quorum_must_be_forced():
    seen = picture("a", "b", "c", layouts=[layout(1, "a", "b", "c")])
    (refusal,) = propose(seen, NOTHING, leaving=["b", "c"]).refusals
    assert "cannot acknowledge" in refusal
    assert propose(seen, NOTHING, leaving=["c"]).refusals == ()


def warnings(seen, **wishes):
    return propose(seen, Wishes(**wishes)).warnings


def has(found, *words):
    return any(all(word in text for word in words) for text in found)


def test_a_quorum_that_one_dead_node_breaks_is_warned_of():
    assert has(warnings(picture("a", "b")), "one node down", "2 of 2 nodes")
    assert not has(warnings(picture("a", "b", "c")), "one node down")
    assert has(warnings(picture("a", "b", "c"), write_quorum=3), "one node down")


def test_a_quorum_that_one_dead_zone_breaks_is_warned_of():
    assert has(warnings(picture("a@one", "b@one", "c@two")), "zone one down")
    assert not has(warnings(picture("a@one", "b@one", "c@two", "d@two")), "zone", "down")
    assert has(warnings(picture("a@one", "b@one", "c@two", "d@two"), zone_strict=True), "2 zones must confirm")
    assert not has(warnings(picture("a@1", "b@2", "c@3"), zone_strict=True), "down")


def test_copies_without_zones_or_company_are_warned_of():
    assert has(warnings(picture("a")), "one node only")
    assert has(warnings(picture("a", "b", "c")), "all nodes are in zone z")
    assert has(warnings(picture("a", "b"), replicas=3), "3 copies", "2 nodes")


def test_a_node_that_cannot_take_its_share_is_warned_of():
    assert has(warnings(picture("a", "b", "c", down=["b"])), "node b", "is down")
    assert has(warnings(picture("a", "b", "c", says={"c": alive(read_only=True)})), "node c", "read-only")


def test_bytes_are_counted_where_they_go_and_where_they_are_freed():
    first = layout(1, "a", "b", "c")
    proposal = propose(picture("a", "b", "c", "d", layouts=[first]), NOTHING)
    sizes = dict.fromkeys(range(4096), 10)
    moved = traffic(proposal.plan, sizes)
    gained = {change.node_id: change.gained for change in proposal.plan.nodes}
    assert moved["d"].in_bytes == 10 * gained["d"] > 0
    assert sum(one.in_bytes for one in moved.values()) == sum(one.out_bytes for one in moved.values())
    assert traffic(proposal.plan, {})["d"].in_bytes == 0


def test_a_node_without_the_room_is_named():
    proposal = propose(picture("a", "b", "c", "d", layouts=[layout(1, "a", "b", "c")]), NOTHING)
    moved = traffic(proposal.plan, dict.fromkeys(range(4096), GIB))
    (warning,) = too_full(moved, {"a": alive(), "d": alive(free_bytes=GIB)})
    assert warning.startswith("node d would be sent about")
