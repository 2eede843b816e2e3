"""Backups of real stores: of either kind into either kind, while others write, and with a kill before any line."""

from __future__ import annotations

import contextlib
import secrets
import threading
from typing import TYPE_CHECKING

import pytest

from holdfast.clock import SystemClock
from holdfast.digest import of
from holdfast.errors import CompactedError, ConfigError, RemovalsMovedError
from holdfast.manifest import OCI_MANIFEST, Reference
from holdfast.meta import keys
from holdfast.meta.copying import Copying
from holdfast.meta.keeping import file
from holdfast.meta.keeping.making import backed_up
from holdfast.meta.keeping.restoring import name_of, restored
from holdfast.meta.records import ManifestRecord
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import Delete, Put, pages
from holdfast.meta.versions import announce, require_entry
from holdfast.names import repository, tag
from tests.crash.dying import at_every_line
from tests.etcd_cluster import shared_cluster

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = SystemClock()
REPO = repository("team/app")


def new_id():
    return secrets.token_bytes(16)


@pytest.fixture
def opened(tmp_path):
    """Makes empty stores, by kind."""
    with contextlib.ExitStack() as stack:

        def open_(kind):
            name = secrets.token_hex(8)
            if kind == "etcd":
                store = shared_cluster(1).open(f"backup-{name}/".encode())
            else:
                store = SqliteStore(tmp_path / name / "metadata.db", CLOCK)
            return stack.enter_context(contextlib.closing(store))

        yield open_


def filled(store):
    store.txn([], [Put(keys.CLUSTER_ID, b"one")])
    for number in range(250):
        store.txn([], [Put(b"tag/some//%05d" % number, b"value %d" % number)])
    store.txn([], [Put(b"manifest/some//large", bytes(900_000))])
    return store


def content(store):
    return {entry.key: entry.value for entry in pages(store, *keys.EVERYTHING, 100)}


def back_up(store, path):
    return backed_up(store, path, "0.1.0", CLOCK)


def restore(backup, target):
    if isinstance(target, SqliteStore):
        target.replace(restored(backup), backup.header.revision)
        return
    with contextlib.closing(SqliteStore(backup.path.with_suffix(".db"), CLOCK)) as source:
        source.replace(restored(backup), backup.header.revision)
        Copying(source, target, name_of(backup), replaces=True).run(lambda _: None)


@pytest.mark.parametrize("target", ["sqlite", "etcd"])
@pytest.mark.parametrize("source", ["sqlite", "etcd"])
def test_a_backup_of_either_store_is_restored_into_either(opened, tmp_path, source, target):
    made = back_up(filled(opened(source)), tmp_path / "b")
    there = opened(target)
    there.txn([], [Put(b"tag/other//x", b"what was there before"), Put(b"tag/some//00007", b"another")])
    restore(file.verified(made.path), there)
    found = content(there)
    assert found.pop(keys.CLUSTER_RESTORED) == made.header.made.encode()
    assert found == dict(file.pairs_of(made))
    assert len(found) == 252


@pytest.mark.parametrize("kind", ["sqlite", "etcd"])
def test_what_processes_of_the_moment_do_stays_behind(opened, tmp_path, kind):
    store = filled(opened(kind))
    lease = store.grant_lease(60.0).lease_id
    announce(store, "gateway", "g1", "0.1.0", lease)
    store.txn([], [Put(keys.session("x"), b"who", lease), Put(keys.fetch(of(b"x")), b"whose")])
    store.txn([], [Put(keys.CLUSTER_COPYING, b"x")])
    with pytest.raises(ConfigError, match="only being copied"):
        back_up(store, tmp_path / "b")
    store.txn([], [Delete(keys.CLUSTER_COPYING)])
    assert {key.partition(b"/")[0] for key, _ in file.pairs_of(back_up(store, tmp_path / "b"))} == {
        b"cluster",
        b"manifest",
        b"tag",
    }
    store.revoke_lease(lease)


@pytest.mark.parametrize("kind", ["sqlite", "etcd"])
def test_an_empty_store_is_nothing_to_back_up(opened, tmp_path, kind):
    with pytest.raises(ConfigError, match="no registry"):
        back_up(opened(kind), tmp_path / "backup")
    assert list(tmp_path.glob("backup*")) == []


