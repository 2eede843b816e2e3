"""The metadata store of one machine: the port of ``holdfast.meta.store`` over SQLite. SQL is written in this package only.

store        SqliteStore: the port
group        many threads, one fsync: leader and followers (knows no SQL)
writing      what happens between BEGIN IMMEDIATE and COMMIT
replacing    everything out, everything in: backups
watching     watches, by reading the table of events
connections  opening, pooling, the lock between processes, foreign exceptions
schema       tables and how older ones become the present ones
"""

from holdfast.meta.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
