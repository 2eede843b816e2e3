"""The adapters of the metadata port that the contract suite is run over.

A new adapter is one more :class:`Harness` here; the suite itself is not touched.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from holdfast.clock import ManualClock, SystemClock
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.sqlite.writing import RETAINED_REVISIONS
from holdfast.meta.store import Put
from tests.fakes.memory_store import MemoryStore

if TYPE_CHECKING:
    from holdfast.meta.store import Store


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


HARNESSES = {"memory": MemoryHarness, "sqlite": SqliteHarness}
# Those that other processes can reach, by open_store(kind, address).
SHARED = ("sqlite",)


def open_store(kind: str, address: str, clock: SystemClock | None = None) -> SqliteStore:
    """A client in whatever process this is."""
    assert kind == "sqlite"
    return SqliteStore(Path(address) / "metadata.db", clock or SystemClock())
