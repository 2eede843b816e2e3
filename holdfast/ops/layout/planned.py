"""A proposal as people and programs read it. Shared by ``layout plan``, ``layout apply``, ``node drain`` and ``node undrain``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast.ops.console import bytes_text, row, table
from holdfast.ops.layout.proposal import Traffic, too_full, traffic
from holdfast.ops.layout.sizes import held_by, partition_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

    from holdfast.ops.console import JsonObject
    from holdfast.ops.layout.proposal import Proposal
    from holdfast.ops.picture import Picture
    from holdfast.placement.layout import Layout
    from holdfast.replicas.access import ClusterAccess


@dataclass(frozen=True, slots=True)
class Planned:
    """A proposal and the bytes that it moves."""

    proposal: Proposal
    moved: Mapping[str, Traffic]

    @property
    def moved_bytes(self) -> int:
        return sum(one.in_bytes for one in self.moved.values())


def weighed(cluster: ClusterAccess, picture: Picture, proposal: Proposal) -> Planned:
    """Ask the nodes how much it is that would move; a warning for each that has no room."""
    previous = proposal.previous
    if previous is None or not proposal.plan.moved_copies:
        return Planned(proposal, {})
    held = held_by(cluster, [role.node_id for role in previous.roles if role.node_id in picture.view.alive])
    moved = traffic(proposal.plan, partition_sizes(held))
    warnings = (*proposal.warnings, *too_full(moved, picture.view.alive))
    return Planned(replace(proposal, warnings=warnings), moved)


def describe(planned: Planned) -> Iterator[RenderableType]:
    """The table, what it comes to, warnings and refusals."""
    proposal = planned.proposal
    before, after = proposal.previous, proposal.layout
    if not proposal.is_change:
        yield f"layout {after.version - 1} is what apply would make: nothing to do"
    else:
        yield _nodes(planned)
        yield f"layout {after.version}: {rules_text(after)}"
        if before is None:
            yield "it is the first layout: nothing moves"
        else:
            yield (
                f"moves {proposal.plan.moved_copies} copies of partitions (the fewest possible: {proposal.plan.lower_bound_moves}),"
                f" about {bytes_text(planned.moved_bytes)}"
            )
    yield from (f"warning: {text}" for text in proposal.warnings)
    yield from (f"refused without --force: {text}" for text in proposal.refusals)


def _nodes(planned: Planned) -> RenderableType:
    old, new = planned.proposal.previous, planned.proposal.layout
    made = table(
        *("node", "zone", "weight", "partitions before", "after", "gains", "loses", "sent to it", "freed on it"),
        right=("weight", "partitions before", "after", "gains", "loses", "sent to it", "freed on it"),
    )
    roles = {role.node_id: role for layout in (old, new) if layout for role in layout.roles}
    changed = {change.node_id: change for change in planned.proposal.plan.nodes}
    before, after = old.copies() if old else {}, new.copies()
    for name, role in sorted(roles.items(), key=lambda item: (item[1].zone, item[0])):
        change, moved = changed.get(name), planned.moved.get(name, Traffic())
        row(
            made,
            name,
            role.zone,
            role.weight if name in after else "leaves",
            before.get(name, 0),
            after.get(name, 0),
            change.gained if change else 0,
            change.lost if change else 0,
            bytes_text(moved.in_bytes) if moved.in_bytes else "",
            bytes_text(moved.out_bytes) if moved.out_bytes else "",
        )
    return made


def rules_text(layout: Layout) -> str:
    """``3 copies, a write is acknowledged when 2 are durable, ...``."""
    rules = layout.rules
    spread = "always in different zones" if rules.zone_strict else "in different zones while there are enough"
    copies = "1 copy" if rules.replicas == 1 else f"{rules.replicas} copies"
    durable = "1 is" if rules.write_quorum == 1 else f"{rules.write_quorum} are"
    return f"{copies}, a write is acknowledged when {durable} durable, copies {spread}"


def rules_json(layout: Layout) -> JsonObject:
    rules = layout.rules
    return {"replicas": rules.replicas, "writeQuorum": rules.write_quorum, "zoneStrict": rules.zone_strict}


def as_json(planned: Planned) -> JsonObject:
    proposal = planned.proposal
    old, new = proposal.previous, proposal.layout
    before, after = old.copies() if old else {}, new.copies()
    changed = {change.node_id: change for change in proposal.plan.nodes}
    roles = {role.node_id: role for layout in (old, new) if layout for role in layout.roles}
    return {
        "version": new.version if proposal.is_change else new.version - 1,
        "change": proposal.is_change,
        "rules": rules_json(new),
        "movedCopies": proposal.plan.moved_copies if old else 0,
        "fewestMoves": proposal.plan.lower_bound_moves if old else 0,
        "movedBytes": planned.moved_bytes,
        "nodes": [
            {
                "node": name,
                "zone": role.zone,
                "weight": role.weight,
                "partitionsBefore": before.get(name, 0),
                "partitionsAfter": after.get(name, 0),
                "gains": changed[name].gained if name in changed else 0,
                "loses": changed[name].lost if name in changed else 0,
                "sentBytes": planned.moved.get(name, Traffic()).in_bytes,
                "freedBytes": planned.moved.get(name, Traffic()).out_bytes,
            }
            for name, role in sorted(roles.items())
        ],
        "warnings": list(proposal.warnings),
        "refusals": list(proposal.refusals),
    }
