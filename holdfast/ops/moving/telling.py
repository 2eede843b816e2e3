"""How a run of import or export is told: a table, or JSON; what is left out, what failed, and why it stopped.

Exit codes: 0 everything is there, 1 something is not (listed), 2 it could not begin, or had to stop half-way.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import typer

from holdfast.errors import HoldfastError
from holdfast.ops import console
from holdfast.ops.console import bytes_text, counted
from holdfast.ops.moving.outcomes import as_json, as_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.ops.moving.outcomes import Outcome

STOPPED: Final = 2


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """What makes it impossible to begin ends with 2."""
    try:
        yield
    except HoldfastError as error:
        console.refuse([error.message])
        raise typer.Exit(STOPPED) from error


def tell(
    outcomes: Sequence[Outcome], moved_bytes: int, stopped: str, verb: str, *, json_output: bool, dry_run: bool = False
) -> None:
    """``stopped``: why it had to end half-way; "": it did not.

    Raises:
        typer.Exit: always, with the code.
    """
    failed = sum(len(one.failures) for one in outcomes)
    if json_output:
        console.show_json(
            {
                "repositories": [as_json(one) for one in outcomes],
                "sentBytes": moved_bytes,
                "failures": failed,
                "stopped": stopped,
                "dryRun": dry_run,
            }
        )
    else:
        _show(outcomes, moved_bytes, failed, verb, dry_run=dry_run)
    if stopped:
        console.refuse([f"stopped: {stopped}", "the same command goes on from here"])
        raise typer.Exit(STOPPED)
    raise typer.Exit(1 if failed else 0)


def _show(outcomes: Sequence[Outcome], moved_bytes: int, failed: int, verb: str, *, dry_run: bool) -> None:
    if outcomes:
        console.show(as_table(outcomes))
    for one in outcomes:
        for text in one.notes:
            console.show(f"{one.source}: {text}")
        for what, why in one.failures:
            console.show(f"{one.source}: failed: {what}: {why}")
    repositories = counted(len(outcomes), "repository", "repositories")
    if dry_run:
        console.show(f"{repositories} to {verb}; nothing was changed")
        return
    linked = sum(one.linked_blobs for one in outcomes)
    links = f", {counted(linked, 'blob')} by hard links" if linked else ""
    rest = f"; {counted(failed, 'thing')} failed" if failed else ""
    console.show(f"{repositories}, {bytes_text(moved_bytes)} moved{links}{rest}")
