"""Asking one node what it holds, and waiting until that is nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from holdfast.clock import SystemClock
from holdfast.digest import PARTITIONS
from holdfast.errors import UnavailableError
from holdfast.ops import console, picture
from holdfast.ops.console import bytes_text, counted
from holdfast.ops.node.holding import Held, held, owned
from holdfast.ops.waiting import Look, follow

if TYPE_CHECKING:
    from holdfast.replicas.access import ClusterAccess


def ask(cluster: ClusterAccess, node_id: str) -> Held | None:
    """None: it does not answer."""
    try:
        return held(cluster.directory.client(node_id).sum_partitions(0, PARTITIONS - 1))
    except UnavailableError:
        return None


def follow_emptying(cluster: ClusterAccess, node_id: str, timeout_seconds: float) -> None:
    """Until no live layout names the node and it holds nothing.

    Raises:
        typer.Exit: 1; not in time.
    """
    most = 0

    def look() -> Look:
        nonlocal most
        seen = picture.read(cluster)
        share, copies = owned(seen, node_id), held(cluster.directory.client(node_id).sum_partitions(0, PARTITIONS - 1))
        most = max(most, copies.blobs)
        if share and seen.waited_for:
            waiting = console.listed(sorted(seen.waited_for), 4)
            return Look(0, most + 1, f"the others are taking over; waiting for {waiting}")
        left = f"{counted(copies.blobs, 'blob')} left, {bytes_text(copies.size_bytes)}"
        is_over = not share and not copies.blobs
        return Look(most + 1 if is_over else most - copies.blobs, most + 1, "it holds nothing" if is_over else left)

    if not follow(look, SystemClock(), time.sleep, timeout_seconds):
        raise console.refuse(
            [f"node {node_id} still holds copies; it goes on by itself, `holdfast node show` tells how far"]
        )
