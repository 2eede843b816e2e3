"""``holdfast layout show``: the live layouts, each node's share of them, and who is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.ops import console, picture
from holdfast.ops.layout.planned import rules_json, rules_text
from holdfast.ops.reach import AsJson, ConfigFile, reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from holdfast.ops.console import JsonObject
    from holdfast.ops.picture import Picture


def show(config: ConfigFile = None, json_output: AsJson = False) -> None:
    """Show the live layouts, and who is waited for while one gives way to the next."""
    with reached(config) as cluster:
        seen = picture.read(cluster)
    if json_output:
        console.show_json(as_json(seen))
    else:
        console.show(*describe(seen))


def describe(seen: Picture) -> Iterator[RenderableType]:
    layouts = seen.view.layouts
    if layouts is None:
        yield "no layout is applied yet, so nothing can be stored: `holdfast layout plan`, then `holdfast layout apply`"
        return
    columns = [f"layout {layout.version}" for layout in layouts.live]
    made = console.table("node", "address", "zone", "weight", *columns, "synced", right=("weight", *columns))
    zones, shares = layouts.zones(), [layout.copies() for layout in layouts.live]
    weights = {role.node_id: role.weight for layout in layouts.live for role in layout.roles}
    for name in sorted(zones, key=lambda name: (zones[name], name)):
        member = seen.view.members.get(name)
        synced = (
            "yes" if not seen.is_changing or name in seen.synced else "waited for" if name in seen.waited_for else "-"
        )
        address = member.address if member else ""
        console.row(made, name, address, zones[name], weights[name], *(share.get(name, 0) for share in shares), synced)
    yield made
    yield f"layout {layouts.newest.version}: {rules_text(layouts.newest)}"
    if seen.is_changing:
        waiting = console.listed(sorted(seen.waited_for)) or "the older ones to be let go"
        yield f"a change is under way: {len(layouts.live)} layouts are live; waiting for {waiting}"


def as_json(seen: Picture) -> JsonObject:
    layouts = seen.view.layouts
    return {
        "revision": seen.view.live.revision,
        "changing": seen.is_changing,
        "waitedFor": sorted(seen.waited_for),
        "synced": sorted(seen.synced),
        "live": [
            {
                "version": layout.version,
                "rules": rules_json(layout),
                "nodes": [
                    {
                        "node": role.node_id,
                        "zone": role.zone,
                        "weight": role.weight,
                        "partitions": layout.copies()[role.node_id],
                    }
                    for role in layout.roles
                ],
            }
            for layout in (layouts.live if layouts else ())
        ],
    }
