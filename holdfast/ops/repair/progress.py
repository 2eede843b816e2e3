"""How far a repair is that was asked for. Rules pure, one thin wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from holdfast.clock import SystemClock
from holdfast.digest import PARTITIONS
from holdfast.ops import console, picture
from holdfast.ops.console import counted
from holdfast.ops.waiting import Look, follow

if TYPE_CHECKING:
    from holdfast.meta.members import Alive
    from holdfast.ops.picture import Picture
    from holdfast.replicas.access import ClusterAccess


def is_done(alive: Alive, asked: int) -> bool:
    """Whether a round that began after the wish is over."""
    return alive.repair.answered >= asked


def look_at(seen: Picture, asked: int) -> Look:
    """Of the nodes that are alive; partitions are the parts."""
    living = {name: alive for name, alive in seen.view.alive.items() if name not in seen.view.removed}
    done = [name for name, alive in living.items() if is_done(alive, asked)]
    compared = sum(
        PARTITIONS if is_done(alive, asked) else min(PARTITIONS - 1, alive.repair.done) if alive.repair.total else 0
        for alive in living.values()
    )
    text = f"{len(done)} of {counted(len(living), 'node')} have compared their copies"
    return Look(compared, PARTITIONS * len(living), text)


def follow_round(cluster: ClusterAccess, asked: int, timeout_seconds: float) -> None:
    """Raises typer.Exit: 1; not in time."""
    if not follow(lambda: look_at(picture.read(cluster), asked), SystemClock(), time.sleep, timeout_seconds):
        raise console.refuse(
            ["not all nodes are through yet; it goes on by itself, `holdfast repair status` tells how far"]
        )
