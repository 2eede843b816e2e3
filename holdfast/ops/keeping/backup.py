"""``holdfast backup FILE``: the metadata in one file, while everything goes on.

It holds names: repositories, tags, manifest records, links, accounts, keys of tokens, the cluster's layout. Bytes are on the
storage nodes; names without bytes are worth nothing, and neither are bytes without names.

Exit codes: 0 done, 1 not done (with the reason), 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import contextlib
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it builds the command
from typing import TYPE_CHECKING, Annotated, Final

import typer

from holdfast import __version__
from holdfast.clock import SystemClock
from holdfast.errors import CompactedError, MetadataUnavailableError
from holdfast.meta.keeping.making import backed_up
from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile  # noqa: TC001 - typer reads annotations
from holdfast.ops.console import bytes_text
from holdfast.ops.keeping.reach import as_json, audited, progress, settings_of, told
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.registry import metadata

if TYPE_CHECKING:
    from holdfast.meta.keeping.file import Backup
    from holdfast.meta.keeping.making import Source

# Compacting while it is read makes it begin again; a store that is compacted all the time would never be done.
_TRIES: Final = 3


def backup(
    to: Annotated[
        Path, typer.Argument(metavar="FILE|DIRECTORY", help="Where to; in a directory it gets a name by the time.")
    ],
    config_file: ConfigFile = None,
    json_output: AsJson = False,
) -> None:
    """Write the metadata of a running or stopped registry into one file, as of one moment.

    The file holds hashes of API keys and the keys that tokens are signed with: it is for its owner alone (mode 0600), keep it so.
    Sessions and what processes of this moment do are left out.
    """
    with (
        settings_of(config_file) as settings,
        audited(settings) as note,
        contextlib.closing(metadata(settings)) as store,
    ):
        made = _tried(store, to)
        note("backup", str(made.path))
    if json_output:
        console.show_json(as_json(made))
    else:
        console.show(told(made), f"{bytes_text(made.file_bytes)}; `holdfast restore` reads it, into SQLite or etcd")


def _tried(store: Source, to: Path) -> Backup:
    for _ in range(_TRIES):
        with progress("reading") as read, contextlib.suppress(CompactedError):
            return backed_up(store, to, __version__, SystemClock(), read)
    raise MetadataUnavailableError(
        "etcd forgets old revisions faster than they can be read; let it keep them for longer (--auto-compaction-retention)"
    )
