"""``holdfast node set-weight`` and ``set-zone``: the operator's word about a node, which outweighs its own configuration.

Never: moves anything. Several such changes are moved at once by `holdfast layout apply`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.ops import console, picture
from holdfast.ops.reach import AsJson, ConfigFile, Node, reached
from holdfast.placement.layout import MAX_WEIGHT, NodeRole

if TYPE_CHECKING:
    from pathlib import Path

Weight = Annotated[
    int, typer.Argument(min=0, max=MAX_WEIGHT, help="Share, relative to other nodes' weights. 0: the node's own word.")
]
Zone = Annotated[str, typer.Argument(help='What fails together with it, such as a rack. "": the node\'s own word.')]


def set_weight(node: Node, weight: Weight, config: ConfigFile = None, json_output: AsJson = False) -> None:
    """Change a node's share of the data. `layout apply` makes it so."""
    _order(config, node, json_output=json_output, weight=weight)


def set_zone(node: Node, zone: Zone, config: ConfigFile = None, json_output: AsJson = False) -> None:
    """Change the zone a node is counted in. `layout apply` makes it so."""
    _order(config, node, json_output=json_output, zone=zone)


def _order(
    config: Path | None, node: str, *, json_output: bool, zone: str | None = None, weight: int | None = None
) -> None:
    with reached(config) as cluster:
        member = picture.find(picture.read(cluster), node)
        if zone:
            NodeRole(member.node_id, zone, member.weight)  # refuses a name that no layout could hold
        member = cluster.members.order(member.node_id, zone=zone, weight=weight)
    if json_output:
        console.show_json({"node": member.node_id, "zone": member.zone, "weight": member.weight})
    else:
        console.show(
            f"node {member.node_id}: zone {member.zone}, weight {member.weight}; `holdfast layout plan` shows what that moves"
        )
