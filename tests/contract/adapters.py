"""The adapters of the metadata port that the contract suite is run over.

A new adapter is one more :class:`Harness` here; the suite itself is not touched.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from pyetcd import etcdrpc

from holdfast.clock import ManualClock, SystemClock
from holdfast.meta.etcd import EtcdOptions, EtcdStore, endpoint
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.sqlite.writing import RETAINED_REVISIONS
from holdfast.meta.store import Lease, Put
from tests.etcd_cluster import shared_cluster
from tests.fakes.memory_store import MemoryStore
from tests.serving import wait_for

if TYPE_CHECKING:
    from holdfast.meta.store import Store
    from tests.etcd_cluster import EtcdCluster


class Harness(Protocol):
    """One set of data, and clients to it."""

    def open(self) -> Store:
        """Another client to the same data."""
        ...

    def let_pass(self, seconds: float) -> None:
        """Time goes by, for leases."""
        ...

    def compact(self) -> None:
        """Everything that happened so far is no longer kept for watches."""
        ...

    def close(self) -> None: ...


class ShiftedClock(SystemClock):
    """Real time, and as much more as was asked for."""

    def __init__(self) -> None:
        self.shift_seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.shift_seconds


@dataclass
class MemoryHarness:
    directory: Path
    clock: ManualClock = field(default_factory=ManualClock)
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)

    def open(self) -> Store:
        return self.store

    def let_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def compact(self) -> None:
        self.store.compact()

    def close(self) -> None:
        self.store.close()


@dataclass
class SqliteHarness:
    directory: Path
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    opened: list[SqliteStore] = field(default_factory=list)

    def open(self) -> Store:
        store = open_store("sqlite", str(self.directory), self.clock)
        self.opened.append(store)
        return store

    def let_pass(self, seconds: float) -> None:
        self.clock.shift_seconds += seconds

    def compact(self) -> None:
        # By writing more than is kept: together, so that they share their fsyncs.
        store = self.open()

        def write() -> None:
            for _ in range(RETAINED_REVISIONS // 32 + 20):
                store.txn([], [Put(b"unrelated", b"")])

        threads = [threading.Thread(target=write) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def close(self) -> None:
        for store in self.opened:
            store.close()


# etcd's clock cannot be set: a lease of the suite lives a third of what the suite is told, and time passes three times as fast.
LEASE_SPEED: Final = 3.0


class FastLeases:
    """An EtcdStore whose leases live by a faster clock. Everything else goes through as it is."""

    def __init__(self, store: EtcdStore) -> None:
        self._store = store
        self.granted: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def grant_lease(self, ttl_seconds: float) -> Lease:
        lease = self._store.grant_lease(ttl_seconds / LEASE_SPEED)
        self.granted.append(lease.lease_id)
        return Lease(lease.lease_id, lease.ttl_seconds * LEASE_SPEED)

    def keep_alive(self, lease_id: int) -> float:
        return self._store.keep_alive(lease_id) * LEASE_SPEED


@dataclass
class EtcdHarness:
    """A key prefix of its own in an etcd that all tests share."""

    directory: Path
    size: int = 1
    opened: list[FastLeases] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster: EtcdCluster = shared_cluster(self.size)
        prefix = f"contract-{secrets.token_hex(8)}/"
        (self.directory / "etcd.json").write_text(json.dumps({"urls": self.cluster.urls, "prefix": prefix}))

    def open(self) -> Store:
        store = FastLeases(open_etcd(self.directory))
        self.opened.append(store)
        return store

    def let_pass(self, seconds: float) -> None:
        time.sleep(seconds / LEASE_SPEED)
        # etcd ends what has run out within the next second or so: a lease with time left, or one that is gone, is settled.
        observer = open_etcd(self.directory)
        leases = [lease_id for store in self.opened for lease_id in store.granted]
        wait_for("etcd to end its leases", lambda: all(settled(observer, lease_id) for lease_id in leases))
        observer.close()

    def compact(self) -> None:
        store = open_etcd(self.directory)
        store.compact(0)
        store.close()

    def close(self) -> None:
        # What ends later would move the revision under the next test.
        store = open_etcd(self.directory)
        for opened in self.opened:
            for lease_id in opened.granted:
                store.revoke_lease(lease_id)
            opened.close()
        store.close()


def settled(store: EtcdStore, lease_id: int) -> bool:
    request = etcdrpc.LeaseTimeToLiveRequest(ID=lease_id)
    answer = store._calls.insist(lambda member, **how: member.lease.LeaseTimeToLive(request, **how))
    return answer.grantedTTL == 0 or answer.TTL > 0


def open_etcd(directory: Path) -> EtcdStore:
    known = json.loads((directory / "etcd.json").read_text())
    options = EtcdOptions(tuple(endpoint(url) for url in known["urls"]), prefix=known["prefix"].encode())
    return EtcdStore(options, SystemClock())


HARNESSES = {
    "memory": MemoryHarness,
    "sqlite": SqliteHarness,
    "etcd": EtcdHarness,
    "etcd3": lambda directory: EtcdHarness(directory, 3),
}
# Those that other processes can reach, by open_store(kind, address).
SHARED = ("sqlite", "etcd", "etcd3")


def open_store(kind: str, address: str, clock: SystemClock | None = None) -> Store:
    """A client in whatever process this is."""
    if kind in {"etcd", "etcd3"}:
        return open_etcd(Path(address))
    assert kind == "sqlite"
    return SqliteStore(Path(address) / "metadata.db", clock or SystemClock())
