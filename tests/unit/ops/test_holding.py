"""Why a node should stay, and what would be lost with it."""

from __future__ import annotations

from holdfast.meta.layouts import DirtyMark
from holdfast.ops.node.holding import at_risk, held, owned, reasons_to_keep
from holdfast.placement.layout import Rules
from holdfast.rpc.node import PartitionSum
from tests.unit.ops.pictures import layout, picture

EMPTY = held([])
TWO = layout(1, "a", "b", "c", rules=Rules(2, 2))


def seen(**more):
    return picture("a", "b", "c", "d", layouts=[TWO], **more)


def reasons(found, name, copies=EMPTY):
    return reasons_to_keep(found, found.view.members[name], copies)


def test_a_node_that_owns_and_holds_nothing_may_go():
    assert reasons(seen(), "d") == []


def test_an_owner_is_to_be_drained_first():
    (reason,) = reasons(seen(), "a")
    assert f"{owned(seen(), 'a')} partitions" in reason
    assert "node drain a" in reason


def test_a_node_that_still_holds_copies_is_to_be_waited_for():
    (reason,) = reasons(seen(), "d", held([PartitionSum(5, 2, b"x", 10), PartitionSum(9, 1, b"y", 5)]))
    assert "3 blobs in 2 partitions" in reason


def test_the_last_living_owner_is_counted_by_partition():
    together = [number for number in range(4096) if set(TWO.owners(number)) == {"a", "b"}]
    assert at_risk(seen(down=["b"]), "a") == tuple(together)
    assert at_risk(seen(), "a") == ()
    assert any("would be lost" in reason for reason in reasons(seen(down=["b"]), "a"))


def test_what_is_lost_already_is_not_blamed_on_another_node():
    assert at_risk(seen(down=["a", "b"]), "d") == ()


def test_a_removed_owner_counts_as_gone():
    assert at_risk(seen(removed=["b"]), "a") == at_risk(seen(down=["b"]), "a") != ()


def test_a_second_live_layout_keeps_a_partition_alive():
    second = layout(2, "c", "d", rules=Rules(2, 2), previous=TWO)
    both = picture("a", "b", "c", "d", layouts=[TWO, second], down=["b"])
    assert at_risk(both, "a") == ()
    assert owned(both, "a") == owned(seen(), "a") > 0


def test_a_dead_node_may_hold_what_dirty_partitions_lack():
    found = seen(down=["d"], dirty=[DirtyMark(0xABC, 1, 3)])
    (reason,) = reasons(found, "d", None)
    assert "may hold the one that is missing" in reason
    assert "abc" in reason
    assert reasons(seen(down=["d"]), "d", None) == []
