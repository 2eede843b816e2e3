"""Layouts from rules and roles: scenarios that name their reason, and promises at full size."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from holdfast.errors import LayoutInvalidError
from holdfast.placement import encoding
from holdfast.placement.changes import plan
from holdfast.placement.layout import Layout, NodeRole, Rules, shape_of
from holdfast.placement.ring import assign
from holdfast.placement.shares import ideal
from tests.unit.placement.cases import layout, many, roles

# Each line of a scenario is a layout, reached from the one above it, and the copies that its nodes own then. ``moved``: copies
# that had to be sent. Where rounding leaves a choice, ~ stands for "or one more or less".
SCENARIOS = """
equal nodes own equally much
    R=3 a/A b/B c/C                       a 4096  b 4096  c 4096

weights are shares
    R=1 a/A*1 b/A*3                       a 1024  b 3072

fewer nodes than replicas own everything
    R=3 a/A b/A                           a 4096  b 4096
    R=3 a/A b/A c/A                       a 4096  b 4096  c 4096                           moved 4096

a node whose share is more than one copy of everything is filled and the others take the rest
    R=2 a/A*10 b/A*1 c/A*1                a 4096  b 2048  c 2048

a zone smaller than its share is filled and the others take the rest
    R=2 a/A*8 b/B*1 c/C*1                 a 4096  b 2048  c 2048

with as many zones as replicas each zone has one copy of everything, whatever its weights
    R=3 a/A*9 b/B*1 c/C*1 d/C*3           a 4096  b 4096  c 1024  d 3072

with two zones and three replicas the smaller zone still has one copy of everything
    R=3 a/A*4 b/A*4 c/A*4 d/B*1           a ~2731 b ~2731 c ~2731 d 4096

a lone node in a zone takes one copy of everything and no more
    R=4 a/A b/B c/B d/B                   a 4096  b 4096  c 4096  d 4096

a node that comes takes its share, and nothing else moves
    R=3 a/A b/A c/A                       a 4096  b 4096  c 4096
    R=3 a/A b/A c/A d/A                   a 3072  b 3072  c 3072  d 3072                   moved 3072

a node that goes leaves its share, and nothing else moves
    R=2 a/A b/A c/A d/A                   a 2048  b 2048  c 2048  d 2048
    R=2 a/A b/A c/A                       a ~2731 b ~2731 c ~2731                          moved 2048

a node that comes back gets no more than what it left
    R=1 a/A b/A                           a 2048  b 2048
    R=1 a/A                               a 4096                                           moved 2048
    R=1 a/A b/A                           a 2048  b 2048                                   moved 2048

a heavier node takes the difference
    R=1 a/A*1 b/A*1                       a 2048  b 2048
    R=1 a/A*3 b/A*1                       a 3072  b 1024                                   moved 1024

a replica more is one copy more of everything
    R=2 a/A b/A c/A d/A                   a 2048  b 2048  c 2048  d 2048
    R=3 a/A b/A c/A d/A                   a 3072  b 3072  c 3072  d 3072                   moved 4096

a replica less moves nothing
    R=3 a/A b/A c/A d/A                   a 3072  b 3072  c 3072  d 3072
    R=2 a/A b/A c/A d/A                   a 2048  b 2048  c 2048  d 2048                   moved 0

a second zone gets one of two copies, the first zone gives them up
    R=2 a/A b/A                           a 4096  b 4096
    R=2 a/A b/A c/B                       a 2048  b 2048  c 4096                           moved 4096

a new zone beside three takes its share only
    R=3 a/A b/B c/C                       a 4096  b 4096  c 4096
    R=3 a/A b/B c/C d/D                   a 3072  b 3072  c 3072  d 3072                   moved 3072

a node that changes its zone gives way only where the zones want it
    R=2 a/A b/A c/B d/B                   a 2048  b 2048  c 2048  d 2048
    R=2 a/A b/C c/B d/B                   a 2048  b 2048  c 2048  d 2048                   moved 0

a node that is replaced by another moves just what it owned
    R=3 a/A b/B c/C                       a 4096  b 4096  c 4096
    R=3 a/A b/B d/C                       a 4096  b 4096  d 4096                           moved 4096

when all nodes are replaced everything moves
    R=1 a/A b/A                           a 2048  b 2048
    R=1 c/A d/A                           c 2048  d 2048                                   moved 4096

when nothing changes nothing moves
    R=3 a/A*3 b/A*7 c/B*5 d/B*2 e/C*9
    R=3 a/A*3 b/A*7 c/B*5 d/B*2 e/C*9                                                      moved 0
