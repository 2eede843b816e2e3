"""Which form is written, who may start, and when the minimum version may be raised."""

from __future__ import annotations

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import ConfigError, CorruptError, RequestInvalidError
from holdfast.meta import forms, keys, versions
from holdfast.meta.forms import OLDEST, Running, Version, parse, writable
from holdfast.meta.records import Codec
from holdfast.meta.store import Put
from holdfast.wire import records_pb2 as wire
from tests.fakes.memory_store import MemoryStore

OPERATION = bytes(16)


@pytest.fixture
def running(monkeypatch):
    """What this process has heard, for one test."""
    fresh = Running()
    monkeypatch.setattr("holdfast.meta.versions.RUNNING", fresh)
    monkeypatch.setattr("holdfast.meta.records.RUNNING", fresh)
    return fresh


@pytest.fixture
def store(running):
    return MemoryStore(ManualClock())


def start(store, version, process_id="p"):
    """A process, as it starts: its lease."""
    lease = store.grant_lease(60.0).lease_id
    versions.announce(store, "gateway", process_id, version, lease)
    versions.enter(store, version, OPERATION, lease)
    return lease


@pytest.mark.parametrize(
    ("text", "version"),
    [("0.1.0", Version(0, 1)), ("1.22.333", Version(1, 22, 333)), ("0.2", Version(0, 2)), ("0.2.0rc1", Version(0, 2))],
)
def test_versions_are_numbers(text, version):
    assert parse(text) == version


@pytest.mark.parametrize("text", ["", "1", "v1.0", "1.x", "-1.0"])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(RequestInvalidError):
        parse(text)


def test_ten_is_newer_than_nine():
    assert parse("0.10.0") > parse("0.9.9")


@pytest.mark.parametrize(
    ("minimum", "form"), [("0.1.0", 1), ("0.1.9", 1), ("0.2.0", 2), ("0.2.5", 2), ("0.3.0", 3), ("1.0.0", 3)]
)
def test_the_newest_form_is_written_that_the_minimum_reads(minimum, form):
    since = {2: parse("0.2.0"), 3: parse("0.3.0")}
    assert writable(3, since, parse(minimum)) == form


def test_without_a_declaration_only_the_first_form_is_written():
    assert writable(2, {2: parse("0.2.0")}, OLDEST) == 1


def test_a_record_is_lowered_for_older_readers_until_the_minimum_is_heard(running):
    mark = b"\x0a\x00"  # an empty operation_id, which changes nothing but the bytes
    old = Codec(wire.BumpRecord)
    new = Codec(
        wire.BumpRecord,
        form=2,
        lifts={1: lambda payload: payload + mark},
        lowers={2: lambda payload: payload},
        since={2: parse("0.2.0")},
    )
    record = wire.BumpRecord(operation_id=b"x")
    assert old.decode(new.encode(record)) == record
    running.heard(parse("0.2.0"))
    assert new.encode(record)[0] == 2
    assert new.decode(new.encode(record)) == record
    with pytest.raises(CorruptError, match="newer version"):
        old.decode(new.encode(record))


def test_what_was_heard_never_goes_down(running):
    running.heard(parse("0.3.0"))
    running.heard(parse("0.2.0"))
    assert running.minimum == parse("0.3.0")


def test_a_process_below_the_minimum_does_not_start_and_one_at_it_does(store):
    versions.raise_minimum(store, parse("0.2.0"))
    with pytest.raises(ConfigError, match=r"minimum version is 0\.2\.0"):
        versions.require_entry(store, "0.1.9")
    versions.require_entry(store, "0.2.0")


def test_reading_the_minimum_lets_the_encoders_hear_of_it(store, running):
    versions.raise_minimum(store, parse("0.2.0"))
    running.__init__()
    versions.minimum(store)
    assert running.minimum == parse("0.2.0")


@pytest.mark.parametrize("version", ["0.1.0", "unknown"])
def test_one_living_process_that_is_too_old_keeps_the_minimum_down(store, version):
    start(store, "0.2.0", "new")
    lease = store.grant_lease(60.0).lease_id
    versions.announce(store, "gateway", "old", version, lease)
    with pytest.raises(ConfigError, match="gateway old"):
        versions.raise_minimum(store, parse("0.2.0"))
    store.revoke_lease(lease)
    versions.raise_minimum(store, parse("0.2.0"))
    assert versions.minimum(store) == parse("0.2.0")


def test_the_minimum_never_goes_down(store):
    versions.raise_minimum(store, parse("0.2.0"))
    versions.raise_minimum(store, parse("0.2.0"))
    with pytest.raises(ConfigError, match="never goes down"):
        versions.raise_minimum(store, parse("0.1.0"))


def test_a_process_that_starts_while_the_minimum_is_raised_is_seen_or_sees(store):
    # It comes after the living were counted, and before the minimum is written.
    store.before_txn(lambda: start(store, "0.1.0"))
    with pytest.raises(ConfigError, match="gateway p"):
        versions.raise_minimum(store, parse("0.2.0"))
    assert store.get(keys.CLUSTER_MIN_VERSION) is None


def test_a_process_that_announced_itself_before_finds_the_minimum_when_it_enters(store):
    lease = store.grant_lease(60.0).lease_id
    # Its announcement comes late enough not to be counted, its entry after the minimum was written.
    store.before_txn(lambda: versions.announce(store, "gateway", "p", "0.1.0", lease))
    versions.raise_minimum(store, parse("0.2.0"))
    with pytest.raises(ConfigError, match="minimum version"):
        versions.enter(store, "0.1.0", OPERATION, lease)


def test_nothing_is_left_of_a_process_whose_lease_ended(store):
    store.revoke_lease(start(store, "0.1.0"))
    assert store.range(*keys.EVERYTHING, 10).entries == []


def test_nobody_starts_where_metadata_is_being_copied(store):
    store.txn([], [Put(keys.CLUSTER_COPYING, b"id")])
    with pytest.raises(ConfigError, match="being copied"):
        versions.require_entry(store, "99.0.0")
    assert forms.RUNNING.minimum == OLDEST
