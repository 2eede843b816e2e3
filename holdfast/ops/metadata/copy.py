"""``holdfast metadata copy``: a registry of one machine becomes a cluster.

    1. stop `holdfast serve`
    2. holdfast metadata copy --from ROOT --config CLUSTER.json
    3. start `holdfast storagenode` on ROOT/node: it is a node of the cluster now, with all the bytes
    4. start more nodes, `holdfast layout apply`, gateways

Promises: the source is not changed, and held so that no server starts on it meanwhile. ``holdfast.meta.copying`` tells the rest.
"""

from __future__ import annotations

import contextlib
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it builds the command
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.clock import SystemClock
from holdfast.errors import ConfigError
from holdfast.meta.copying import Census, Copying, census
from holdfast.meta.sqlite import SqliteStore
from holdfast.ops import console
from holdfast.ops.reach import AsJson, ConfigFile, reached
from holdfast.ops.starting import hold_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = {"repo": "repositories", "tag": "tags", "manifest": "manifests", "link": "links"}


def copy(
    source: Annotated[
        Path,
        typer.Option("--from", metavar="ROOT|FILE", help="storage.rootDirectory of `holdfast serve`, or its database."),
    ],
    config_file: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at both sides, and copy nothing.")] = False,
    json_output: AsJson = False,
) -> None:
    """Copy a registry's names from SQLite into a cluster's etcd, which must be empty there."""
    with reached(config_file) as cluster, _source(source) as store:
        found = census(store)
        copying = Copying(store, cluster.metadata)
        goes_on = copying.check()
        if not json_output:
            typer.echo(_told(found))
        count = 0 if dry_run else _copied(copying, found)
    if json_output:
        names = {name: found.kinds[kind] for kind, name in _KINDS.items()}
        console.show_json(
            {"source": names | {"keys": found.keys}, "goesOn": goes_on, "copied": count, "dryRun": dry_run}
        )
    elif dry_run:
        typer.echo("an unfinished copy would go on" if goes_on else "the target is empty; nothing was copied")
    else:
        typer.echo(
            f"{count} keys copied and compared; start `holdfast storagenode` on the node directory of this registry now"
        )


@contextlib.contextmanager
def _source(path: Path) -> Iterator[SqliteStore]:
    root, database = _places(path)
    with contextlib.ExitStack() as held:
        if root is not None:
            held.enter_context(hold_directory(root))
        yield held.enter_context(contextlib.closing(SqliteStore(database, SystemClock())))


def _places(path: Path) -> tuple[Path | None, Path]:
    """The directory whose lock says that a server runs, and the database. Raises ConfigError."""
    database = path / "meta" / "holdfast.db" if path.is_dir() else path
    if not database.is_file():
        raise ConfigError(f"{database}: no such file; name the storage.rootDirectory of `holdfast serve`")
    root = database.absolute().parent.parent
    # A backup may lie anywhere, and no server runs on it.
    return (root if database.parent.name == "meta" and (root / "lock").exists() else None), database


def _told(found: Census) -> str:
    counts = ", ".join(f"{found.kinds[kind]} {name}" for kind, name in _KINDS.items())
    left_out = f"; {found.leased} keys under leases stay behind" if found.leased else ""
    return f"the source holds {counts}: {found.keys} keys, {found.size_bytes} bytes{left_out}"


def _copied(copying: Copying, found: Census) -> int:
    console = Console(stderr=True)
    columns = (TextColumn("copying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("copying", total=found.keys)
        return copying.run(lambda done: bar.update(task, completed=done))
