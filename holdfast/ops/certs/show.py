"""``holdfast certs show FILE|DIR``: what certificates say, and how long they last.

Promises: a table for people; ``--json`` gives a list of ``{"file", "subject", "cluster", "role", "name", "hosts", "begins",
"ends", "daysLeft", "authority"}``, or ``{"file", "fault"}``. Exit 1 if one has ended, has not begun or cannot be read.

Never: reads a key file that it was not told to, shows a key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it builds the command
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.certs import files
from holdfast.certs.facts import Facts, facts_of
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError
from holdfast.ops.certs.refusal import refusals_told

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUFFIXES: Final = frozenset({".crt", ".pem"})
_TABLE_WIDTH: Final = 140


@dataclass(frozen=True, slots=True)
class Line:
    """One file: its facts, or why there are none."""

    path: Path
    facts: Facts | None
    fault: str = ""

    def is_good(self, now: datetime) -> bool:
        return self.facts is not None and self.facts.begins <= now < self.facts.ends


def show(
    path: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="A certificate, or a directory of them.")],
    json_output: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False,
) -> None:
    """Show what certificates say and how long they last."""
    now = datetime.fromtimestamp(SystemClock().wall(), UTC)
    with refusals_told():
        lines = [_line(file) for file in _files(path)]
    if json_output:
        typer.echo(json.dumps([_as_json(line, now) for line in lines], indent=2))
    else:
        console = Console(highlight=False, emoji=False, markup=False)
        # A pipe has no width of its own; rich would fold the table at 80 columns.
        console.width = console.width if console.is_terminal else _TABLE_WIDTH
        console.print(_table(lines, now))
    raise typer.Exit(0 if all(line.is_good(now) for line in lines) else 1)


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and not file.name.startswith("."))
    if not found:
        raise ConfigError(
            f"{path} holds no certificate (*.crt, *.pem); name the directory that `holdfast certs init` made"
        )
    return found


def _line(path: Path) -> Line:
    try:
        return Line(path, facts_of(files.read(path)))
    except ConfigError as error:
        return Line(path, None, error.message)


def _as_json(line: Line, now: datetime) -> dict[str, object]:
    facts = line.facts
    if facts is None:
        return {"file": str(line.path), "fault": line.fault}
    return {
        "file": str(line.path),
        "subject": facts.subject,
        "cluster": facts.peer.cluster if facts.peer else None,
        "role": facts.peer.role if facts.peer else None,
        "name": facts.peer.name if facts.peer else None,
        "hosts": list(facts.hosts),
        "begins": facts.begins.isoformat(),
        "ends": facts.ends.isoformat(),
        "daysLeft": facts.days_left(now),
        "authority": facts.is_authority,
    }


def _table(lines: Sequence[Line], now: datetime) -> Table:
    table = Table("file", "subject", "role", "hosts", "ends", "days left")
    for line in lines:
        facts = line.facts
        if facts is None:
            table.add_row(Text(line.path.name), Text(line.fault))
            continue
        role = facts.peer.role if facts.peer else "authority" if facts.is_authority else "-"
        left = _left(facts, now)
        row = (line.path.name, facts.subject, role, ", ".join(facts.hosts) or "-", f"{facts.ends:%Y-%m-%d}", left)
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    return table


def _left(facts: Facts, now: datetime) -> str:
    if now >= facts.ends:
        return "ended"
    return str(facts.days_left(now)) if now >= facts.begins else "not yet begun"
