"""The backups that a node makes by itself: when, how many, and when not."""

from __future__ import annotations

import contextlib
import os

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import ConfigError, StorageFullError, UnavailableError
from holdfast.meta import keys
from holdfast.meta.keeping import file
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import Delete, Put
from storagenode.backups import BackupOptions, Backups
from storagenode.disk.space import Space

DAY = 24 * 3600.0


class World:
    def __init__(self, directory, store):
        self.directory = directory / "backups"
        self.clock = ManualClock()
        self.store = store
        self.space = Space(str(directory), 0)
        self.wanted = True
        self.started()

    def started(self):
        options = BackupOptions(DAY, 3)
        self.backups = Backups(self.directory, self.store, self.space, self.clock, options, lambda: self.wanted)

    def change(self, value=b"x"):
        self.store.txn([], [Put(b"tag/a//v1", value)])

    def after(self, seconds):
        """How many files there are, a while later."""
        self.clock.advance(seconds)
        before = set(self.files)
        self.backups.look()
        for path in set(self.files) - before:
            os.utime(path, (self.clock.wall(), self.clock.wall()))
        return len(self.files)

    @property
    def files(self):
        return sorted(self.directory.glob("*")) if self.directory.exists() else []


@pytest.fixture
def world(tmp_path):
    with contextlib.closing(SqliteStore(tmp_path / "meta/holdfast.db", ManualClock(), "boot")) as store:
        store.txn([], [Put(keys.CLUSTER_ID, b"one" * 4)])
        yield World(tmp_path, store)


def test_none_is_made_right_after_a_start(world):
    assert world.after(1.0) == 0
    assert world.after(600.0) == 1


def test_one_is_made_a_day_while_the_metadata_changes(world):
    assert world.after(600.0) == 1
    world.change()
    assert world.after(DAY / 2) == 1
    assert world.after(DAY / 2) == 2
    assert b"tag/a//v1" in dict(file.pairs_of(file.verified(world.files[-1])))


def test_where_nothing_has_changed_none_is_made(world):
    assert world.after(600.0) == 1
    assert world.after(DAY) == 1
    assert world.files[0].suffix == ".backup"
    world.change()
    assert world.after(DAY) == 2


def test_the_last_few_are_kept(world):
    for number in range(6):
        world.change(b"%d" % number)
        world.after(DAY)
    assert len(world.files) == 3
    values = [dict(file.pairs_of(file.verified(path)))[b"tag/a//v1"] for path in world.files]
    assert values == [b"3", b"4", b"5"]


def test_a_node_that_is_started_again_makes_no_more_of_them(world):
    assert world.after(600.0) == 1
    world.change()
    world.started()
    assert world.after(601.0) == 1
    assert world.after(DAY) == 2


def test_metadata_that_is_not_to_be_believed_is_not_kept(world):
    world.wanted = False
    assert world.after(DAY) == 0
    world.wanted = True
    assert world.after(DAY) == 1


def test_what_a_process_left_that_was_killed_goes_with_the_next_one(world):
    world.directory.mkdir()
    (world.directory / "holdfast-x-20260101T000000Z.backup.partial").write_bytes(b"half")
    assert world.after(600.0) == 1
    assert world.files[0].suffix == ".backup"


def test_a_damaged_newest_one_is_followed_by_another(world):
    world.after(600.0)
    world.files[0].write_bytes(b"damaged")
    os.utime(world.files[0], (0, 0))
    assert world.after(DAY) == 2


def test_a_disk_that_is_nearly_full_gets_none_and_keeps_the_old_ones(world):
    world.after(600.0)
    for number in range(20):
        world.store.txn([], [Put(b"tag/b//%d-%d" % (number, inner), b"x") for inner in range(100)])
    world.space.reserve_bytes = 1 << 62
    with pytest.raises(StorageFullError):
        world.after(DAY)
    assert len(world.files) == 1
    world.space.reserve_bytes = 0
    assert world.after(600.0) == 2


def test_one_that_is_being_made_is_given_up_when_the_node_stops(world):
    for number in range(20):
        world.store.txn([], [Put(b"tag/b//%d-%d" % (number, inner), b"x") for inner in range(100)])
    world.backups.start()
    world.backups.stop()
    with pytest.raises(UnavailableError, match="stopping"):
        world.after(600.0)
    assert world.files == []


def test_metadata_without_a_registry_is_no_backup(world):
    world.store.txn([], [Delete(keys.CLUSTER_ID)])
    with pytest.raises(ConfigError):
        world.after(600.0)
    assert world.files == []


@pytest.mark.parametrize(("interval", "count"), [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_impossible_options_are_refused(interval, count):
    with pytest.raises(ValueError):
        BackupOptions(interval, count)


def test_a_clock_that_was_set_back_does_not_cost_the_backup_that_was_just_made(tmp_path):
    backups = Backups.__new__(Backups)
    backups._directory, backups._options = tmp_path, BackupOptions(count=2)
    for when in ("20261124T000000Z", "20261125T000000Z"):
        (tmp_path / f"holdfast-aaaaaaaa-{when}.backup").write_text("")
    made = tmp_path / "holdfast-aaaaaaaa-19700101T000000Z.backup"
    made.write_text("")
    backups._drop_old(made)
    assert made.exists()
    assert len(list(tmp_path.iterdir())) == 2
