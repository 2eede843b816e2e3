"""``holdfast restore FILE``: the metadata as a backup has it, instead of what is there.

    1. stop the registry: `holdfast serve`, or all gateways, sync workers and storage nodes of a cluster
    2. holdfast restore FILE --config CONFIG
    3. start it; nodes delete nothing yet
    4. push again what is missing, then `holdfast gc trust`

Promises
  * The file is verified before anything is touched; damaged, it is refused.
  * Others see what was there or what the backup has, never half of it: SQLite in one transaction, etcd under ``cluster/copying``,
    which keeps every process out until it is done. A restore that broke off is done again by the same command.
  * No node deletes anything under the restored metadata before an operator has said that it is right.

Exit codes: 0 done, 1 refused or not finished (with the reason), 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation when it builds the command
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.meta.keeping import file
from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile  # noqa: TC001 - typer reads annotations
from holdfast.ops.keeping.reach import as_json, audited, progress, settings_of, told
from holdfast.ops.keeping.targets import EtcdTarget, SqliteTarget
from holdfast.ops.reach import AsJson, Yes  # noqa: TC001 - typer reads annotations
from holdfast.ops.registry import is_cluster

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from holdfast.config import Settings
    from holdfast.meta.keeping.file import Backup
    from holdfast.ops.keeping.targets import Target


def restore(
    backup: Annotated[Path, typer.Argument(metavar="FILE", help="What `holdfast backup` has written.")],
    config_file: ConfigFile = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Although the target holds metadata; it goes. Back it up first.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify the file, look at the target, change nothing.")
    ] = False,
    yes: Yes = False,
    json_output: AsJson = False,
) -> None:
    """Put the metadata of a backup in place of what is there. The registry must be stopped."""
    with settings_of(config_file) as settings, audited(settings) as note:
        verified = _verified(backup)
        if not json_output:
            typer.echo(told(verified))
        with target_of(settings) as target:
            standing = target.check(verified, replace=replace)
            if not json_output:
                typer.echo(standing)
            if not dry_run:
                if replace:
                    console.require_yes("What is there now goes. Restore?", yes=yes)
                with progress("restoring", verified.keys) as moved:
                    target.restore(verified, moved, replace=replace)
                note("restore", str(backup))
    if json_output:
        console.show_json({"backup": as_json(verified), "restored": not dry_run, "dryRun": dry_run})
    elif dry_run:
        typer.echo("nothing was changed")
    else:
        typer.echo(
            f"restored, as of {verified.header.made}. Start the registry, see what is missing (`holdfast compare`), push it again;"
            " nodes delete nothing until you say that it is right: `holdfast gc trust`"
        )


def target_of(settings: Settings) -> AbstractContextManager[Target]:
    """Where the metadata of this configuration is, or will be."""
    return EtcdTarget.opened(settings) if is_cluster(settings) else SqliteTarget.opened(settings)


def _verified(path: Path) -> Backup:
    with progress("verifying", path.stat().st_size if path.is_file() else None) as read:
        return file.verified(path, read)
