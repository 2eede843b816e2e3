"""``holdfast repair status``: how far each node is, and what is short of copies. ``--wait`` ends when all are through.

Exit 0 when nothing is marked short of copies, else 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from holdfast.meta.tasks import repair_asked
from holdfast.ops import console, picture
from holdfast.ops.console import bytes_text, counted
from holdfast.ops.reach import AsJson, ConfigFile, Timeout, Wait, reached
from holdfast.ops.repair.progress import follow_round, is_done

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from holdfast.ops.console import JsonObject
    from holdfast.ops.picture import NodeLine, Picture


def status(config: ConfigFile = None, wait: Wait = False, timeout: Timeout = 0.0, json_output: AsJson = False) -> None:
    """Show how far the nodes are with comparing copies, and what is short of them."""
    with reached(config) as cluster:
        asked = repair_asked(cluster.metadata)
        if wait:
            follow_round(cluster, asked, timeout)
        seen = picture.read(cluster)
    if json_output:
        console.show_json(as_json(seen, asked))
    else:
        console.show(*describe(seen, asked))
    raise typer.Exit(1 if seen.dirty else 0)


def _lines(seen: Picture) -> Iterator[NodeLine]:
    return (line for line in picture.node_lines(seen) if line.state is not picture.State.REMOVED)


def describe(seen: Picture, asked: int) -> Iterator[RenderableType]:
    numbers = ("partitions compared", "blobs copied", "bytes copied", "failures")
    made = console.table("node", "state", "round", *numbers, right=numbers)
    for line in _lines(seen):
        alive = line.alive
        if alive is None:
            console.row(made, line.node_id, line.state)
            continue
        repair = alive.repair
        at = "under way" if repair.total else "waiting" if not is_done(alive, asked) else "idle"
        compared = f"{repair.done}/{repair.total}" if repair.total else ""
        copied = bytes_text(repair.copied_bytes)
        console.row(made, line.node_id, line.state, at, compared, repair.copied_blobs, copied, repair.failures)
    yield made
    marked = sorted({mark.partition for mark in seen.dirty})
    numbers_text = console.listed((f"{number:03x}" for number in marked), 16)
    yield f"{counted(len(marked), 'partition')} marked short of copies" + (f": {numbers_text}" if marked else "")


def as_json(seen: Picture, asked: int) -> JsonObject:
    return {
        "asked": asked,
        "short": sorted({mark.partition for mark in seen.dirty}),
        "nodes": [
            {
                "node": line.node_id,
                "state": line.state.value,
                "done": line.alive is not None and is_done(line.alive, asked),
                "partitionsDone": line.alive.repair.done if line.alive else None,
                "partitionsTotal": line.alive.repair.total if line.alive else None,
                "copiedBlobs": line.alive.repair.copied_blobs if line.alive else None,
                "copiedBytes": line.alive.repair.copied_bytes if line.alive else None,
                "failures": line.alive.repair.failures if line.alive else None,
            }
            for line in _lines(seen)
        ],
    }
