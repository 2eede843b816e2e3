"""Waiting until a layout is the only one that is live: every node has brought its copies to where it wants them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from holdfast.clock import SystemClock
from holdfast.ops import console, picture
from holdfast.ops.waiting import Look, follow

if TYPE_CHECKING:
    from holdfast.ops.picture import Picture
    from holdfast.replicas.access import ClusterAccess


def follow_change(cluster: ClusterAccess, version: int, timeout_seconds: float) -> None:
    """Raises typer.Exit: 1; it did not end in time."""
    if not follow(lambda: look_at(picture.read(cluster), version), SystemClock(), time.sleep, timeout_seconds):
        waiting = console.listed(sorted(picture.read(cluster).waited_for)) or "nobody"
        raise console.refuse([f"layout {version} is not finished; still waiting for {waiting}. It goes on by itself"])


def look_at(seen: Picture, version: int) -> Look:
    """How many nodes have synced."""
    layouts = seen.view.layouts
    if layouts is None or layouts.newest.version < version:
        return Look(0, 1, f"layout {version} is not live yet")
    if not seen.is_changing:
        return Look(1, 1, f"layout {layouts.newest.version} is the only live one")
    named = {role.node_id for layout in layouts.live for role in layout.roles} - seen.view.removed
    done = len(named) - len(seen.waited_for)
    working = [
        f"{node} {alive.repair.done}/{alive.repair.total}"
        for node, alive in sorted(seen.view.alive.items())
        if node in seen.waited_for and alive.repair.total
    ]
    detail = f" ({console.listed(working, 4)})" if working else ""
    # One part more than there are nodes: the older layouts must go as well.
    return Look(
        done, len(named) + 1, f"{done} of {len(named)} nodes have synced with layout {layouts.newest.version}{detail}"
    )
