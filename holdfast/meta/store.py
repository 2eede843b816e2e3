"""The port to the metadata store: a linearizable map with compare-and-swap over several keys.

The model is etcd's, because etcd is the store of a cluster; SQLite carries the same model on one machine. One contract suite
(``tests/contract/``) is run over every adapter.

Promises of every adapter
  * Keys and values are bytes; keys are ordered bytewise. One revision counter grows with every transaction that changes something.
  * A transaction happens whole or not at all, and is durable when the call returns.
  * Reads are linearizable: they see every transaction that was acknowledged before they began, through whatever process.
  * Foreign exceptions never leave: only the errors named here, from inside iterators as well.

Limits that every adapter enforces alike, so that nothing works on one machine and breaks in a cluster: :data:`MAX_OPS`
operations and :data:`MAX_OPS` compares a transaction, :data:`MAX_TXN_BYTES` of keys and values in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_OPS: Final = 128  # etcd --max-txn-ops
MAX_TXN_BYTES: Final = 1_500_000  # a little below etcd --max-request-bytes (1.5 MiB)


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as it stands. ``mod_revision`` is the revision of its last change, ``create_revision`` of its creation."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    lease_id: int = 0


@dataclass(frozen=True, slots=True)
class KeyAt:
    """Holds while the key was last changed at exactly ``mod_revision``; 0 means that it does not exist."""

    key: bytes
    mod_revision: int


@dataclass(frozen=True, slots=True)
class RangeNotAfter:
    """Holds while no key in [start, end) was changed after ``revision``. Deletions leave no trace and are not seen by it."""

    start: bytes
    end: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """Set a key. A lease takes the key with it when it ends.

    Under a lease that is gone the transaction does not succeed, as if a compare did not hold.
    """

    key: bytes
    value: bytes
    lease_id: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a key; a missing key is no error."""

    key: bytes


Compare: TypeAlias = KeyAt | RangeNotAfter
Op: TypeAlias = Put | Delete


@dataclass(frozen=True, slots=True)
class TxnResult:
    """``succeeded`` False: a compare did not hold, nothing was changed, ``found`` holds what ``read_on_failure`` asked for.

    ``revision`` is the store's after the transaction; ``found`` is empty when it succeeded.
    """

    succeeded: bool
    revision: int
    found: Mapping[bytes, Entry]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Several keys as of one revision. Missing keys are not in ``entries``."""

    revision: int
    entries: Mapping[bytes, Entry]


@dataclass(frozen=True, slots=True)
class RangePage:
    """Keys in order. ``more``: the limit cut it off; go on from the last key with a zero byte after it."""

    revision: int
    entries: Sequence[Entry]
    more: bool


@dataclass(frozen=True, slots=True)
class Event:
    """A change. ``entry`` is None for a deletion."""

    key: bytes
    revision: int
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Lease:
    """``ttl_seconds`` as granted. The holder stops at its own monotonic deadline, well before the TTL."""

    lease_id: int
    ttl_seconds: float


class Watch(Protocol):
    """A running watch. Close it, or use it as a context manager."""

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
        """The next changes in revision order; empty when the time ran out.

        Raises:
            CompactedError: the revisions are gone: read the range again and watch from there.
            MetadataUnavailableError: the store did not answer; polling again resumes without a gap.
        """
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


class Store(Protocol):
    """The port. Every method may raise MetadataUnavailableError; safe for use by many threads."""

    def get(self, key: bytes) -> Entry | None: ...

    def get_many(self, keys: Sequence[bytes]) -> Snapshot:
        """Any number of keys, at most MAX_OPS of them as of one revision.

        Beyond that in batches, and the revision is that of the first batch (so a compare against it is safe).
        """
        ...

    def range(self, start: bytes, end: bytes, limit: int, *, keys_only: bool = False) -> RangePage:
        """At most ``limit`` (>= 1) keys of [start, end) in order."""
        ...

    def txn(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes] = ()) -> TxnResult:
        """All ``ops`` if all ``compares`` hold.

        Raises:
            OutcomeUnknownError: it may or may not have happened (a connection lost at the wrong moment).
            MetadataUnavailableError: it has not happened.
            ValueError: over the limits, or a key twice in ``ops``: a mistake of the calling code.
        """
        ...

    def watch(self, start: bytes, end: bytes, from_revision: int) -> Watch:
        """Changes of [start, end) with revision >= ``from_revision``."""
        ...

    def grant_lease(self, ttl_seconds: float) -> Lease: ...

    def keep_alive(self, lease_id: int) -> float:
        """Renew; the seconds it now has to live. 0.0: it is gone, and its keys with it."""
        ...

    def revoke_lease(self, lease_id: int) -> None:
        """End it and delete its keys. A lease that is gone is no error."""
        ...

    def close(self) -> None: ...


def check_txn(compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes]) -> None:
    """Refuse what no adapter takes. Called by every adapter before anything else.

    Raises:
        ValueError: over the limits, an empty key, or a key twice in ``ops``.
    """
    if max(len(compares), len(ops), len(read_on_failure)) > MAX_OPS:
        raise ValueError(f"a transaction has at most {MAX_OPS} compares, operations and keys to read")
    # 128 compares and 128 reads of the longest names are a tenth of a request by themselves.
    size_bytes, keys = sum(map(_key_bytes, compares)) + sum(map(len, read_on_failure)), set()
    for op in ops:
        keys.add(op.key)
        size_bytes += len(op.key) + (len(op.value) if isinstance(op, Put) else 0)
    if len(keys) != len(ops) or b"" in keys:
        raise ValueError("a key is empty or appears twice in one transaction")
    if size_bytes > MAX_TXN_BYTES:
        raise ValueError(f"a transaction has at most {MAX_TXN_BYTES} bytes of keys and values, not {size_bytes}")


def _key_bytes(compare: Compare) -> int:
    return len(compare.key) if isinstance(compare, KeyAt) else len(compare.start) + len(compare.end)


def prefix_end(prefix: bytes) -> bytes:
    """The end of the range of all keys that start with ``prefix`` (not empty, not all 0xff)."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes([cut[-1] + 1])


def pages(store: Store, start: bytes, end: bytes, page_size: int = 1000, *, keys_only: bool = False) -> Iterator[Entry]:
    """Every key of [start, end), read in pages: memory does not grow with the range, and no page sees half a transaction."""
    while True:
        page = store.range(start, end, page_size, keys_only=keys_only)
        yield from page.entries
        if not page.more:
            return
        start = page.entries[-1].key + b"\0"
