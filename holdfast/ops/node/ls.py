"""``holdfast node ls``: every storage node and how it is. Removed ones with ``--all`` only."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.ops import console, picture
from holdfast.ops.node import lines as nodes
from holdfast.ops.reach import AsJson, ConfigFile, reached


def ls(
    config: ConfigFile = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="The removed ones as well.")] = False,
    json_output: AsJson = False,
) -> None:
    """List the storage nodes: state, zone, weight, share, space."""
    with reached(config) as cluster:
        found = picture.node_lines(picture.read(cluster))
    shown = [line for line in found if everything or line.state is not picture.State.REMOVED]
    if json_output:
        console.show_json([nodes.as_json(line) for line in shown])
    elif shown:
        console.show(nodes.as_table(shown))
    else:
        console.show("no storage node has joined; start one by `holdfast storagenode CONFIG`")
