"""What is SQLite's own business: the contract suite knows nothing of it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest

from holdfast.clock import ManualClock, SystemClock
from holdfast.errors import MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.sqlite.group import GroupCommit, Job
from holdfast.meta.sqlite.schema import MIGRATIONS, migrate
from holdfast.meta.store import KeyAt, Put


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metadata.db"


@pytest.fixture
def store(path):
    made = SqliteStore(path, SystemClock())
    yield made
    made.close()


class Wrapped:
    """A connection whose statements can be made to fail."""

    def __init__(self, connection, failing, error, *, after=False):
        self._connection = connection
        self._failing = failing
        self._error = error
        self._after = after

    def execute(self, statement, *values):
        if statement != self._failing:
            return self._connection.execute(statement, *values)
        if self._after:
            self._connection.execute(statement, *values)
        raise self._error

    def __getattr__(self, name):
        return getattr(self._connection, name)


def sqlite_error(code):
    error = sqlite3.OperationalError("as ordered")
    error.sqlite_errorcode = code
    return error


def fail(store, statement, code, **how):
    with store._connections.exclusive() as connection:
        store._connections._writer = Wrapped(connection, statement, sqlite_error(code), **how)


def test_nothing_is_opened_before_the_first_call(path):
    SqliteStore(path, SystemClock())
    assert not path.exists()


def test_the_files_are_for_their_owner_only(store, path):
    store.txn([], [Put(b"a", b"")])
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_commits_are_durable_and_logged_ahead(store):
    store.get(b"a")
    with store._connections.reader() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_many_threads_share_few_connections(store):
    store.txn([], [Put(b"a", b"")])
    threads = [threading.Thread(target=lambda: [store.get(b"a") for _ in range(20)]) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= store._connections._readers <= 8


def test_a_full_file_system_is_unavailable_and_changes_nothing(store):
    store.txn([], [Put(b"a", b"1")])
    with store._connections.exclusive() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(MetadataUnavailableError, match="full"):
        store.txn([], [Put(b"a", b"2"), Put(b"b", bytes(500_000))])
    assert store.get(b"a").value == b"1"
    assert store.txn([], [Put(b"a", b"3")]).succeeded  # the connection was made anew


def test_a_commit_that_found_no_room_has_not_happened(store):
    fail(store, "COMMIT", sqlite3.SQLITE_FULL)
    with pytest.raises(MetadataUnavailableError):
        store.txn([], [Put(b"a", b"1")])
    assert store.get(b"a") is None


@pytest.mark.parametrize("after", [False, True], ids=["not happened", "happened"])
def test_a_commit_that_failed_otherwise_has_an_unknown_outcome(store, after):
    fail(store, "COMMIT", sqlite3.SQLITE_IOERR, after=after)
    with pytest.raises(OutcomeUnknownError):
        store.txn([], [Put(b"a", b"1")])
    assert (store.get(b"a") is not None) == after
    assert store.txn([], [Put(b"b", b"1")]).succeeded


def test_a_transaction_that_cannot_begin_has_not_happened(store):
    fail(store, "BEGIN IMMEDIATE", sqlite3.SQLITE_IOERR)
    with pytest.raises(MetadataUnavailableError):
        store.txn([], [Put(b"a", b"1")])


def test_a_damaged_file_is_unavailable(path):
    path.write_bytes(b"no database at all" * 500)
    store = SqliteStore(path, SystemClock())
    for call in (lambda: store.get(b"a"), lambda: store.txn([], [Put(b"a", b"")]), store.quick_check):
        with pytest.raises(MetadataUnavailableError):
            call()


def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "metadata.db", SystemClock())
    with pytest.raises(MetadataUnavailableError):
        store.get(b"a")


def test_a_file_of_a_newer_version_is_refused(path):
    SqliteStore(path, SystemClock()).get(b"a")
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(MetadataUnavailableError, match="newer"):
        SqliteStore(path, SystemClock()).get(b"a")


def test_migrations_are_run_once_each_and_all_or_none(tmp_path):
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    migrate(connection, [["CREATE TABLE one (x)"]])
    migrate(connection, [["CREATE TABLE one (x)"], ["CREATE TABLE two (x)"]])
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [[], [], ["CREATE TABLE three (x)", "no sql"]])
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert tables == {"one", "two"}
    connection.close()


def test_a_lease_ends_with_the_boot(path):
    clock = ManualClock()
    before = SqliteStore(path, clock, boot="before")
    lease = before.grant_lease(1000)
    before.txn([], [Put(b"m", b"", lease.lease_id)])
    assert before.get(b"m")
    after = SqliteStore(path, clock, boot="after")
    assert after.get(b"m") is None
    assert after.keep_alive(lease.lease_id) == 0.0
    before.close()
    after.close()


def test_a_backup_made_while_others_write_is_whole(store, tmp_path):
    for number in range(50):
        store.txn([], [Put(b"k%d" % n, b"%d" % number + bytes(3000)) for n in range(20)])
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            store.txn([], [Put(b"a", b"%d" % number), Put(b"b", b"%d" % number)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        store.backup(tmp_path / "copy.db")
    finally:
        stop.set()
        writer.join()
    copy = SqliteStore(tmp_path / "copy.db", SystemClock())
    snapshot = copy.get_many([b"a", b"b", b"k7"])
    assert snapshot.entries[b"k7"].value == b"49" + bytes(3000)
    values = {entry.value for key, entry in snapshot.entries.items() if key in (b"a", b"b")}
    assert len(values) <= 1
    assert copy.quick_check() == []
    copy.close()
    assert not list(tmp_path.glob("*.partial"))


def test_a_backup_that_cannot_be_written_leaves_the_earlier_one(store, tmp_path):
    store.txn([], [Put(b"a", b"")])
    with pytest.raises(MetadataUnavailableError):
        store.backup(tmp_path / "missing" / "copy.db")


def test_a_child_of_a_process_that_had_the_file_open_refuses_it(store, path):
    store.txn([], [Put(b"a", b"1")])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            SqliteStore(path, SystemClock()).get(b"a")
        except MetadataUnavailableError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get(b"a").value == b"1"


def test_a_child_may_open_what_its_parent_had_not(path):
    store = SqliteStore(path, SystemClock())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.txn([], [Put(b"a", b"child")])
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get(b"a").value == b"child"
    store.close()


def test_reading_does_not_wait_for_a_process_that_writes(store, path):
    store.txn([], [Put(b"a", b"1")])
    with store._connections.exclusive():
        other = SqliteStore(path, SystemClock())
        assert other.get(b"a").value == b"1"
        assert store.get(b"a").value == b"1"
    other.close()


def test_a_failed_compare_in_a_batch_harms_nobody_else(store):
    store.txn([], [Put(b"a", b"")])
    results = {}

    def write(number):
        compares = [KeyAt(b"a", 0)] if number % 2 else []
        results[number] = store.txn(compares, [Put(b"n%d" % number, b"")]).succeeded

    threads = [threading.Thread(target=write, args=(number,)) for number in range(40)]
    other = SqliteStore(store._connections._path, SystemClock())
    # While another holds the lock between processes, one waits for it and the rest wait for that one: a single batch.
    with other._connections.exclusive():
        for thread in threads:
            thread.start()
        wait_until(lambda: len(store._group._waiting) == len(threads))
    for thread in threads:
        thread.join()
    other.close()
    assert results == {number: number % 2 == 0 for number in range(40)}
    assert [n for n in range(40) if store.get(b"n%d" % n)] == list(range(0, 40, 2))


# Group commit


def run_in_order(log, gate=None):
    def run(take):
        if gate is not None:
            gate.wait(10)
        batch = take()
        log.append([job.work for job in batch])
        for job in batch:
            job.result = job.work

    return run


def start(group, work, outcomes):
    def submit():
        job = Job(work)
        try:
            group.submit(job)
            outcomes[work] = job.result
        except MetadataUnavailableError as error:
            outcomes[work] = error

    thread = threading.Thread(target=submit)
    thread.start()
    return thread


def wait_until(condition):
    deadline = threading.Event()
    for _ in range(2000):
        if condition():
            return
        deadline.wait(0.005)
    raise AssertionError("the condition never came")


def test_jobs_that_wait_are_run_together_in_order_of_arrival():
    log, gate, outcomes, threads = [], threading.Event(), {}, []
    group = GroupCommit(run_in_order(log, gate))
    for number in range(200):
        threads.append(start(group, number, outcomes))
        wait_until(lambda number=number: len(group._waiting) == number + 1)
    gate.set()
    for thread in threads:
        thread.join(10)
    assert [number for batch in log for number in batch] == list(range(200))
    assert [len(batch) for batch in log] == [128, 72]
    assert outcomes == {number: number for number in range(200)}


def test_a_job_whose_turn_does_not_come_is_taken_back():
    log, gate, outcomes = [], threading.Event(), {}
    group = GroupCommit(run_in_order(log, gate), patience_seconds=0.05)
    leader = start(group, "leader", outcomes)
    wait_until(lambda: group._led)
    start(group, "late", outcomes).join(10)
    assert isinstance(outcomes["late"], MetadataUnavailableError)
    gate.set()
    leader.join(10)
    assert log == [["leader"]]
    assert not group._led


def test_a_runner_that_breaks_leaves_nobody_waiting():
    group = GroupCommit(lambda take: (_ for _ in ()).throw(KeyError("broken")))
    job = Job("work")
    for _ in range(2):
        with pytest.raises(KeyError):
            group.submit(job)
    assert not group._led


def test_a_key_that_was_read_before_is_read_again_after_any_commit_of_another_process(tmp_path):
    path = tmp_path / "m.db"
    store = SqliteStore(path, SystemClock())
    store.txn([], [Put(b"k", b"0")])
    assert store.get(b"k").value == b"0"
    assert store.get(b"missing") is None
    script = (
        "import sys; from pathlib import Path; from holdfast.meta.sqlite import SqliteStore;"
        "from holdfast.clock import SystemClock; from holdfast.meta.store import Put;"
        "s = SqliteStore(Path(sys.argv[1]), SystemClock());"
        "[(s.txn([], [Put(b'k', line.strip().encode()), Put(b'missing', b'')]), print('done', flush=True)) for line in sys.stdin]"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        for number in range(1, 50):
            other.stdin.write(f"{number}\n")
            other.stdin.flush()
            assert other.stdout.readline() == "done\n"
            assert store.get(b"k").value == b"%d" % number
            assert store.get(b"missing") is not None
        other.stdin.close()
    store.close()


def test_reading_a_key_again_costs_no_statement_while_nothing_is_committed(tmp_path):
    store = SqliteStore(tmp_path / "m.db", SystemClock())
    store.txn([], [Put(b"k", b"v")])
    for _ in range(2):  # the first reading finds the file by which snapshots are named
        assert store.get(b"k").value == b"v"
    taken = []
    take = store._connections.take
    store._connections.take = lambda: taken.append(1) or take()
    assert store.get(b"k").value == b"v"
    assert not taken
    store.txn([], [Put(b"other", b"")])
    assert store.get(b"k").value == b"v"
    assert taken
    store.close()


def test_a_key_under_a_lease_is_never_answered_from_memory(tmp_path):
    clock = ManualClock()
    store = SqliteStore(tmp_path / "m.db", clock)
    lease = store.grant_lease(5)
    store.txn([], [Put(b"k", b"v", lease.lease_id)])
    assert store.get(b"k").value == b"v"
    clock.advance(6)
    assert store.get(b"k") is None
    store.close()
