"""From a cluster's state to what needs somebody."""

from __future__ import annotations

from dataclasses import replace

from holdfast.meta.etcd.operate import Alarm, EtcdStatus, MemberStatus
from holdfast.meta.etcd.options import endpoint
from holdfast.meta.layouts import DirtyMark
from holdfast.ops.picture import MOST_LOST, State, find, node_lines
from holdfast.ops.status.health import findings, living_copies, verdict
from holdfast.placement.layout import Rules
from tests.unit.ops.pictures import GIB, alive, layout, picture

ETCD = EtcdStatus(
    (MemberStatus(endpoint("http://127.0.0.1:2379"), None, 1, "3.5", True, 1 << 20, 1 << 20, 5),), 1, True, (), 2 * GIB
)


def problems(seen, etcd=ETCD):
    return [finding.what for finding in findings(etcd, seen) if finding.is_problem]


def notices(seen):
    return [finding.what for finding in findings(ETCD, seen) if not finding.is_problem]


def three(**more):
    return picture("a", "b", "c", layouts=[layout(1, "a", "b", "c")], **more)


def test_a_cluster_that_is_well_says_so():
    assert findings(ETCD, three()) == []
    assert verdict([], three()) == "healthy: 3 storage nodes alive, layout 1, 3 copies of everything"


def test_before_the_first_layout_somebody_is_needed():
    (what,) = problems(picture("a", "b"))
    assert "no layout is applied yet" in what


def test_etcd_without_quorum_is_the_verdict_even_if_nothing_else_can_be_read():
    lost = replace(ETCD, has_quorum=False)
    assert "no quorum" in verdict(findings(lost, None), None)


def test_etcd_members_alarms_and_quota_are_problems():
    silent = replace(ETCD, members=(*ETCD.members, MemberStatus(endpoint("http://10.0.0.1:2379"), "timed out")))
    assert problems(three(), silent) == ["etcd member http://10.0.0.1:2379 does not answer: timed out"]
    assert problems(three(), replace(ETCD, alarms=(Alarm(1, "NOSPACE"),))) == ["etcd has raised the alarm NOSPACE"]
    (what,) = problems(three(), replace(ETCD, quota_bytes=1 << 20))
    assert "pushes are refused" in what


def test_blobs_without_a_good_copy_are_a_problem():
    assert problems(replace(three(), lost=1)) == ["1 blob that images need has no good copy left"]
    assert problems(replace(three(), lost=2)) == ["2 blobs that images need have no good copy left"]
    (what,) = problems(replace(three(), lost=MOST_LOST))
    assert "or more" in what


def test_nodes_that_are_down_full_or_read_only_are_problems():
    assert problems(three(down=["b"])) == ["node b (b.example:5100) is down"]
    (what,) = problems(three(says={"b": alive(free_bytes=4 * GIB, reserve_bytes=5 * GIB)}))
    assert "is full" in what
    (what,) = problems(three(says={"b": alive(read_only=True)}))
    assert "takes no more writes" in what
    (what,) = problems(three(says={"b": alive(free_bytes=9 * GIB)}))
    assert "has only 9.00 GiB of 100 GiB free" in what
    assert problems(three(says={"b": alive(quarantined=2)})) == []
    assert "2 bad copies" in notices(three(says={"b": alive(quarantined=2)}))[0]


def test_a_removed_node_troubles_nobody():
    seen = picture("a", "b", "c", "d", layouts=[layout(1, "a", "b", "c")], removed=["d"], down=["d"])
    assert findings(ETCD, seen) == []


def test_partitions_are_counted_by_their_living_owners():
    assert living_copies(three(down=["b"])) == {2: 4096}
    seen = three(down=["a", "b"])
    assert living_copies(seen) == {1: 4096}
    assert any("fewer than 2 living owners" in what for what in problems(seen))
    assert any("no living owner" in what for what in problems(three(down=["a", "b", "c"])))


def test_a_removed_owner_is_no_living_copy():
    assert living_copies(three(removed=["b"])) == {2: 4096}


def test_dirty_partitions_are_counted_once():
    marks = (DirtyMark(5, 1, 9), DirtyMark(5, 2, 10), DirtyMark(6, 2, 11))
    assert problems(three(dirty=marks)) == ["2 partitions took writes that are short of copies"]


def test_a_change_under_way_is_a_problem_only_if_somebody_dead_is_waited_for():
    first = layout(1, "a", "b", "c")
    second = layout(2, "a", "b", "c", "d", previous=first)
    seen = picture("a", "b", "c", "d", layouts=[first, second], waited_for=["d"])
    assert problems(seen) == []
    assert "waiting for d" in notices(seen)[0]
    dead = picture("a", "b", "c", "d", layouts=[first, second], waited_for=["d"], down=["d"])
    assert any("waiting for d" in what for what in problems(dead))


def test_versions_side_by_side_are_a_notice():
    seen = three(says={"b": alive(version="1.1.0")}, minimum_version="1.0.0")
    assert problems(seen) == []
    assert "1.0.0 (2), 1.1.0 (1); new forms wait" in notices(seen)[0]


def test_a_gateway_of_another_version_counts_as_well():
    assert "1.0.0 (4), 1.1.0 (1)" in notices(three(gateways=["1.0.0", "1.1.0"]))[0]
    assert notices(three(gateways=["1.0.0"])) == []


def test_states():
    first = layout(1, "a", "b", "c", rules=Rules(2, 2))
    second = layout(2, "a", "b", "c", "d", rules=Rules(2, 2), previous=first)
    seen = picture(
        *("a", "b", "c", "d", "e", "f"),
        layouts=[first, second],
        waited_for=["a", "d"],
        draining=["b"],
        down=["c"],
        removed=["f"],
    )
    assert {line.node_id: line.state for line in node_lines(seen)} == {
        "a": State.ACTIVE,
        "b": State.DRAINING,
        "c": State.DOWN,
        "d": State.JOINING,
        "e": State.JOINING,
        "f": State.REMOVED,
    }
    assert node_lines(seen)[-1].node_id == "f"


def test_a_node_is_found_by_id_address_or_the_beginning_of_its_id():
    seen = picture("n12", "n13", "m1")
    assert find(seen, "n12").node_id == "n12"
    assert find(seen, "m").node_id == "m1"
    assert find(seen, "n13.example:5100").node_id == "n13"
