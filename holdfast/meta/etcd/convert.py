"""The port's values to etcd's messages and back. The key prefix is put on and taken off here, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyetcd import etcdrpc

from holdfast.meta.store import Entry, Event, KeyAt, Put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.meta.store import Compare, Op

_Event: Any = etcdrpc.WatchResponse.DESCRIPTOR.fields_by_name["events"].message_type
_DELETE: int = _Event.enum_types_by_name["EventType"].values_by_name["DELETE"].number


class Codec:
    """Messages for keys below ``prefix``. They are Any to us: the library's stubs carry no types."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix

    def key(self, key: bytes) -> bytes:
        return self._prefix + key

    def entry(self, kv: Any) -> Entry:
        return Entry(kv.key[len(self._prefix) :], kv.value, kv.create_revision, kv.mod_revision, kv.lease)

    def entries(self, responses: Sequence[Any]) -> dict[bytes, Entry]:
        """What the ranges of a transaction found."""
        found = (self.entry(kv) for response in responses for kv in response.response_range.kvs)
        return {entry.key: entry for entry in found}

    def event(self, event: Any) -> Event:
        entry = self.entry(event.kv)
        return Event(entry.key, entry.mod_revision, None if event.type == _DELETE else entry)

    def get(self, key: bytes, *, serializable: bool = False) -> Any:
        return etcdrpc.RangeRequest(key=self.key(key), serializable=serializable)

    def range(
        self, start: bytes, end: bytes, limit: int, *, keys_only: bool, serializable: bool, revision: int = 0
    ) -> Any:
        """``revision`` 0: as it stands."""
        return etcdrpc.RangeRequest(
            key=self.key(start),
            range_end=self.key(end),
            limit=limit,
            keys_only=keys_only,
            serializable=serializable,
            revision=revision,
        )

    def reads(self, keys: Sequence[bytes], *, serializable: bool = False) -> Any:
        """A transaction that reads ``keys`` as of one revision."""
        gets = [etcdrpc.RequestOp(request_range=self.get(key, serializable=serializable)) for key in keys]
        return etcdrpc.TxnRequest(success=gets or [self._anchor(serializable=serializable)])

    def txn(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes]) -> Any:
        return etcdrpc.TxnRequest(
            compare=[self._compare(compare) for compare in compares],
            success=[self._op(op) for op in ops] or [self._anchor(serializable=False)],
            failure=[etcdrpc.RequestOp(request_range=self.get(key)) for key in read_on_failure],
        )

    def watch(self, start: bytes, end: bytes, from_revision: int) -> Any:
        create = etcdrpc.WatchCreateRequest(
            key=self.key(start),
            range_end=self.key(end),
            start_revision=from_revision,
            progress_notify=True,
        )
        return etcdrpc.WatchRequest(create_request=create)

    def _anchor(self, *, serializable: bool) -> Any:
        """A range that costs nothing. etcd takes a transaction without one for a serializable read, compares and all."""
        anchor = etcdrpc.RangeRequest(key=self._prefix, count_only=True, serializable=serializable)
        return etcdrpc.RequestOp(request_range=anchor)

    def _compare(self, compare: Compare) -> Any:
        if isinstance(compare, KeyAt):
            return etcdrpc.Compare(
                target=etcdrpc.Compare.MOD,
                result=etcdrpc.Compare.EQUAL,
                key=self.key(compare.key),
                mod_revision=compare.mod_revision,
            )
        # An empty range compares as one key of revision 0.
        return etcdrpc.Compare(
            target=etcdrpc.Compare.MOD,
            result=etcdrpc.Compare.LESS,
            key=self.key(compare.start),
            range_end=self.key(compare.end),
            mod_revision=compare.revision + 1,
        )

    def _op(self, op: Op) -> Any:
        if isinstance(op, Put):
            put = etcdrpc.PutRequest(key=self.key(op.key), value=op.value, lease=op.lease_id)
            return etcdrpc.RequestOp(request_put=put)
        return etcdrpc.RequestOp(request_delete_range=etcdrpc.DeleteRangeRequest(key=self.key(op.key)))
