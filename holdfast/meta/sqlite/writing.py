"""What happens between BEGIN IMMEDIATE and COMMIT.

Promises: leases that have run out are gone, with their keys, before anything else is looked at; each transaction of the port is
checked against what the earlier ones of the same batch left; one that does not succeed changes nothing; what changes grows the
revision by one and leaves events.

Never here: BEGIN, COMMIT, and the translation of exceptions: the owner's. A method that raises leaves the batch to be rolled back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.meta.store import Entry, KeyAt, Lease, Put, TxnResult

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from holdfast.meta.store import Compare, Op

# Revisions kept for watches, and how often older ones are removed.
RETAINED_REVISIONS: Final = 4096
_TRIM_EVERY: Final = 256

_PUT: Final = """INSERT INTO kv (key, value, create_rev, mod_rev, lease) VALUES (?1, ?2, ?3, ?3, ?4)
    ON CONFLICT (key) DO UPDATE SET value = ?2, mod_rev = ?3, lease = ?4 RETURNING create_rev"""
_EVENT: Final = "INSERT INTO events (revision, key, value, create_rev, lease) VALUES (?, ?, ?, ?, ?)"
_READ: Final = "SELECT key, value, create_rev, mod_rev, lease FROM kv WHERE key = ?"


class Transaction:
    """An open write transaction. ``now_seconds`` is monotonic, ``boot`` names the boot that it belongs to."""

    def __init__(self, connection: sqlite3.Connection, now_seconds: float, boot: str) -> None:
        self._connection = connection
        self._now_seconds = now_seconds
        self._boot = boot
        self._touched = False
        self.revision: int = connection.execute("SELECT revision FROM state").fetchone()[0]
        self._began_at = self.revision
        self._expire()

    def apply(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes]) -> TxnResult:
        """One transaction of the port, which has passed ``check_txn``."""
        if all(map(self._holds, compares)) and all(map(self._may, ops)):
            self._change(ops)
            return TxnResult(succeeded=True, revision=self.revision, found={})
        rows = (self._connection.execute(_READ, (key,)).fetchone() for key in read_on_failure)
        found = {row[0]: Entry(*row) for row in rows if row}
        return TxnResult(succeeded=False, revision=self.revision, found=found)

    def grant(self, ttl_seconds: float) -> Lease:
        values = (ttl_seconds, self._now_seconds + ttl_seconds, self._boot)
        cursor = self._connection.execute("INSERT INTO leases (ttl, deadline, boot) VALUES (?, ?, ?)", values)
        self._touched = True
        return Lease(int(cursor.lastrowid or 0), ttl_seconds)

    def keep_alive(self, lease_id: int) -> float:
        """The seconds it has to live; 0.0: gone."""
        row = self._connection.execute("SELECT ttl FROM leases WHERE id = ?", (lease_id,)).fetchone()
        if row is None:
            return 0.0
        self._connection.execute("UPDATE leases SET deadline = ? WHERE id = ?", (self._now_seconds + row[0], lease_id))
        self._touched = True
        return float(row[0])

    def revoke(self, lease_id: int) -> bool:
        """Whether it was there."""
        rows = self._connection.execute("SELECT key FROM kv WHERE lease = ?", (lease_id,)).fetchall()
        gone = self._connection.execute("DELETE FROM leases WHERE id = ?", (lease_id,)).rowcount
        self._touched |= bool(gone)
        if rows:
            self.revision += 1
            for (key,) in rows:
                self._delete(key)
        return bool(gone)

    def finish(self) -> bool:
        """Write the revision, and trim the events now and then. Whether there is anything to commit."""
        if self.revision != self._began_at:
            self._connection.execute("UPDATE state SET revision = ?", (self.revision,))
            self._touched = True
        if self.revision // _TRIM_EVERY != self._began_at // _TRIM_EVERY:
            oldest = self.revision - RETAINED_REVISIONS
            self._connection.execute("DELETE FROM events WHERE revision <= ?", (oldest,))
            self._connection.execute("UPDATE state SET compacted = max(compacted, ?)", (oldest,))
        return self._touched

    def _expire(self) -> None:
        query = "SELECT id FROM leases WHERE deadline <= ? OR boot <> ?"
        for (lease_id,) in self._connection.execute(query, (self._now_seconds, self._boot)).fetchall():
            self.revoke(lease_id)

    def _holds(self, compare: Compare) -> bool:
        if isinstance(compare, KeyAt):
            row = self._connection.execute("SELECT mod_rev FROM kv WHERE key = ?", (compare.key,)).fetchone()
            return (row[0] if row else 0) == compare.mod_revision
        query = "SELECT 1 FROM kv WHERE key >= ? AND key < ? AND mod_rev > ? LIMIT 1"
        return self._connection.execute(query, (compare.start, compare.end, compare.revision)).fetchone() is None

    def _may(self, op: Op) -> bool:
        if not isinstance(op, Put) or not op.lease_id:
            return True
        return self._connection.execute("SELECT 1 FROM leases WHERE id = ?", (op.lease_id,)).fetchone() is not None

    def _change(self, ops: Sequence[Op]) -> None:
        self.revision += 1
        changed = False
        for op in ops:
            if isinstance(op, Put):
                self._put(op)
                changed = True
            else:
                changed |= self._delete(op.key)
        # Deleting what is not there is no change, and no revision stands for it.
        self.revision -= not changed

    def _put(self, op: Put) -> None:
        row = self._connection.execute(_PUT, (op.key, op.value, self.revision, op.lease_id)).fetchone()
        self._connection.execute(_EVENT, (self.revision, op.key, op.value, row[0], op.lease_id))

    def _delete(self, key: bytes) -> bool:
        deleted = self._connection.execute("DELETE FROM kv WHERE key = ?", (key,)).rowcount > 0
        if deleted:
            self._connection.execute(_EVENT, (self.revision, key, None, None, None))
        return deleted
