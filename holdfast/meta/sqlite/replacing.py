"""Everything out of the file, and everything into it, in one transaction each.

Promises: memory grows with neither; what does not fit into SQLite's cache waits in its log. A replacement that breaks off, in
whatever way, never happened. Revisions do not go back, and watches that began before are told to read everything again.

Never here: whether anybody else has the file open.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from holdfast.meta.sqlite.connections import unavailable
from holdfast.meta.store import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ALL: Final = "SELECT key, value, create_rev, mod_rev, lease FROM kv ORDER BY key"
_INSERT: Final = "INSERT INTO kv (key, value, create_rev, mod_rev, lease) VALUES (?, ?, ?, ?, 0)"


def everything(connection: sqlite3.Connection) -> Iterator[Entry]:
    """As of the transaction that the caller has begun. Raises MetadataUnavailableError."""
    try:
        for row in connection.execute(_ALL):
            yield Entry(*row)
    except sqlite3.Error as cause:
        raise unavailable(cause) from cause


def replace(connection: sqlite3.Connection, pairs: Iterable[tuple[bytes, bytes]], above_revision: int) -> int:
    """The revision, which is above ``above_revision`` and above the one that stood."""
    connection.execute("BEGIN IMMEDIATE")
    standing: int = connection.execute("SELECT revision FROM state").fetchone()[0]
    revision = max(standing, above_revision) + 1
    for table in ("kv", "events", "leases"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    connection.executemany(_INSERT, ((key, value, revision, revision) for key, value in pairs))
    connection.execute("UPDATE state SET revision = ?, compacted = ?", (revision, revision))
    connection.execute("COMMIT")
    return revision