"""


def scenarios():
    for block in SCENARIOS.strip().split("\n\n"):
        name, *lines = block.splitlines()
        yield pytest.param(lines, id=name)


@pytest.mark.parametrize("lines", list(scenarios()))
def test_scenario(lines):
    previous = None
    for version, line in enumerate(lines, 1):
        words = line.split()
        cluster = [word for word in words if "/" in word or word.startswith("R=")]
        expected = dict(zip(words[len(cluster) :: 2], words[len(cluster) + 1 :: 2], strict=True))
        moves = expected.pop("moved", None)
        new = layout(" ".join(cluster), version, previous)
        owned = new.copies()
        for node, copies in expected.items():
            assert abs(owned[node] - int(copies.lstrip("~"))) <= ("~" in copies), (node, owned)
        if moves is not None:
            assert plan(previous, new).moved_copies == int(moves)
        previous = new


CLUSTERS = {"3 nodes": (3, 3), "10 nodes": (10, 2), "100 nodes, no zones": (100, 1), "1000 nodes": (1000, 10)}
CHANGES = {
    "one more": lambda known, zones: [*known, *many(1, zones, first=len(known))],
    "one less": lambda known, _: known[1:],
    "a zone less": lambda known, _: [role for role in known if role.zone != "z0"] or known,
    "a heavier node": lambda known, _: [NodeRole(known[0].node_id, known[0].zone, 9), *known[1:]],
    "other weights": lambda known, _: [NodeRole(r.node_id, r.zone, 1 + i % 6) for i, r in enumerate(known)],
    "other zones": lambda known, zones: [
        NodeRole(r.node_id, f"z{i // 2 % zones}", r.weight) for i, r in enumerate(known)
    ],
}


def imbalance(new: Layout) -> float:
    """The largest departure from the ideal share, in copies beyond what is allowed."""
    shares = ideal(shape_of(new.rules, new.roles), [role.weight for role in new.roles])
    copies = new.copies()
    return max(
        abs(copies[role.node_id] - share) - max(share * 3 / 100, 1)
        for role, share in zip(new.roles, shares, strict=True)
    )


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(("nodes", "zones"), CLUSTERS.values(), ids=CLUSTERS)
def test_a_change_ends_in_balance_and_moves_no_more_than_is_proven_necessary(nodes, zones, change):
    old = assign(1, Rules.majority(), many(nodes, zones), None)
    new = assign(2, Rules.majority(), change(many(nodes, zones), zones), old)
    assert imbalance(old) <= 0
    assert imbalance(new) <= 0
    found = plan(old, new)
    assert found.moved_copies == found.lower_bound_moves


def led(new: Layout) -> dict[str, int]:
    return Counter(new.owners(partition)[0] for partition in range(4096))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_node_leads_its_share_of_what_it_owns(change):
    old = assign(1, Rules.majority(), many(40, 4), None)
    new = assign(2, Rules.majority(), change(many(40, 4), 4), old)
    for each in (old, new):
        leads = led(each)
        assert all(abs(leads[node] - copies / 3) < 1 for node, copies in each.copies().items())


def test_a_partition_keeps_its_leader_while_shares_allow():
    old = layout("R=2 a/A b/A c/A d/A")
    same = layout("R=2 a/A b/A c/A d/A", 2, old)
    assert same.table == old.table
    more = layout("R=2 a/A b/A c/A d/A e/A", 2, old)
    could = [partition for partition in range(4096) if old.owners(partition)[0] in more.owners(partition)]
    kept = sum(old.owners(partition)[0] == more.owners(partition)[0] for partition in could)
    assert kept > len(could) * 0.8


def test_when_a_node_dies_nearly_all_others_help():
    new = assign(1, Rules.majority(), many(40, 4), None)
    peers = {node for row in (new.owners(p) for p in range(4096)) if "n0000" in row for node in row}
    # The ten nodes of its own zone, itself included, share no partition with it.
    assert len(peers - {"n0000"}) > 27


def test_when_all_nodes_are_replaced_the_new_ones_are_mixed_as_well():
    old = assign(1, Rules.majority(), many(40, 4), None)
    kept_one = [*many(1, 4), *many(40, 4, first=40)]
    new = assign(2, Rules.majority(), kept_one, old)
    peers = {node for row in (new.owners(p) for p in range(4096)) if "n0041" in row for node in row}
    # Without mixing it would be two or three.
    assert len(peers) > 20


def test_the_order_in_which_roles_are_given_does_not_matter():
    known = many(30, 3)
    assert assign(1, Rules.majority(), known, None) == assign(1, Rules.majority(), reversed(known), None)


# A layout for 7 nodes in 3 zones, then one for 8: what these bytes are must never change, or two builds would disagree.
PINNED = "dcb8f3e6c3114ba53cd3324c1c2701e3a27514fa123bcfc1d1caa393dae9e2d1"
PROGRAM = """
import hashlib, sys
from holdfast.placement import encoding
from tests.unit.placement.cases import layout
old = layout("R=3 a/A*3 b/A*7 c/B*5 d/B*2 e/C*9 f/C g/C*4")
new = layout("R=3 a/A*3 b/A*7 c/B*5 d/B*2 e/C*9 f/C g/C*4 h/D*3", 2, old)
sys.stdout.write(hashlib.sha256(encoding.encode(old) + encoding.encode(new)).hexdigest())
"""


@pytest.mark.parametrize("seed", ["0", "1", "77"])
def test_equal_input_gives_equal_bytes_in_every_process(seed):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
    )
    assert done.stdout == PINNED


def test_versions_rise():
    old = layout("R=1 a/A", 5)
    for version in (4, 5):
        with pytest.raises(LayoutInvalidError, match="versions rise"):
            layout("R=1 a/A", version, old)


def test_a_layout_has_nodes_and_each_of_them_once():
    for nodes in ([], roles("a/A a/A")):
        with pytest.raises(LayoutInvalidError):
            assign(1, Rules.majority(), nodes, None)


def test_a_layout_of_a_thousand_nodes_fits_in_sixty_kibibytes():
    known = [NodeRole(f"{number:032x}", f"zone-{number % 12}", 4000 + number) for number in range(1000)]
    assert len(encoding.encode(assign(1, Rules.majority(), known, None))) <= 60 * 1024
