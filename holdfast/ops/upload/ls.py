"""``holdfast upload ls``: open uploads, where they are and how long nobody has touched them. Exit 1 if a node did not answer."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.ops import console, picture
from holdfast.ops.reach import AsJson, ConfigFile, reached
from holdfast.ops.upload.found import as_json, as_table, chosen, gather

Idle = Annotated[float, typer.Option("--idle", min=0.0, help="Only those that nobody touched for so many seconds.")]


def ls(config: ConfigFile = None, idle: Idle = 0.0, json_output: AsJson = False) -> None:
    """List uploads that have not become blobs yet."""
    with reached(config) as cluster:
        uploads = gather(cluster, picture.read(cluster))
    found = chosen(uploads, (), idle)
    if json_output:
        console.show_json(as_json(found))
    elif found:
        console.show(as_table(found))
    else:
        console.show("no upload is open")
    for name, why in uploads.silent.items():
        console.warn(f"node {name} did not tell its uploads: {why}")
    raise typer.Exit(1 if uploads.silent else 0)
