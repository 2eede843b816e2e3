"""SqliteStore: the port of ``holdfast.meta.store`` on one machine, for many processes and many threads.

Promises beyond the port's
  * Reads are single statements, each a snapshot by itself; they never wait for a writer.
  * Commits are durable (WAL, synchronous=FULL). Threads that write at the same time share one fsync; processes take turns.
  * A key that was read before is read from memory while the file is the same (``version``): asking that costs less than a
    microsecond.
  * Leases end by the machine's monotonic clock, and with the boot: no wall clock is asked.

The file, its ``-wal``, ``-shm`` and ``.lock`` belong together on a local file system; copy them with :meth:`SqliteStore.backup`
only. Nothing is opened before the first call, which must come after the last fork.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

from holdfast.errors import MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.keeping.frozen import Frozen
from holdfast.meta.sqlite.connections import Connections, disk_is_full, sync_directory, unavailable
from holdfast.meta.sqlite.group import GroupCommit, Job
from holdfast.meta.sqlite.replacing import everything, replace
from holdfast.meta.sqlite.version import Version
from holdfast.meta.sqlite.watching import SqliteWatch
from holdfast.meta.sqlite.writing import Transaction
from holdfast.meta.store import MAX_OPS, Entry, Lease, RangePage, Snapshot, check_txn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from holdfast.clock import Clock
    from holdfast.meta.store import Compare, Op, TxnResult

    Work: TypeAlias = Callable[[Transaction], object]

_T = TypeVar("_T")
_GET: Final = "SELECT key, value, create_rev, mod_rev, lease FROM kv WHERE key = ?"
_RANGE: Final = """SELECT s.revision, k.key, {value}, k.create_rev, k.mod_rev, k.lease
    FROM state s LEFT JOIN kv k ON k.key >= ? AND k.key < ? WHERE s.id = 1 ORDER BY k.key LIMIT ?"""
_RANGE_ALL: Final = _RANGE.format(value="k.value")
_RANGE_KEYS: Final = _RANGE.format(value="x''")
# A handful of statements for any number of keys, so that they stay prepared; the last key fills up the rest.
_MANY: Final = {
    size: f"""SELECT s.revision, k.key, k.value, k.create_rev, k.mod_rev, k.lease
    FROM state s LEFT JOIN kv k ON k.key IN ({",".join("?" * size)}) WHERE s.id = 1"""  # noqa: S608 - question marks only
    for size in (1, 2, 4, 8, 16, 32, 64, MAX_OPS)
}
_BACKUP_PAGES: Final = 256
# Between two commits; at most 64 MiB of values, far less in practice.
_RECENT: Final = 4096
_RECENT_BYTES: Final = 16 << 10


class _NotRead(Enum):
    YET = 0


_NOT_READ: Final = _NotRead.YET
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class SqliteStore:
    """The store in ``path``. ``boot`` names this boot of the machine; None: the kernel's name for it."""

    def __init__(self, path: Path, clock: Clock, boot: str | None = None) -> None:
        self._clock = clock
        self._boot = _BOOT_ID.read_text().strip() if boot is None else boot
        self._connections = Connections(path)
        self._version = Version(path)
        self._recent: tuple[bytes, dict[bytes, Entry | None]] = (b"", {})
        self._group: GroupCommit[Work] = GroupCommit(self._run)
        self._changed = threading.Condition()

    def get(self, key: bytes) -> Entry | None:
        version = self._version.now()
        if version is None:
            return self._get(key)
        recent = self._recent
        if recent[0] != version:
            recent = self._recent = (version, {})
        found = recent[1].get(key, _NOT_READ)
        if not isinstance(found, _NotRead):
            return found
        # Under a name from before the reading: what was committed meanwhile has given the file another name.
        entry = self._get(key)
        if len(recent[1]) < _RECENT and (entry is None or (not entry.lease_id and len(entry.value) < _RECENT_BYTES)):
            recent[1][key] = entry
        return entry

    def _get(self, key: bytes) -> Entry | None:
        connection = self._connections.take()
        try:
            row = connection.execute(_GET, (key,)).fetchone()
        except sqlite3.Error as cause:
            raise unavailable(cause) from cause
        finally:
            self._connections.give_back(connection)
        self._version.open()
        if row is None:
            return None
        if row[4] and self._ended([row[4]]):
            return self._get(key)
        return Entry(*row)

    def get_many(self, keys: Sequence[bytes]) -> Snapshot:
        entries: dict[bytes, Entry] = {}
        revision: int | None = None
        for first in range(0, max(len(keys), 1), MAX_OPS):
            at, batch = self._get_batch(keys[first : first + MAX_OPS])
            revision = at if revision is None else revision
            entries.update((entry.key, entry) for entry in batch)
        return Snapshot(revision or 0, entries)

    def range(self, start: bytes, end: bytes, limit: int, *, keys_only: bool = False) -> RangePage:
        if limit < 1:
            raise ValueError(f"the limit of a range is at least 1, not {limit}")
        revision, entries = self._select(_RANGE_KEYS if keys_only else _RANGE_ALL, (start, end, limit + 1))
        return RangePage(revision, entries[:limit], more=len(entries) > limit)

    def txn(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes] = ()) -> TxnResult:
        check_txn(compares, ops, read_on_failure)
        return self._submit(lambda transaction: transaction.apply(compares, ops, read_on_failure))

    def watch(self, start: bytes, end: bytes, from_revision: int) -> SqliteWatch:
        return SqliteWatch(self._connections, self._clock, (start, end), from_revision, self._settle_leases, self._wait)

    def grant_lease(self, ttl_seconds: float) -> Lease:
        if ttl_seconds <= 0:
            raise ValueError(f"a lease lives for more than {ttl_seconds} seconds")
        return self._submit(lambda transaction: transaction.grant(ttl_seconds))

    def keep_alive(self, lease_id: int) -> float:
        return self._submit(lambda transaction: transaction.keep_alive(lease_id))

    def revoke_lease(self, lease_id: int) -> None:
        self._submit(lambda transaction: transaction.revoke(lease_id))

    def close(self) -> None:
        """Afterwards every call raises MetadataUnavailableError. Ends when running calls have ended."""
        # The last job in the queue: when it has run, nobody writes.
        with contextlib.suppress(MetadataUnavailableError, OutcomeUnknownError):
            self._submit(lambda transaction: transaction.revision)
        self._version.forget()
        self._connections.close()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[Frozen]:
        """Everything as of one revision, read while everything goes on; the log cannot be taken back into the file meanwhile."""
        with contextlib.closing(self._connections.separate()) as connection:
            try:
                connection.execute("BEGIN")
                revision: int = connection.execute("SELECT revision FROM state").fetchone()[0]
            except sqlite3.Error as cause:
                raise unavailable(cause) from cause
            yield Frozen(revision, everything(connection))

    def replace(self, pairs: Iterable[tuple[bytes, bytes]], above_revision: int) -> int:
        """Nothing but these keys, in one transaction; the revision. Whatever breaks off leaves everything as it was.

        For a process that has this file for itself, as far as it can tell: who watches has to read everything again.
        """
        with self._connections.exclusive() as connection:
            try:
                revision = replace(connection, pairs, above_revision)
            except sqlite3.Error as cause:
                self._abandon(connection)
                raise unavailable(cause) from cause
            except BaseException:
                self._abandon(connection)
                raise
        return revision

    def backup(self, target: Path) -> None:
        """A consistent copy, made in pages while everything goes on; it appears under its name when it is whole and durable.

        Raises:
            MetadataUnavailableError: either file cannot be read or written; there is no new copy then.
        """
        unfinished = target.with_name(target.name + ".partial")
        try:
            unfinished.unlink(missing_ok=True)
            with (
                contextlib.closing(self._connections.separate()) as source,
                contextlib.closing(sqlite3.connect(unfinished)) as copy,
            ):
                # A snapshot of its own: otherwise each commit from elsewhere would make the copying begin again.
                source.execute("BEGIN")
                source.execute("SELECT revision FROM state").fetchone()
                source.backup(copy, pages=_BACKUP_PAGES)
            with unfinished.open("rb") as written:
                os.fsync(written.fileno())
            unfinished.replace(target)
            sync_directory(target.parent)
        except (sqlite3.Error, OSError) as cause:
            raise unavailable(cause) from cause

    def quick_check(self) -> list[str]:
        """Faults of the file as SQLite words them; none is an empty list. Reads the whole file."""
        try:
            with contextlib.closing(self._connections.separate()) as connection:
                faults = [row[0] for row in connection.execute("PRAGMA quick_check")]
        except sqlite3.Error as cause:
            raise unavailable(cause) from cause
        return [] if faults == ["ok"] else faults

    def _get_batch(self, keys: Sequence[bytes]) -> tuple[int, list[Entry]]:
        size = next(size for size in _MANY if size >= len(keys))
        filler = keys[-1] if keys else b""
        return self._select(_MANY[size], (*keys, *(filler for _ in range(size - len(keys)))))

    def _select(self, statement: str, values: Iterable[bytes | int]) -> tuple[int, list[Entry]]:
        """A snapshot: the revision, and entries none of which has outlived its lease."""
        values = tuple(values)
        while True:
            with self._connections.reader() as connection:
                rows = connection.execute(statement, values).fetchall()
            leases = {row[5] for row in rows if row[5]}
            if not leases or not self._ended(leases):
                return rows[0][0], [Entry(*row[1:]) for row in rows if row[1] is not None]

    def _ended(self, lease_ids: Iterable[int]) -> bool:
        """Whether one of them has run out; then it has been ended, and what was read is to be read again."""
        query = "SELECT deadline, boot FROM leases WHERE id = ?"
        with self._connections.reader() as connection:
            rows = [connection.execute(query, (lease_id,)).fetchone() for lease_id in lease_ids]
        now_seconds = self._clock.monotonic()
        if all(row and row[0] > now_seconds and row[1] == self._boot for row in rows):
            return False
        self._end_leases()
        return True

    def _settle_leases(self) -> None:
        query = "SELECT 1 FROM leases WHERE deadline <= ? OR boot <> ? LIMIT 1"
        with self._connections.reader() as connection:
            ended = connection.execute(query, (self._clock.monotonic(), self._boot)).fetchone()
        if ended:
            self._end_leases()

    def _end_leases(self) -> None:
        # Every transaction ends them before it begins.
        self._submit(lambda transaction: transaction.revision)

    def _wait(self, timeout_seconds: float) -> None:
        with self._changed:
            self._changed.wait(timeout_seconds)

    def _submit(self, work: Callable[[Transaction], _T]) -> _T:
        job: Job[Work] = Job(work)
        self._group.submit(job)
        if job.error is not None:
            raise job.error
        if job.result is None:
            raise OutcomeUnknownError("the thread that wrote the metadata has ended")
        return cast("_T", job.result)

    def _run(self, take: Callable[[], Sequence[Job[Work]]]) -> None:
        """The leader's work: one write transaction for all that wait once the file is ours."""
        try:
            with self._connections.exclusive() as connection:
                self._run_batch(connection, take())
        except MetadataUnavailableError as cause:
            _fail(take(), MetadataUnavailableError, cause)

    def _run_batch(self, connection: sqlite3.Connection, batch: Sequence[Job[Work]]) -> None:
        committing = False
        try:
            connection.execute("BEGIN IMMEDIATE")
            transaction = Transaction(connection, self._clock.monotonic(), self._boot)
            results = [job.work(transaction) for job in batch]
            if transaction.finish():
                committing = True
                connection.execute("COMMIT")
            else:
                connection.execute("ROLLBACK")
        except sqlite3.Error as cause:
            self._abandon(connection)
            # A full disk cannot take the end of a transaction. After any other failure of the last step (an fsync, say) it may
            # be whole in the log, and come back after a crash.
            unknown = committing and not disk_is_full(cause)
            _fail(batch, OutcomeUnknownError if unknown else MetadataUnavailableError, cause)
            return
        except BaseException:
            self._abandon(connection)
            raise
        for job, result in zip(batch, results, strict=True):
            job.result = result
        if committing:
            with self._changed:
                self._changed.notify_all()

    def _abandon(self, connection: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        self._connections.drop_writer()


def _fail(
    batch: Sequence[Job[Work]],
    error: type[MetadataUnavailableError | OutcomeUnknownError],
    cause: sqlite3.Error | MetadataUnavailableError,
) -> None:
    message = str(unavailable(cause)) if isinstance(cause, sqlite3.Error) else cause.message
    for job in batch:
        # One for each: an exception that many threads raise collects all their traces.
        job.error = error(message)
        job.error.__cause__ = cause
