"""Nodes as people and programs read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.ops.console import bytes_text, listed, row, table
from holdfast.ops.picture import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from holdfast.ops.console import JsonObject
    from holdfast.ops.picture import NodeLine


def as_table(lines: Iterable[NodeLine]) -> Table:
    numbers = ("weight", "partitions", "free", "capacity")
    made = table(
        *("node", "state", "zone", "weight", "address", "version", "partitions", "free", "capacity", "notes"),
        right=numbers,
    )
    for line in lines:
        alive = line.alive
        row(
            made,
            line.node_id,
            line.state,
            line.member.zone,
            line.member.weight,
            line.member.address,
            alive.version if alive else "",
            line.partitions,
            bytes_text(alive.free_bytes) if alive else "",
            bytes_text(alive.capacity_bytes if alive else line.member.declared.capacity_bytes),
            notes(line),
        )
    return made


def notes(line: NodeLine) -> str:
    """What is out of the ordinary, in a few words."""
    alive, found = line.alive, []
    if line.state is State.DOWN and not line.member.takes_part:
        found.append("draining")
    if alive is not None:
        if alive.read_only:
            found.append("read-only")
        if alive.is_full:
            found.append("full")
        if alive.quarantined:
            found.append(f"{alive.quarantined} in quarantine")
        if alive.repair.total:
            found.append(f"repair {alive.repair.done}/{alive.repair.total}")
    return listed(found)


def as_json(line: NodeLine) -> JsonObject:
    """``alive`` null: it holds no lease."""
    member, alive = line.member, line.alive
    return {
        "node": line.node_id,
        "state": line.state.value,
        "intent": member.orders.intent.name.lower(),
        "address": member.address,
        "zone": member.zone,
        "weight": member.weight,
        "partitions": line.partitions,
        "capacityBytes": alive.capacity_bytes if alive else member.declared.capacity_bytes,
        "alive": None
        if alive is None
        else {
            "version": alive.version,
            "host": alive.host_id,
            "freeBytes": alive.free_bytes,
            "reserveBytes": alive.reserve_bytes,
            "full": alive.is_full,
            "readOnly": alive.read_only,
            "quarantined": alive.quarantined,
            "repair": {
                "layoutVersion": alive.repair.version,
                "partitionsDone": alive.repair.done,
                "partitionsTotal": alive.repair.total,
                "copiedBlobs": alive.repair.copied_blobs,
                "copiedBytes": alive.repair.copied_bytes,
                "failures": alive.repair.failures,
            },
        },
    }
