"""FaultyStore: any store, with the faults on order that MemoryStore offers (see there), so that one test runs over both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.errors import MetadataUnavailableError, OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.meta.store import Compare, Op, Store, TxnResult
    from tests.fakes.memory_store import Fault


class FaultyStore:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.transactions = 0
        self.reads = 0
        self._faults: dict[int, Fault] = {}
        self._interruption: Callable[[], object] | None = None

    def fail_txn(self, nth: int, fault: Fault) -> None:
        self._faults[self.transactions + nth] = fault

    def before_txn(self, interruption: Callable[[], object]) -> None:
        self._interruption = interruption

    def get(self, key: bytes) -> Any:
        self.reads += 1
        return self._store.get(key)

    def get_many(self, keys: Sequence[bytes]) -> Any:
        self.reads += 1
        return self._store.get_many(keys)

    def range(self, start: bytes, end: bytes, limit: int, *, keys_only: bool = False) -> Any:
        self.reads += 1
        return self._store.range(start, end, limit, keys_only=keys_only)

    def txn(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes] = ()) -> TxnResult:
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            interruption()
        self.transactions += 1
        fault = self._faults.pop(self.transactions, None)
        if fault == "down":
            raise MetadataUnavailableError("down, as ordered")
        if fault == "before":
            raise OutcomeUnknownError("the request was lost, as ordered")
        result = self._store.txn(compares, ops, read_on_failure)
        if fault == "after":
            raise OutcomeUnknownError("the answer was lost, as ordered")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
