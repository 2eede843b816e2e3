"""Answers that may be old: read while etcd has no quorum, and said so to the client.

A request is served by one thread from its beginning to its head, so what a read learns is kept by thread until the answer's head is
written. Mutations never read like this with success: their transaction needs the quorum.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.meta.etcd import EtcdStore, StaleReads
    from holdfast.meta.store import Compare, Entry, Lease, Op, RangePage, Snapshot, TxnResult, Watch


class Staleness:
    """The age of the oldest answer that this thread's request was given, and what else is said of its freshness."""

    def __init__(self) -> None:
        self._local = threading.local()

    def note(self, age_seconds: float) -> None:
        self._local.age_seconds = max(age_seconds, getattr(self._local, "age_seconds", 0.0))

    def take(self) -> float | None:
        """Of the request that ends; None: everything was read from the quorum."""
        age: float | None = getattr(self._local, "age_seconds", None)
        self._local.age_seconds = None
        del self._local.age_seconds
        return age

    def warn(self, warning: str) -> None:
        """The value of a Warning header for the request that this thread serves."""
        self._local.warning = warning

    def take_warning(self) -> str:
        """Of the request that ends; empty: there is none."""
        warning: str = getattr(self._local, "warning", "")
        if warning:
            del self._local.warning
        return warning


class FallsBack:
    """A store whose reads outlive the quorum. Implements ``holdfast.meta.store.Store``."""

    def __init__(self, store: EtcdStore, reads: StaleReads) -> None:
        self._store = store
        self._reads = reads

    def get(self, key: bytes) -> Entry | None:
        return self._reads.get(key)

    def get_many(self, keys: Sequence[bytes]) -> Snapshot:
        return self._reads.get_many(keys)

    def range(self, start: bytes, end: bytes, limit: int, *, keys_only: bool = False) -> RangePage:
        return self._reads.range(start, end, limit, keys_only=keys_only)

    def txn(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes] = ()) -> TxnResult:
        return self._store.txn(compares, ops, read_on_failure)

    def watch(self, start: bytes, end: bytes, from_revision: int) -> Watch:
        return self._store.watch(start, end, from_revision)

    def grant_lease(self, ttl_seconds: float) -> Lease:
        return self._store.grant_lease(ttl_seconds)

    def keep_alive(self, lease_id: int) -> float:
        return self._store.keep_alive(lease_id)

    def revoke_lease(self, lease_id: int) -> None:
        self._store.revoke_lease(lease_id)

    def close(self) -> None:
        self._store.close()
