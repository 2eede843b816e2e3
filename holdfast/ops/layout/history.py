"""``holdfast layout history``: every layout that was ever applied, and what each moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holdfast.ops import console
from holdfast.ops.layout.planned import rules_json
from holdfast.ops.reach import AsJson, ConfigFile, reached
from holdfast.placement import changes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.console import RenderableType

    from holdfast.meta.layouts import PastLayout
    from holdfast.ops.console import JsonObject
    from holdfast.placement.layout import Layout


@dataclass(frozen=True, slots=True)
class Line:
    """A layout, how it differs from the one before, and whether it is live."""

    past: PastLayout
    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved_copies: int
    is_live: bool


def history(config: ConfigFile = None, json_output: AsJson = False) -> None:
    """Show every layout that was ever applied, oldest first."""
    with reached(config) as cluster:
        layouts = cluster.book.live().layouts
        live = {layout.version for layout in layouts.live} if layouts else set()
        lines = lines_of(cluster.book.history(), live)
    if json_output:
        console.show_json([as_json(line) for line in lines])
    elif lines:
        console.show(describe(lines))
    else:
        console.show("no layout was ever applied: `holdfast layout plan`, then `holdfast layout apply`")


def lines_of(past: Sequence[PastLayout], live: Collection[int]) -> list[Line]:
    before: Layout | None = None
    lines = []
    for one in past:
        layout = one.layout
        had, has = set(before.zones() if before else ()), set(layout.zones())
        moved = sum(len(change.added) for change in changes.partitions(before, layout)) if before else 0
        added, removed = tuple(sorted(has - had)), tuple(sorted(had - has))
        lines.append(Line(one, added, removed, moved, layout.version in live))
        before = layout
    return lines


def as_json(line: Line) -> JsonObject:
    layout = line.past.layout
    return {
        "version": layout.version,
        "applied": _applied(line),
        "live": line.is_live,
        "rules": rules_json(layout),
        "nodes": len(layout.roles),
        "zones": len({role.zone for role in layout.roles}),
        "added": list(line.added),
        "removed": list(line.removed),
        "movedCopies": line.moved_copies,
    }


def describe(lines: Sequence[Line]) -> RenderableType:
    numbers = ("version", "nodes", "zones", "copies", "durable", "moved")
    made = console.table(
        "version", "applied", "live", "nodes", "zones", "copies", "durable", "moved", "came", "left", right=numbers
    )
    for line in lines:
        layout = line.past.layout
        console.row(
            made,
            layout.version,
            _applied(line),
            "yes" if line.is_live else "",
            len(layout.roles),
            len({role.zone for role in layout.roles}),
            layout.rules.replicas,
            layout.rules.write_quorum,
            line.moved_copies,
            console.listed(line.added, 3),
            console.listed(line.removed, 3),
        )
    return made


def _applied(line: Line) -> str:
    return datetime.fromtimestamp(line.past.created_seconds, UTC).isoformat(timespec="seconds")
