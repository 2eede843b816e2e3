"""``holdfast compare [FILE]``: is everything that has a name still there?

After a restore, before `holdfast gc trust`; or of a backup, before it is restored. Names are compared with what storage nodes list:
digests and sizes, no bytes are read.

Exit codes: 0 every copy is there, 1 something is missing, a node could not be asked, or refused (with the reason), 2 wrong
usage, 78 the configuration is refused.
"""

from __future__ import annotations

import contextlib
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it builds the command
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.digest import PARTITIONS
from holdfast.meta.keeping import file
from holdfast.meta.keeping.comparing import compared
from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile  # noqa: TC001 - typer reads annotations
from holdfast.ops.console import bytes_text, counted
from holdfast.ops.keeping import shelves
from holdfast.ops.keeping.reach import progress, settings_of
from holdfast.ops.keeping.unpacking import unpacked
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.registry import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from holdfast.config import Settings
    from holdfast.meta.keeping.comparing import Comparison
    from holdfast.meta.store import Store
    from holdfast.ops.console import JsonObject

_SHOWN = 50


def compare(
    backup: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A backup; without it the metadata as it stands.")
    ] = None,
    config_file: ConfigFile = None,
    json_output: AsJson = False,
) -> None:
    """Compare names with what storage nodes hold: is anything missing, and what has no name?"""
    with settings_of(config_file) as settings, shelves.opened(settings) as (shelf, live):
        with _names(settings, live, backup) as store, progress("comparing", PARTITIONS) as told:
            found = compared(store, shelf.listing, shelf.has, told)
        silent = sorted(shelf.silent)
    if json_output:
        console.show_json(_as_json(found, silent))
    else:
        console.show(*_described(found, silent))
    raise typer.Exit(1 if found.missing or silent else 0)


@contextlib.contextmanager
def _names(settings: Settings, live: Store | None, backup: Path | None) -> Iterator[Store]:
    if backup is not None:
        with unpacked(file.verified(backup)) as store:
            yield store
    elif live is not None:
        yield live
    else:
        with contextlib.closing(metadata(settings)) as store:
            yield store


def _described(found: Comparison, silent: list[str]) -> Iterator[RenderableType]:
    if found.named:
        made = console.table("missing", "bytes", "in", right=("bytes",))
        for linked in found.named[:_SHOWN]:
            console.row(made, linked.digest, max(linked.sizes), console.listed(linked.repositories, 3))
        yield made
    there = found.digests - found.missing - found.absent
    yield f"{counted(found.links, 'link')} to {counted(found.digests, 'blob')}: {there} are there"
    if found.missing:
        yield f"{counted(found.missing, 'blob')} missing, {found.misshapen} of them with a copy of another size; push them again"
    if found.absent:
        yield f"{counted(found.absent, 'blob')} of upstreams absent; fetched again when somebody asks"
    yield f"{counted(found.beyond, 'blob')} without a name, {bytes_text(found.beyond_bytes)}"
    if silent:
        yield f"could not be asked, and may hold what is missing: {console.listed(silent)}"


def _as_json(found: Comparison, silent: list[str]) -> JsonObject:
    return {
        "links": found.links,
        "blobs": found.digests,
        "missing": found.missing,
        "misshapen": found.misshapen,
        "absentFromUpstreams": found.absent,
        "withoutName": found.beyond,
        "withoutNameBytes": found.beyond_bytes,
        "silent": list(silent),
        "named": [
            {
                "digest": str(linked.digest),
                "sizes": sorted(linked.sizes),
                "repositories": list(linked.repositories),
            }
            for linked in found.named
        ],
    }
