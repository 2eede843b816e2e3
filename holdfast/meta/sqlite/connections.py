"""Connections to one metadata file.

Promises
  * A few read connections serve any number of threads, each used by one thread at a time; one more writes.
  * The file exists with the present schema, durably, before the first connection is handed out.
  * :meth:`Connections.exclusive` is held by one process at a time, by a lock that the kernel hands over at once (SQLite's own
    would be polled) and drops when the process dies.

Invariant: nothing is opened before it is needed, because SQLite must not be carried over a fork: not even a fresh connection is
safe in a child while its parent had the file open, so a child refuses the file then.
Never here: statements about keys.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import threading
import weakref
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from holdfast.errors import MetadataUnavailableError
from holdfast.meta.sqlite.schema import is_current, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# More connections than cores gain nothing; each costs its cache.
_READERS: Final = 8
_CACHE_KIB: Final = 512
# Only programs that are not ours can make us wait: among ourselves the lock file decides.
_BUSY_TIMEOUT_SECONDS: Final = 10.0

_in_use: weakref.WeakSet[Connections] = weakref.WeakSet()
_forked_over: set[str] = set()


class Connections:
    """Safe for many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        # Guards what follows, never held during a statement about keys.
        self._opening = threading.Lock()
        self._readers = 0
        self._writer: sqlite3.Connection | None = None
        self._lock_file: int | None = None
        self._closed = False

    @contextlib.contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading, for this thread alone while it lasts."""
        connection = self.take()
        try:
            yield connection
        except sqlite3.Error as cause:
            raise unavailable(cause) from cause
        finally:
            self.give_back(connection)

    def take(self) -> sqlite3.Connection:
        """What :meth:`reader` does, for the hottest path: the caller gives it back and translates exceptions itself."""
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._open_reader() or self._idle.get()

    def give_back(self, connection: sqlite3.Connection) -> None:
        self._idle.put(connection)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The one connection that writes, while no other process writes. One thread at a time, which is the caller's duty.

        Waits as long as another process holds it: that is one commit, unless that process is stopped or the disk hangs.
        """
        with self._opening:
            lock_file = self._prepare()
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
        except OSError as cause:
            raise unavailable(cause) from cause
        try:
            with self._opening:
                if self._writer is None:
                    self._writer = self._connect()
                writer = self._writer
            yield writer
        finally:
            fcntl.flock(lock_file, fcntl.LOCK_UN)

    def drop_writer(self) -> None:
        """After an I/O error: what the connection believes about the file may be wrong."""
        with self._opening:
            if self._writer is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._writer.close()
            self._writer = None

    def separate(self) -> sqlite3.Connection:
        """A connection outside the pool, for long work. The caller closes it and translates its exceptions."""
        with self._opening:
            self._prepare()
        return self._connect()

    def close(self) -> None:
        """Later calls raise MetadataUnavailableError. Writing must have ended; readers are waited for."""
        with self._opening:
            self._closed = True
            readers, self._readers = self._readers, 0
        self.drop_writer()
        closed = [self._idle.get() for _ in range(readers)]
        for connection in closed:
            connection.close()
            # Whoever still waits for a connection gets a closed one, and its error.
            self._idle.put(connection)
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def open_path(self) -> str | None:
        """The file's path, if this process may have it open."""
        return os.path.realpath(self._path) if self._lock_file is not None or self._opening.locked() else None

    def _open_reader(self) -> sqlite3.Connection | None:
        """None: as many are open as may be."""
        with self._opening:
            self._prepare()
            if self._readers == _READERS:
                return None
            connection = self._connect()
            self._readers += 1
            return connection

    def _prepare(self) -> int:
        """The file with its schema, its name in the directory durable; once. Gives the lock between processes."""
        if self._closed:
            raise MetadataUnavailableError("the metadata store has been closed")
        if self._lock_file is not None:
            return self._lock_file
        if os.path.realpath(self._path) in _forked_over:
            raise MetadataUnavailableError("the metadata file was open before the fork: open it in the child only")
        try:
            self._lock_file = self._create()
        except (sqlite3.Error, OSError) as cause:
            raise unavailable(cause) from cause
        _in_use.add(self)
        return self._lock_file

    def _create(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock_file = os.open(f"{self._path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if self._is_current():
                return lock_file  # nothing to write, so nobody to wait for
            fcntl.flock(lock_file, fcntl.LOCK_EX)
            # A file that exists is not opened here: closing what SQLite has open drops SQLite's locks.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with contextlib.closing(_connect(self._path)) as connection:
                migrate(connection)
            sync_directory(self._path.parent)
            fcntl.flock(lock_file, fcntl.LOCK_UN)
        except BaseException:
            os.close(lock_file)
            raise
        return lock_file

    def _is_current(self) -> bool:
        if not self._path.exists():
            return False
        with contextlib.closing(sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_SECONDS)) as connection:
            return is_current(connection)

    def _connect(self) -> sqlite3.Connection:
        try:
            return _connect(self._path)
        except sqlite3.Error as cause:
            raise unavailable(cause) from cause


def unavailable(cause: sqlite3.Error | OSError) -> MetadataUnavailableError:
    """Foreign exceptions end here."""
    if disk_is_full(cause):
        return MetadataUnavailableError("the file system of the metadata is full: make room")
    return MetadataUnavailableError(f"the metadata file cannot be used: {cause}")


def disk_is_full(cause: sqlite3.Error | OSError) -> bool:
    """Whether there was no room, as the file system or SQLite's own bound says."""
    # Misuse of the module itself carries no code.
    return (
        getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or getattr(cause, "errno", None) == errno.ENOSPC
    )


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_TIMEOUT_SECONDS,
        isolation_level=None,  # transactions are begun by us alone
        check_same_thread=False,  # one thread at a time, but not always the same
        cached_statements=64,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_after_fork() -> None:
    # SQLite keeps its view of file locks per process in memory that the child has copied, but the locks are not the child's.
    _forked_over.update(path for path in (connections.open_path() for connections in _in_use) if path is not None)


os.register_at_fork(after_in_child=_refuse_after_fork)
