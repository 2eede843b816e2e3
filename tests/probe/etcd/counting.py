"""Concurrent increments through ``holdfast.meta.commit``, each with a receipt, so that what was lost or done twice shows.

The counter and the receipt of an increment are put in one transaction. Afterwards the counter equals the number of receipts
(nothing twice), and there is a receipt for every increment that was acknowledged (nothing lost).
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field

from holdfast.errors import MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.commit import Change, commit
from holdfast.meta.store import KeyAt, Put, pages, prefix_end

COUNTER, RECEIPTS = b"counter", b"receipt/"


@dataclass
class Counting:
    """Threads that count until they are told to stop."""

    store: object
    threads: int = 8
    acknowledged: list[tuple[float, bytes]] = field(default_factory=list)
    unknown: list[bytes] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self):
        self._stop = threading.Event()
        self._running = [threading.Thread(target=self._count) for _ in range(self.threads)]

    def __enter__(self):
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for thread in self._running:
            thread.join()

    def _count(self):
        while not self._stop.is_set():
            operation = os.urandom(16)
            try:
                if increment(self.store, operation):
                    self.acknowledged.append((time.monotonic(), operation))
            except OutcomeUnknownError:
                self.unknown.append(operation)
            except MetadataUnavailableError:
                self.refused += 1

    def acknowledged_after(self, moment):
        return [at for at, _ in self.acknowledged if at > moment]

    def faults(self, store):
        """Sentences; none when all is well."""
        entry = store.get(COUNTER)
        count = int(entry.value.split(b":", 1)[0]) if entry else 0
        receipts = {
            found.key[len(RECEIPTS) :] for found in pages(store, RECEIPTS, prefix_end(RECEIPTS), keys_only=True)
        }
        promised = {operation for _, operation in self.acknowledged}
        found = []
        if count != len(receipts):
            found.append(f"the counter says {count}, there are {len(receipts)} receipts")
        if promised - receipts:
            found.append(f"{len(promised - receipts)} acknowledged increments are lost")
        if receipts - promised - set(self.unknown):
            found.append("an increment happened that was reported as not done")
        return found


def increment(store, operation):
    entry = store.get(COUNTER)
    count = int(entry.value.split(b":", 1)[0]) if entry else 0
    standing = entry.mod_revision if entry else 0
    change = Change(
        primary=COUNTER,
        standing=standing,
        operation_id=operation,
        compares=[KeyAt(COUNTER, standing)],
        ops=[Put(COUNTER, b"%d:%s" % (count + 1, operation)), Put(RECEIPTS + operation, b"")],
    )
    return commit(store, change).succeeded
