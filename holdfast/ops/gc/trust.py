"""``holdfast gc trust``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from holdfast.meta import witness
from holdfast.ops.accounts import ConfigFile, reached


def trust(
    config: ConfigFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Say that the metadata is right as it is, although a node has seen a newer state of it.

    After a backup of the metadata was restored, nodes collect nothing: what was pushed since the backup has no name any more, and
    would be garbage. Push again what is missing, or accept that it is gone, and then say so here.
    """
    if not yes:
        typer.confirm("Blobs that this metadata does not name will be collected. Is it right as it is?", abort=True)
    with reached(config) as found:
        witness.trust(found.store, lambda: os.urandom(16))
        found.note("gc trust", "metadata")
    typer.echo("nodes collect garbage again, after their grace")
