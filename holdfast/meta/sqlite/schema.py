"""The tables, and how a file of an older version gets them.

``PRAGMA user_version`` is the number of migrations that a file has seen. A migration is never edited once released; the next
one is appended. A file with a higher number than we know is refused: an older program must not write into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import MetadataUnavailableError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_FIRST: Final = (
    # One row. Events up to and including revision ``compacted`` are gone.
    "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, compacted INTEGER NOT NULL)",
    "INSERT INTO state VALUES (1, 1, 0)",
    """CREATE TABLE kv (
        key BLOB PRIMARY KEY, value BLOB NOT NULL, create_rev INTEGER NOT NULL, mod_rev INTEGER NOT NULL, lease INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX kv_lease ON kv (lease) WHERE lease <> 0",
    # ``value`` NULL: a deletion.
    """CREATE TABLE events (
        revision INTEGER NOT NULL, key BLOB NOT NULL, value BLOB, create_rev INTEGER, lease INTEGER, PRIMARY KEY (revision, key)
    ) WITHOUT ROWID""",
    # ``deadline`` is monotonic time of the boot named: another boot means that every holder is gone.
    "CREATE TABLE leases (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl REAL NOT NULL, deadline REAL NOT NULL, boot TEXT NOT NULL)",
)
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST,)


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether there is nothing to migrate."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version == len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the file up to date, in one transaction. The caller holds the lock between processes.

    Raises:
        MetadataUnavailableError: a newer version has written the file.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise MetadataUnavailableError("the metadata file was written by a newer version: start that version instead")
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations):d}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
