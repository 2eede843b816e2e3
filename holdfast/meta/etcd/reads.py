"""Reading, linearizable or serializable: the same three questions, asked of a majority or of whoever answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.meta.store import MAX_OPS, Entry, RangePage, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.meta.etcd.calls import Call, Calls
    from holdfast.meta.etcd.convert import Codec


class Reads:
    """Every method raises MetadataUnavailableError. ``serializable`` answers come from one member and may be old."""

    def __init__(self, calls: Calls, codec: Codec, *, serializable: bool) -> None:
        self._ask: Callable[[Call], Any] = calls.local if serializable else calls.read
        self._codec = codec
        self._serializable = serializable

    def get(self, key: bytes) -> Entry | None:
        request = self._codec.get(key, serializable=self._serializable)
        response = self._ask(lambda member, **how: member.kv.Range(request, **how))
        return self._codec.entry(response.kvs[0]) if response.kvs else None

    def get_many(self, keys: Sequence[bytes]) -> Snapshot:
        entries: dict[bytes, Entry] = {}
        revision: int | None = None
        for first in range(0, max(len(keys), 1), MAX_OPS):
            batch = self._batch(keys[first : first + MAX_OPS])
            revision = batch.revision if revision is None else revision
            entries.update(batch.entries)
        return Snapshot(revision or 0, entries)

    def range(self, start: bytes, end: bytes, limit: int, *, keys_only: bool = False, revision: int = 0) -> RangePage:
        """``revision`` 0: as it stands; else as it stood then. Raises CompactedError: etcd has forgotten it."""
        if limit < 1:
            raise ValueError(f"the limit of a range is at least 1, not {limit}")
        request = self._codec.range(
            start, end, limit, keys_only=keys_only, serializable=self._serializable, revision=revision
        )
        response = self._ask(lambda member, **how: member.kv.Range(request, **how))
        return RangePage(response.header.revision, [self._codec.entry(kv) for kv in response.kvs], more=response.more)

    def _batch(self, keys: Sequence[bytes]) -> Snapshot:
        request = self._codec.reads(keys, serializable=self._serializable)
        response = self._ask(lambda member, **how: member.kv.Txn(request, **how))
        return Snapshot(response.header.revision, self._codec.entries(response.responses))
