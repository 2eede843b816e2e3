"""Which registry a backup is of, or comes into: its configuration, its metadata, and what is said where that leads nowhere.

Promises: a refused configuration ends with 78 and every fault; everything else that goes wrong ends with 1 and a line that says
what to do. What was done is in ``log.audit``; where that cannot be opened, nothing is done.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.access.audit import AuditLog
from gateway.access.gate import Caller
from gateway.access.ways import Proven
from holdfast.access.conditions import Facts
from holdfast.access.identity import Identity, Way
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, HoldfastError
from holdfast.ops import console
from holdfast.ops.accounts import operator
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.registry import chosen
from holdfast.ops.starting import report_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.config import Settings
    from holdfast.meta.keeping.file import Backup
    from holdfast.ops.console import JsonObject

# What people count; the rest of the keys goes with it.
KINDS = {"repo": "repositories", "tag": "tags", "manifest": "manifests", "link": "links"}


@contextlib.contextmanager
def settings_of(path: Path | None) -> Iterator[Settings]:
    """For the length of a command."""
    try:
        settings = chosen(path)
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from error
    try:
        yield settings
    except HoldfastError as error:
        raise console.refuse([error.message]) from error


@contextlib.contextmanager
def audited(settings: Settings) -> Iterator[Callable[[str, str], None]]:
    """Writes a line of the audit log: what was done, and to what. Raises ConfigError: the file cannot be opened."""
    with contextlib.closing(AuditLog(Path(settings.log.audit) if settings.log.audit else None, SystemClock())) as audit:
        who = Caller(Proven(Identity(operator(), Way.OPERATOR)), Facts(client_address="local"))
        yield lambda what, name: audit.note(who, what, name, "200")


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where somebody watches; call it with how much is done."""
    watcher = console.people(to_errors=True)
    columns = (TextColumn(what), BarColumn(), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=watcher, transient=True, disable=not watcher.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def told(backup: Backup) -> str:
    """What is in it, in a sentence."""
    counts = ", ".join(f"{backup.kinds[kind]} {name}" for kind, name in KINDS.items())
    return (
        f"{backup.path}: made {backup.header.made} of registry {backup.header.cluster_id}, {counts}, {backup.keys} keys"
    )


def as_json(backup: Backup) -> JsonObject:
    return {
        "file": str(backup.path),
        "cluster": backup.header.cluster_id,
        "revision": backup.header.revision,
        "made": backup.header.made,
        **{name: backup.kinds[kind] for kind, name in KINDS.items()},
        "keys": backup.keys,
        "bytes": backup.size_bytes,
        "fileBytes": backup.file_bytes,
        "content": backup.content,
    }