@pytest.mark.parametrize("kind", ["sqlite", "etcd"])
def test_backups_under_write_load_hold_whole_pushes_only(opened, tmp_path, kind):
    """Every tag's manifest, and every link that it needs, is in the same file."""
    store = opened(kind)
    store.txn([], [Put(keys.CLUSTER_ID, b"one")])
    stop, pushes = threading.Event(), []
    # Enough of a start that reading takes more than a page.
    for number in range(40):
        push_one(store, f"base{number}")

    def push(writer):
        number = 0
        while not stop.is_set():
            pushes.append(push_one(store, f"w{writer}-{number}"))
            if number % 3 == 2:
                Repositories(store, new_id, CLOCK).delete_manifest(REPO, pushes[-1])
            number += 1

    threads = [threading.Thread(target=push, args=(writer,)) for writer in range(3)]
    for thread in threads:
        thread.start()
    tags = []
    try:
        for number in range(4):
            before = len(pushes)
            made = back_up(store, tmp_path / f"b{number}")
            tags.append(require_whole(dict(file.pairs_of(made))))
            while len(pushes) <= before + 6:  # more than can be deleted again
                threads[0].join(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert min(tags) >= 40
    assert max(tags) > min(tags)


def push_one(store, name):
    repos = Repositories(store, new_id, CLOCK)
    layers = [of(f"{name} layer {number}".encode()) for number in range(3)]
    for layer in layers:
        repos.add_link(REPO, layer, 10, repos.fence(layer))
    new = NewManifest(of(name.encode()), OCI_MANIFEST, 100, tuple(Reference(layer, 10) for layer in layers))
    while True:
        with contextlib.suppress(RemovalsMovedError):  # another thread has deleted: look again, as a gateway does
            repos.put_manifest(REPO, new, [tag(name)], repos.fence(new.digest), repos.removals(REPO))
            return new.digest


def require_whole(pairs):
    """The number of living tags; what was deleted leaves tags behind that are cleaned a moment later."""
    records = {key: value for key, value in pairs.items() if key.startswith(b"manifest/")}
    for key, value in records.items():
        record = ManifestRecord.decode(keys.last_digest_in(key), value)
        for digest in (record.digest, *(one.digest for one in record.references)):
            assert keys.link(REPO, digest) in pairs
            assert keys.holder(digest, REPO) in pairs
    tags = {key: keys.manifest(REPO, of(keys.tag_in(key).encode())) for key in pairs if key.startswith(b"tag/")}
    dead = [key for key, record in tags.items() if record not in records]
    assert all(int(key.rpartition(b"-")[2]) % 3 == 2 for key in dead)
    return len(tags) - len(dead)


def test_a_revision_that_etcd_forgets_while_it_is_read_is_not_taken_for_the_end(opened):
    store = filled(opened("etcd"))
    with store.frozen() as frozen:
        next(frozen.entries)
        store.txn([], [Put(b"repo/x", b"")])
        store.compact(0)
        with pytest.raises(CompactedError):
            list(frozen.entries)


def test_a_kill_before_any_line_of_a_restore_into_a_file_leaves_the_old_state_or_the_new(tmp_path):
    def at(path, work: Callable):
        with contextlib.closing(SqliteStore(path, CLOCK)) as store:
            return work(store)

    def some(store):
        store.txn([], [Put(keys.CLUSTER_ID, b"one"), *(Put(b"tag/a//%d" % number, bytes(999)) for number in range(4))])
        return back_up(store, tmp_path / "b")

    made = at(tmp_path / "old.db", some)
    old, new = {b"repo/old": b"x"}, dict(restored(made))
    target, revisions, states = tmp_path / "target.db", [], []
    at(target, lambda store: store.txn([], [Put(b"repo/old", b"x")]))
    names = ["sqlite/replacing.py", "keeping/restoring.py", "sqlite/store.py"]
    for _ in at_every_line(names, lambda: at(target, lambda store: restore(made, store)), step=3):
        found = at(target, content)
        assert found in (old, new)
        states.append(found)
        revisions.append(at(target, lambda store: store.get_many([]).revision))
    assert states[0] == old
    assert states[-1] == new
    assert revisions == sorted(revisions)
    assert at(target, lambda store: store.quick_check()) == []


def test_a_restored_file_goes_on_above_every_revision_that_was_known(opened, tmp_path):
    source, target = filled(opened("sqlite")), opened("sqlite")
    target.txn([], [Put(b"repo/x", b"")])
    watch = target.watch(*keys.EVERYTHING, 1)
    made = back_up(source, tmp_path / "b")
    restore(made, target)
    assert target.get_many([]).revision > made.header.revision
    with watch, pytest.raises(CompactedError):
        watch.poll(0.0)
    result = target.txn([], [Put(b"repo/y", b"")])
    assert result.revision > target.get(b"cluster/id").mod_revision


def test_a_restore_into_etcd_that_broke_off_keeps_everybody_out_and_goes_on(opened, tmp_path):
    made, target = back_up(filled(opened("sqlite")), tmp_path / "b"), opened("etcd")
    target.txn([], [Put(keys.CLUSTER_ID, b"other"), Put(b"tag/other//x", b"")])

    class DiedError(Exception):
        pass

    def die(_done):
        raise DiedError

    with contextlib.closing(SqliteStore(tmp_path / "source.db", CLOCK)) as source:
        source.replace(restored(made), made.header.revision)
        with pytest.raises(DiedError):
            Copying(source, target, name_of(made), replaces=True).run(die)
    with pytest.raises(ConfigError, match="holdfast restore"):
        require_entry(target, "0.1.0")
    restore(made, target)
    require_entry(target, "0.1.0")
    assert content(target) == dict(restored(made))


def test_a_restore_does_not_write_under_a_living_process(opened, tmp_path):
    made, target = back_up(filled(opened("sqlite")), tmp_path / "b"), filled(opened("etcd"))
    before = content(target)
    lease = target.grant_lease(60.0).lease_id
    announce(target, "gateway", "g1", "0.1.0", lease)
    with pytest.raises(ConfigError, match="gateway g1"):
        restore(made, target)
    assert target.get(keys.CLUSTER_COPYING) is None
    target.revoke_lease(lease)
    assert content(target) == before
