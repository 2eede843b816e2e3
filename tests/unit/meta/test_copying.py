"""Metadata moves whole, or not at all, and goes on where it broke off."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.copying import Copying, batches, census
from holdfast.meta.store import MAX_OPS, MAX_TXN_BYTES, Delete, KeyAt, Put, check_txn, pages
from holdfast.meta.versions import require_entry
from tests.fakes.memory_store import MemoryStore

KEYS = 1000


def filled(installation=b"one", count=KEYS):
    store = MemoryStore(ManualClock())
    store.txn([], [Put(keys.CLUSTER_ID, installation)])
    for number in range(count):
        store.txn([], [Put(b"tag/some/%05d" % number, b"value %d" % number)])
    return store


@pytest.fixture
def source():
    return filled()


@pytest.fixture
def target():
    return MemoryStore(ManualClock())


def content(store):
    return {entry.key: entry.value for entry in pages(store, *keys.EVERYTHING)}


def run(source, target):
    told = []
    return Copying(source, target).run(told.append), told


def test_every_key_arrives_and_the_mark_is_gone(source, target):
    count, told = run(source, target)
    assert count == KEYS + 1
    assert content(target) == content(source)
    assert told[-1] == KEYS + 1


def test_keys_under_leases_stay_behind(source, target):
    lease = source.grant_lease(60.0).lease_id
    source.txn([], [Put(b"lease/fetch", b"x", lease)])
    run(source, target)
    assert b"lease/fetch" not in content(target)
    assert census(source).leased == 1


def test_a_target_that_is_not_empty_is_left_as_it_is(source, target):
    target.txn([], [Put(b"repo/other", b"x")])
    with pytest.raises(ConfigError, match="not empty"):
        run(source, target)
    assert content(target) == {b"repo/other": b"x"}


def test_who_comes_to_the_target_after_the_look_is_not_written_over(source, target):
    copying = Copying(source, target)
    target.before_txn(lambda: target.txn([], [Put(b"repo/other", b"x")]))
    with pytest.raises(ConfigError):
        copying.run(lambda _: None)
    assert content(target) == {b"repo/other": b"x"}


def test_a_source_without_a_registry_is_refused(target):
    with pytest.raises(ConfigError, match="no registry"):
        run(MemoryStore(ManualClock()), target)


@pytest.mark.parametrize("fault", ["before", "after", "down"])
@pytest.mark.parametrize("nth", range(1, 11))
def test_a_copy_goes_on_wherever_it_broke_off(source, target, nth, fault):
    target.fail_txn(nth, fault)
    try:
        run(source, target)
    except MetadataUnavailableError:
        assert fault == "down"
        if nth > 1:
            with pytest.raises(ConfigError, match="being copied"):
                require_entry(target, "0.1.0")
        run(source, target)
    assert content(target) == content(source)
    require_entry(target, "0.1.0")


def test_what_the_source_dropped_between_two_tries_is_dropped_in_the_copy(source, target):
    target.fail_txn(5, "down")
    with pytest.raises(MetadataUnavailableError):
        run(source, target)
    source.txn([], [Delete(b"tag/some/00000"), Put(b"tag/some/00001", b"moved")])
    run(source, target)
    assert content(target) == content(source)


def test_an_unfinished_copy_of_another_registry_is_refused(source, target):
    target.fail_txn(5, "down")
    with pytest.raises(MetadataUnavailableError):
        run(source, target)
    with pytest.raises(ConfigError, match="another registry"):
        run(filled(b"two"), target)


def test_a_copy_stops_when_its_mark_is_taken_away(source, target):
    copying = Copying(source, target)

    def interfere(_done):
        target.txn([], [Delete(keys.CLUSTER_COPYING)])

    with pytest.raises(ConfigError, match="somebody else"):
        copying.run(interfere)


def test_a_difference_is_found_before_the_mark_goes(source, target):
    def spoil(done):
        if done == KEYS + 1:
            target.txn([], [Put(b"tag/some/00007", b"other")])

    with pytest.raises(MetadataUnavailableError, match="tag/some/00007"):
        Copying(source, target).run(spoil)
    assert target.get(keys.CLUSTER_COPYING) is not None


def test_a_batch_is_never_more_than_a_transaction_takes():
    large = [Put(b"manifest/%03d" % number, bytes(700_000)) for number in range(5)]
    small = [Put(b"tag/%04d" % number, b"x") for number in range(300)]
    made = list(batches([*large, *small, None]))
    assert [op for batch in made for op in batch] == [*large, *small, None]
    for batch in made:
        check_txn([KeyAt(keys.CLUSTER_COPYING, 1)], [op for op in batch if op], [])
    assert max(map(len, made)) == MAX_OPS
    assert len(large[0].value) * 3 > MAX_TXN_BYTES
