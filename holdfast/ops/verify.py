"""``holdfast verify FILE``: says everything that is wrong with a configuration at once.

Promises: exit 0 and ``FILE is valid`` for a file that ``serve`` reads, with a line for each warning and for each configured
feature that this version lacks; else exit 1 and every fault with its JSON path and a remedy. ``--json`` says the same for
programs: ``{"file", "valid", "faults", "warnings", "unavailable"}``.

Of the files that a configuration names it opens those of ``http.tls``, as ``serve`` does: a certificate beside another's key is a
fault. One that is not there is a warning, because a configuration may be checked on another machine than its own.

Never: opens any other of them, changes anything, shows a secret.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it builds the command
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.config import Fault, check, unavailable
from holdfast.config.tlsfiles import server_files
from holdfast.errors import ConfigError
from holdfast.ops.starting import require_certificates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.config import Feature, Report


def verify(
    file: Annotated[Path, typer.Argument(help="Configuration, JSON or YAML.")],
    json_output: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False,
) -> None:
    """Check a configuration; report every fault at once."""
    report = _with_certificates(check(file))
    missing = unavailable(report.settings) if report.settings else []
    if json_output:
        typer.echo(json.dumps(_as_json(file, report, missing), indent=2))
    else:
        _show(file, report, missing, Console(highlight=False, emoji=False, markup=False))
    raise typer.Exit(1 if report.faults else 0)


def _with_certificates(report: Report) -> Report:
    """The same, with what is wrong with the files of ``http.tls``."""
    if report.settings is None or report.settings.http.tls is None:
        return report
    if missing := server_files(report.settings.http.tls).missing():
        remedy = "put it there before you start; serve refuses to start without"
        gone = tuple(Fault(f"http.tls.{key}", f"{path} is not there", remedy) for key, path in missing.items())
        return replace(report, warnings=(*report.warnings, *gone))
    try:
        require_certificates(report.settings)
    except ConfigError as error:
        faults = tuple(Fault(**fault) for fault in cast("list[dict[str, str]]", error.detail))
        return replace(report, settings=None, faults=faults)
    return report


def _as_json(file: Path, report: Report, missing: Sequence[Feature]) -> dict[str, object]:
    return {
        "file": str(file),
        "valid": not report.faults,
        "faults": [fault.as_json() for fault in report.faults],
        "warnings": [warning.as_json() for warning in report.warnings],
        "unavailable": [{**_note(feature).as_json(), "refuses": feature.refuses} for feature in missing],
    }


def _note(feature: Feature) -> Fault:
    then = "serve refuses to start" if feature.refuses else "serve ignores it"
    return Fault(feature.path, f"{feature.name}: not available in this version, {then}", feature.remedy)


def _show(file: Path, report: Report, missing: Sequence[Feature], console: Console) -> None:
    if report.faults:
        count = len(report.faults)
        _line(console, f"{file} is not valid: {count} fault{'s' if count > 1 else ''}")
        _list(console, "fault", report.faults)
    else:
        _line(console, f"{file} is valid")
    _list(console, "warning", [*report.warnings, *map(_note, missing)])


def _list(console: Console, kind: str, entries: Sequence[Fault]) -> None:
    if not entries:
        return
    if not console.is_terminal:
        for entry in entries:
            _line(console, f"{kind}: {entry.path}: {entry.message}; {entry.remedy}")
        return
    table = Table(kind, "what", "remedy")
    for entry in entries:
        # Text, not str: brackets in paths are no markup.
        table.add_row(Text(entry.path, overflow="fold"), Text(entry.message), Text(entry.remedy))
    console.print(table)


def _line(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True)
