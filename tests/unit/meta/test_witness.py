"""Metadata that goes back in time is noticed by who left something in it."""

from __future__ import annotations

import contextlib

import pytest

from holdfast.errors import MetadataUnavailableError, RolledBackError
from holdfast.meta import keys
from holdfast.meta.store import Delete, Put
from holdfast.meta.witness import Memory, Witness, looks_right, trust
from tests.unit.meta.world import new_ids

KEY = keys.witness("n1")


class Book:
    def __init__(self):
        self.memory = Memory()
        self.saves = 0

    def load(self):
        return self.memory

    def save(self, memory):
        self.memory = memory
        self.saves += 1


class World:
    def __init__(self, store):
        self.store = store
        self.book = Book()
        self.new_id = new_ids()
        self.witness = Witness(store, "n1", self.book, self.new_id)

    def backup(self):
        return {key: self.store.get(key) for key in (KEY, keys.TRUST_TASK)}

    def restore(self, backup):
        ops = [Put(key, entry.value) if entry else Delete(key) for key, entry in backup.items()]
        assert self.store.txn([], ops).succeeded

    def is_right(self):
        try:
            self.witness.require_right()
        except RolledBackError:
            return False
        return True


@pytest.fixture
def world(store):
    return World(store)


def test_what_stands_as_it_was_left_is_right(world):
    assert world.is_right()
    for _ in range(3):
        world.witness.leave()
        assert world.is_right()


def test_an_older_state_is_noticed_and_stays_so_whatever_is_written_since(world):
    world.witness.leave()
    backup = world.backup()
    world.witness.leave()
    world.restore(backup)
    assert not world.is_right()
    world.store.txn([], [Put(b"repo/x", b"") for _ in range(1)])
    assert not world.is_right()
    with pytest.raises(RolledBackError):
        world.witness.leave()


def test_a_state_of_before_the_first_word_is_noticed(world):
    backup = world.backup()
    world.witness.leave()
    world.restore(backup)
    assert not world.is_right()


def test_an_operators_word_makes_it_count_again(world):
    world.witness.leave()
    trust(world.store, world.new_id)
    backup = world.backup()
    world.witness.leave()
    trust(world.store, world.new_id)
    world.restore(backup)
    assert not world.is_right()  # the word that the backup holds was not about this
    trust(world.store, world.new_id)
    assert world.is_right()
    world.witness.leave()
    assert world.is_right()


@pytest.mark.parametrize("saves", [1, 2])
def test_a_node_that_dies_between_its_memory_and_the_metadata_finds_it_right(world, saves):
    world.witness.leave()

    def save(memory):
        Book.save(world.book, memory)
        if world.book.saves == before + saves:
            raise KeyboardInterrupt

    before, world.book.save = world.book.saves, save
    with contextlib.suppress(KeyboardInterrupt):
        world.witness.leave()
    del world.book.save
    assert world.is_right()
    world.witness.leave()
    assert world.is_right()


def test_an_answer_that_was_lost_leaves_it_right(world):
    world.witness.leave()
    txn = world.store.txn

    def lost(*args):
        txn(*args)
        raise MetadataUnavailableError("lost")

    world.store.txn = lost
    with pytest.raises(MetadataUnavailableError):
        world.witness.leave()
    world.store.txn = txn
    assert world.is_right()


def test_a_restore_is_doubted_by_nodes_that_remember_nothing_as_well(world):
    world.store.txn([], [Put(keys.CLUSTER_RESTORED, b"2026-01-01T00:00:00Z")])
    with pytest.raises(RolledBackError, match="backup of 2026-01-01"):
        world.witness.require_right()
    with pytest.raises(RolledBackError):
        world.witness.leave()
    assert not looks_right(world.store, "n1", world.book)
    trust(world.store, world.new_id)
    assert world.is_right()
    assert looks_right(world.store, "n1", world.book)


def test_one_word_of_an_operator_is_enough_after_a_restore(world):
    world.witness.leave()
    backup = world.backup()
    world.witness.leave()
    world.restore(backup)
    world.store.txn([], [Put(keys.CLUSTER_RESTORED, b"2026-01-01T00:00:00Z")])
    assert not world.is_right()
    assert not looks_right(world.store, "n1", world.book)
    trust(world.store, world.new_id)
    assert world.is_right()
