"""MemoryStore: the port of ``holdfast.meta.store`` in memory, with faults on order. It passes the same contract suite.

store = MemoryStore(ManualClock())
store.fail_txn(2, "after")       # the second transaction from now happens, and OutcomeUnknownError is raised
store.fail_txn(3, "before")      # the third does not happen, and OutcomeUnknownError is raised
store.fail_txn(4, "down")        # the fourth does not happen, and MetadataUnavailableError is raised
store.before_txn(lambda: ...)    # run once, when the next transaction arrives: what another writer does meanwhile
store.transactions               # how many have been asked for
"""

from __future__ import annotations

import bisect
import threading
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from holdfast.errors import CompactedError, MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.store import (
    Compare,
    Entry,
    Event,
    KeyAt,
    Lease,
    Op,
    Put,
    RangePage,
    Snapshot,
    TxnResult,
    check_txn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from holdfast.clock import Clock

Fault: TypeAlias = Literal["before", "after", "down"]


class MemoryStore:
    def __init__(self, clock: Clock) -> None:
        self.transactions = 0
        self.reads = 0
        self._clock = clock
        self._entries: dict[bytes, Entry] = {}
        self._order: list[bytes] = []
        self._events: list[Event] = []
        self._leases: dict[int, tuple[float, float]] = {}
        self._next_lease = 1
        self._revision = 1
        self._compacted = 0
        self._closed = False
        self._changed = threading.Condition(threading.RLock())
        self._faults: dict[int, Fault] = {}
        self._interruption: Callable[[], object] | None = None

    def fail_txn(self, nth: int, fault: Fault) -> None:
        self._faults[self.transactions + nth] = fault

    def before_txn(self, interruption: Callable[[], object]) -> None:
        self._interruption = interruption

    def all(self) -> dict[bytes, Entry]:
        return dict(self._entries)

    def set_all(self, entries: Iterable[Entry]) -> None:
        """As if nothing else had ever been."""
        self._entries = {entry.key: entry for entry in entries}
        self._order = sorted(self._entries)
        self._events.clear()
        self._revision = max((entry.mod_revision for entry in self._entries.values()), default=1)

    def compact(self) -> None:
        with self._changed:
            self._compacted = self._revision
            self._events.clear()

    def get(self, key: bytes) -> Entry | None:
        return self.get_many([key]).entries.get(key)

    def get_many(self, keys: Sequence[bytes]) -> Snapshot:
        with self._changed:
            self._begin()
            self.reads += 1
            return Snapshot(self._revision, {key: self._entries[key] for key in keys if key in self._entries})

    def range(self, start: bytes, end: bytes, limit: int, *, keys_only: bool = False) -> RangePage:
        if limit < 1:
            raise ValueError("the limit of a range is at least 1")
        with self._changed:
            self._begin()
            self.reads += 1
            keys = self._within(start, end)
            found = [self._entries[key] for key in keys[:limit]]
            if keys_only:
                found = [Entry(e.key, b"", e.create_revision, e.mod_revision, e.lease_id) for e in found]
            return RangePage(self._revision, found, more=len(keys) > limit)

    def txn(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes] = ()) -> TxnResult:
        check_txn(compares, ops, read_on_failure)
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            interruption()
        with self._changed:
            self._begin()
            self.transactions += 1
            fault = self._faults.pop(self.transactions, None)
            if fault == "down":
                raise MetadataUnavailableError("down, as ordered")
            if fault == "before":
                raise OutcomeUnknownError("the request was lost, as ordered")
            result = self._apply(compares, ops, read_on_failure)
            if fault == "after":
                raise OutcomeUnknownError("the answer was lost, as ordered")
            return result

    def watch(self, start: bytes, end: bytes, from_revision: int) -> MemoryWatch:
        return MemoryWatch(self, start, end, from_revision)

    def grant_lease(self, ttl_seconds: float) -> Lease:
        with self._changed:
            self._begin()
            lease = Lease(self._next_lease, ttl_seconds)
            self._next_lease += 1
            self._leases[lease.lease_id] = (ttl_seconds, self._clock.monotonic() + ttl_seconds)
            return lease

    def keep_alive(self, lease_id: int) -> float:
        with self._changed:
            self._begin()
            if lease_id not in self._leases:
                return 0.0
            ttl_seconds = self._leases[lease_id][0]
            self._leases[lease_id] = (ttl_seconds, self._clock.monotonic() + ttl_seconds)
            return ttl_seconds

    def revoke_lease(self, lease_id: int) -> None:
        with self._changed:
            self._begin()
            self._end_lease(lease_id)

    def close(self) -> None:
        self._closed = True

    def _begin(self) -> None:
        if self._closed:
            raise MetadataUnavailableError("closed")
        now = self._clock.monotonic()
        for lease_id in [lease_id for lease_id, (_, deadline) in self._leases.items() if deadline <= now]:
            self._end_lease(lease_id)

    def _end_lease(self, lease_id: int) -> None:
        self._leases.pop(lease_id, None)
        held = [entry.key for entry in self._entries.values() if entry.lease_id == lease_id]
        if held:
            self._revision += 1
            for key in held:
                self._delete(key)
            self._changed.notify_all()

    def _within(self, start: bytes, end: bytes) -> list[bytes]:
        return self._order[bisect.bisect_left(self._order, start) : bisect.bisect_left(self._order, end)]

    def _holds(self, compare: Compare) -> bool:
        if isinstance(compare, KeyAt):
            entry = self._entries.get(compare.key)
            return (entry.mod_revision if entry else 0) == compare.mod_revision
        keys = self._within(compare.start, compare.end)
        return all(self._entries[key].mod_revision <= compare.revision for key in keys)

    def _apply(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes]) -> TxnResult:
        leases_stand = all(op.lease_id in self._leases for op in ops if isinstance(op, Put) and op.lease_id)
        if not leases_stand or not all(self._holds(compare) for compare in compares):
            found = {key: self._entries[key] for key in read_on_failure if key in self._entries}
            return TxnResult(succeeded=False, revision=self._revision, found=found)
        if any(isinstance(op, Put) or op.key in self._entries for op in ops):
            self._revision += 1
        for op in ops:
            if isinstance(op, Put):
                self._put(op)
            else:
                self._delete(op.key)
        self._changed.notify_all()
        return TxnResult(succeeded=True, revision=self._revision, found={})

    def _put(self, op: Put) -> None:
        old = self._entries.get(op.key)
        if old is None:
            bisect.insort(self._order, op.key)
        created = old.create_revision if old else self._revision
        entry = Entry(op.key, op.value, created, self._revision, op.lease_id)
        self._entries[op.key] = entry
        self._events.append(Event(op.key, self._revision, entry))

    def _delete(self, key: bytes) -> None:
        if self._entries.pop(key, None) is not None:
            del self._order[bisect.bisect_left(self._order, key)]
            self._events.append(Event(key, self._revision, None))


class MemoryWatch:
    def __init__(self, store: MemoryStore, start: bytes, end: bytes, from_revision: int) -> None:
        self._store = store
        self._start = start
        self._end = end
        self._next = from_revision

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
        with self._store._changed:
            found = self._read()
            if not found:
                self._store._changed.wait(timeout_seconds)
                found = self._read()
            return found

    def _read(self) -> list[Event]:
        self._store._begin()
        if self._next <= self._store._compacted:
            raise CompactedError("compacted")
        events = [e for e in self._store._events if e.revision >= self._next and self._start <= e.key < self._end]
        self._next = max(self._next, self._store._revision + 1)
        return events

    def close(self) -> None:
        self._store = MemoryStore(self._store._clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
