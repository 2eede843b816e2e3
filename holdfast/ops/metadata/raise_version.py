"""``holdfast metadata raise-version``: declare that nothing older runs any more.

The end of a rolling upgrade: from then on new forms of records are written, and older programs refuse to start. It never goes down.
"""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast import __version__
from holdfast.errors import ConfigError
from holdfast.meta import versions
from holdfast.meta.forms import parse
from holdfast.ops import console
from holdfast.ops.reach import AsJson, ConfigFile, reached


def raise_version(
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="The oldest that may run.")] = __version__,
    config_file: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell who is too old, and change nothing.")] = False,
    json_output: AsJson = False,
) -> None:
    """Raise the cluster's minimum version, when every living process is new enough."""
    with reached(config_file) as cluster:
        store = cluster.metadata
        wanted = parse(version)
        if wanted > parse(__version__):
            raise ConfigError(f"this is holdfast {__version__}, which cannot know what {wanted} writes; use that one")
        if not dry_run:
            versions.raise_minimum(store, wanted)
        older = versions.too_old(versions.living(store), wanted) if dry_run else []
        minimum = versions.minimum(store)
    if json_output:
        console.show_json({"minimumVersion": str(minimum), "raised": not dry_run, "tooOld": list(map(str, older))})
    elif not dry_run:
        typer.echo(f"the minimum version is {wanted}: older programs no longer start")
    else:
        typer.echo(f"the minimum version is {minimum}")
        for process in older:
            typer.echo(f"older than {wanted}: {process}")
        if not older:
            typer.echo(f"every living process is {wanted} or newer: the minimum version can be raised")
    raise typer.Exit(1 if older else 0)
