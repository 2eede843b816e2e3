"""``holdfast node show``: one node, what the metadata says of it and what it says itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holdfast.errors import UnavailableError
from holdfast.ops import console, picture
from holdfast.ops.console import bytes_text, counted
from holdfast.ops.node import lines as nodes
from holdfast.ops.node.asking import ask
from holdfast.ops.node.holding import at_risk, owned
from holdfast.ops.reach import AsJson, ConfigFile, Node, reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.ops.node.holding import Held
    from holdfast.ops.picture import NodeLine, Picture
    from holdfast.rpc.node import NodeStatus


def show(node: Node, config: ConfigFile = None, json_output: AsJson = False) -> None:
    """Show one node: its state, what it holds, and what would be lost with it."""
    with reached(config) as cluster:
        seen = picture.read(cluster)
        name = picture.find(seen, node).node_id
        (line,) = (line for line in picture.node_lines(seen) if line.node_id == name)
        status: NodeStatus | None = None
        copies: Held | None = None
        if line.alive is not None:
            try:
                status = cluster.directory.client(name).status()
                copies = ask(cluster, name)
            except UnavailableError as error:
                console.warn(f"node {name} does not answer: {error.message}")
    if json_output:
        console.show_json(
            nodes.as_json(line)
            | {
                "joined": _joined(line),
                "owned": owned(seen, name),
                "atRisk": list(at_risk(seen, name)),
                "held": {"blobs": copies.blobs, "bytes": copies.size_bytes} if copies else None,
                "uploads": status.uploads if status else None,
                "reserveBytes": status.reserve_bytes if status else None,
            }
        )
    else:
        console.show(*describe(seen, line, copies, status))


def describe(seen: Picture, line: NodeLine, copies: Held | None, status: NodeStatus | None) -> Iterator[str]:
    name, member, alive = line.node_id, line.member, line.alive
    yield f"node {name}: {line.state}"
    yield f"  address     {member.address}"
    yield f"  zone        {member.zone}" + (f" (configured {member.declared.zone})" if member.orders.zone else "")
    yield f"  weight      {member.weight}" + (" (ordered)" if member.orders.weight else "")
    yield f"  joined      {_joined(line)}"
    yield f"  partitions  {line.partitions} by the newest layout"
    if alive is not None:
        yield f"  version     {alive.version}"
        yield f"  space       {bytes_text(alive.free_bytes)} free of {bytes_text(alive.capacity_bytes)}"
        yield f"  repair      {repair_text(line)}"
    if copies is not None:
        yield f"  holds       {counted(copies.blobs, 'blob')}, {bytes_text(copies.size_bytes)}"
    if status is not None:
        yield f"  uploads     {status.uploads} open"
    extra = nodes.notes(line)
    if extra:
        yield f"  notes       {extra}"
    risk = at_risk(seen, name)
    if risk:
        yield f"  alone with  {counted(len(risk), 'partition')}: no other owner of them is alive"


def repair_text(line: NodeLine) -> str:
    """How far a node is with comparing its copies with the others'."""
    alive = line.alive
    if alive is None:
        return "-"
    repair = alive.repair
    at = f"{repair.done}/{repair.total} partitions compared" if repair.total else "idle"
    copied = f"{counted(repair.copied_blobs, 'blob')} copied ({bytes_text(repair.copied_bytes)})"
    return f"{at}; since its start {copied}, {counted(repair.failures, 'failure')}"


def _joined(line: NodeLine) -> str:
    return datetime.fromtimestamp(line.member.joined_seconds, UTC).isoformat(timespec="seconds")
