"""``holdfast sync pause`` and ``resume``: whether a mirror runs.

Promises: asked for twice is as good as once. A run that is paused in the middle goes on where it stopped, with the bytes that its
image under way had brought. What clients ask for is fetched in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.ops import console
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.sync.mirrors import find, runs
from holdfast.ops.sync.reaching import ConfigFile, reached

if TYPE_CHECKING:
    from holdfast.ops.sync.mirrors import Mirror

EntryName = Annotated[
    str, typer.Argument(metavar="ENTRY", help="Id, the beginning of one, URL or host; see `sync ls`.")
]


def pause(entry: EntryName, config: ConfigFile = None, json_output: AsJson = False) -> None:
    """Stop a mirror's runs, one under way as well, until `sync resume`.

    Example: holdfast sync pause ghcr.io
    """
    with reached(config) as found:
        mirror = find(found, entry)
        require_runs(mirror)
        runs(found).pause(mirror.entry.id)
    _tell(mirror, "is paused; what clients ask for is fetched all the same", paused=True, json_output=json_output)


def resume(entry: EntryName, config: ConfigFile = None, json_output: AsJson = False) -> None:
    """Let a paused mirror run again, from where it stopped.

    Example: holdfast sync resume ghcr.io
    """
    with reached(config) as found:
        mirror = find(found, entry)
        runs(found).resume(mirror.entry.id)
    _tell(mirror, "runs again", paused=False, json_output=json_output)


def require_runs(mirror: Mirror) -> None:
    """Raises typer.Exit: 1; it names nothing that could be copied without being asked for."""
    if not mirror.can_run:
        raise console.refuse(
            [
                f"{mirror.title} has no content, so nothing of it is copied but what clients ask for; name content to run it"
            ]
        )


def _tell(mirror: Mirror, what: str, *, paused: bool, json_output: bool) -> None:
    if json_output:
        console.show_json({"entry": mirror.entry.id, "paused": paused})
    else:
        console.show(f"{mirror.title} {what}")
