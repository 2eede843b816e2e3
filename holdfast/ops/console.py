"""What the operator's commands write: tables and sentences for people, JSON for programs, a question before a change.

Promises: standard output carries the answer alone; questions, refusals and progress go to standard error. JSON field names are
camel case and stay. Nothing that a cluster says is taken for markup.

Never: colours in a pipe, a table folded at the width that a pipe does not have.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final, TypeAlias

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

PIPE_WIDTH: Final = 160
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

JsonObject: TypeAlias = dict[str, object]


def people(*, to_errors: bool = False) -> Console:
    """Standard output for people, or standard error."""
    console = Console(highlight=False, emoji=False, markup=False, stderr=to_errors)
    console.width = console.width if console.is_terminal else PIPE_WIDTH
    return console


def show(*parts: RenderableType) -> None:
    """Sentences and tables, one after the other."""
    console = people()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def show_json(value: JsonObject | Sequence[JsonObject]) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def refuse(reasons: Iterable[str]) -> typer.Exit:
    """Says why nothing was done; the exit to raise."""
    for reason in reasons:
        typer.echo(f"holdfast: {reason}", err=True)
    return typer.Exit(1)


def warn(text: str) -> None:
    """On standard error, so that an answer in JSON stays one."""
    typer.echo(f"warning: {text}", err=True)


def require_yes(question: str, *, yes: bool) -> None:
    """Go on if the operator agrees.

    Raises:
        typer.Exit: 1; the answer was no, or there is nobody to answer.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise refuse(["nothing was changed; add --yes to do it"])
    if not typer.confirm(question, err=True):
        raise refuse(["nothing was changed"])


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Columns by their headings; those in ``right`` hold numbers."""
    made, numbers = Table(), set(right)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def row(made: Table, *cells: object) -> None:
    """One line; None and the empty text become a dash."""
    made.add_row(*(Text("-" if cell in {None, ""} else str(cell), overflow="fold") for cell in cells))


def bytes_text(count: float) -> str:
    """Three digits or four and a unit: ``1.50 GiB``."""
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    digits = 0 if unit == 0 or size >= 100 else 1 if size >= 10 else 2
    return f"{size:.{digits}f} {_UNITS[unit]}"


def counted(count: int, one: str, many: str = "") -> str:
    """``1 node``, ``2 nodes``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names in a sentence, the rest as a number."""
    names = list(names)
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
