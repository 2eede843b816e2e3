"""What the next layout would be, what speaks against it, and what it moves. Pure.

Promises: the roles are the members that the operator wants present, alive or not. Rules that are not named stay as they are; the
first layout has three copies, or one on each node if there are fewer, and a majority must be durable. A write quorum that was the
majority stays the majority when the number of copies changes.

Refusals can be forced; what the rules of placement exclude is LayoutInvalidError and cannot.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import LayoutInvalidError
from holdfast.ops.console import bytes_text, counted, listed
from holdfast.placement import changes, ring
from holdfast.placement.layout import NodeRole, Rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from holdfast.meta.members import Alive, Member
    from holdfast.ops.picture import Picture
    from holdfast.placement.changes import Plan
    from holdfast.placement.layout import Layout

_FIRST_REPLICAS: Final = 3


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator named. None: as it is."""

    replicas: int | None = None
    write_quorum: int | None = None
    zone_strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a node is sent and what it may drop in the end, as far as nodes tell sizes."""

    in_bytes: int = 0
    out_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """``refusals``: what must be forced."""

    layout: Layout
    previous: Layout | None
    plan: Plan
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def is_change(self) -> bool:
        before = self.previous
        return before is None or (before.rules, before.roles, before.table) != (
            self.layout.rules,
            self.layout.roles,
            self.layout.table,
        )


def propose(
    picture: Picture, wishes: Wishes, *, leaving: Collection[str] = (), joining: Collection[str] = ()
) -> Proposal:
    """``leaving`` and ``joining``: nodes about which the operator is just changing his mind.

    Raises:
        LayoutInvalidError: no node is present, or the rules contradict themselves or the zones.
    """
    members = [
        member
        for member in picture.view.members.values()
        if (member.takes_part or member.node_id in joining) and member.node_id not in leaving
    ]
    if not members:
        raise LayoutInvalidError(
            "no storage node would be left to hold data; start one by `holdfast storagenode CONFIG`, or undrain one"
        )
    previous = picture.newest
    rules = rules_for(wishes, previous.rules if previous else None, len(members))
    roles = [NodeRole(member.node_id, member.zone, member.weight) for member in members]
    layout = ring.assign(previous.version + 1 if previous else 1, rules, roles, previous)
    return Proposal(
        layout,
        previous,
        changes.plan(previous, layout),
        tuple(_warnings(layout, members, picture.view.alive)),
        tuple(_refusals(picture, layout)),
    )


def rules_for(wishes: Wishes, previous: Rules | None, nodes: int) -> Rules:
    """Raises LayoutInvalidError."""
    standing = previous or Rules.majority(min(_FIRST_REPLICAS, nodes))
    replicas = standing.replicas if wishes.replicas is None else wishes.replicas
    quorum = wishes.write_quorum
    if quorum is None:
        was_majority = standing.write_quorum == _majority(standing.replicas)
        quorum = _majority(replicas) if was_majority else min(standing.write_quorum, replicas)
    strict = standing.zone_strict if wishes.zone_strict is None else wishes.zone_strict
    return Rules(replicas, quorum, strict)


def _majority(replicas: int) -> int:
    return replicas // 2 + 1


def _refusals(picture: Picture, layout: Layout) -> Iterable[str]:
    if picture.is_changing:
        waiting = f"; waiting for {listed(sorted(picture.waited_for))}" if picture.waited_for else ""
        yield (
            f"the change before is not finished{waiting}. Every further one makes writes go to more nodes."
            " `holdfast layout show` tells how far it is; `holdfast layout skip-dead` ends waiting for a dead node"
        )
    quorum = layout.rules.write_quorum
    if len(layout.roles) < quorum:
        yield (
            f"{counted(len(layout.roles), 'node')} cannot acknowledge a write that must be durable on {quorum};"
            " add nodes, or name a smaller --replicas and --write-quorum"
        )


def _warnings(layout: Layout, members: Collection[Member], alive: Mapping[str, Alive]) -> Iterable[str]:
    yield from _fragility(layout)
    copies = layout.copies()
    for member in members:
        found = alive.get(member.node_id)
        share = counted(copies[member.node_id], "partition")
        if found is None:
            yield (
                f"node {member.node_id} ({member.address}) is down and would own {share}: the change ends only when it is back."
                " If it is not coming back: `holdfast node remove --force` it first"
            )
        elif found.read_only:
            yield f"node {member.node_id} ({member.address}) is read-only and would own {share}: look at its disk first"


def _fragility(layout: Layout) -> Iterable[str]:
    """What the loss of one node, or of one zone, would do."""
    rules, nodes = layout.rules, len(layout.roles)
    if rules.replicas > nodes:
        yield f"{counted(rules.replicas, 'copy', 'copies')} are wanted and there are {counted(nodes, 'node')}: each holds one"
    if min(rules.replicas, nodes) == 1:
        yield "every blob is on one node only: a lost disk is lost data"
    if nodes - 1 < rules.write_quorum <= nodes:
        yield (
            f"with one node down no write succeeds: {rules.write_quorum} of {counted(nodes, 'node')} must confirm."
            f" Add a node, or choose a smaller --write-quorum"
        )
    zones = Counter(role.zone for role in layout.roles)
    if len(zones) == 1:
        if nodes > 1:
            yield f"all nodes are in zone {layout.roles[0].zone}: what takes the zone takes everything"
        return
    largest, count = max(zones.items(), key=lambda item: (item[1], item[0]))
    left = len(zones) - 1 if rules.zone_strict else nodes - count
    if left < rules.write_quorum <= nodes:
        what = "zones" if rules.zone_strict else "nodes"
        yield (
            f"with zone {largest} down no write succeeds: {rules.write_quorum} {what} must confirm and {left} would be left"
        )


def traffic(plan: Plan, sizes: Mapping[int, int]) -> dict[str, Traffic]:
    """By node. ``sizes``: bytes in each partition that holds something."""
    gains: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    for change in plan.partitions:
        size = sizes.get(change.partition, 0)
        gains.update(dict.fromkeys(change.added, size))
        losses.update(dict.fromkeys(change.removed, size))
    return {node: Traffic(gains[node], losses[node]) for node in {*gains, *losses}}


def too_full(moved: Mapping[str, Traffic], alive: Mapping[str, Alive]) -> list[str]:
    """Warnings: nodes that have not the room for what they would be sent."""
    return [
        f"node {node} would be sent about {bytes_text(moved[node].in_bytes)} and has {bytes_text(found.free_bytes)} free"
        for node, found in sorted(alive.items())
        if node in moved and moved[node].in_bytes > found.free_bytes
    ]
