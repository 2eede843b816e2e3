"""Blobs that somebody links and of which no node has a good copy: known until one comes, or nobody wants it any more.

    lost/<partition>/<digest>      written by a node that has asked everybody, removed by one that has a copy again

Sync workers fetch again what belongs to mirrored repositories; of the rest operators are told, with the images that it touches.

Promises: :meth:`LostBook.standing` tells links that were there before a question and are unchanged after it. While a link stands,
bytes stand (ARCHITECTURE 3b), so a question that found none meanwhile has found a loss, and not a push or a sweep under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.records import Codec
from holdfast.meta.store import Delete, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest
    from holdfast.meta.store import Store

_LOST: Final = Codec(wire.LostRecord)
# Of the repositories that hold one digest; one that stood is proof enough.
_HOLDERS: Final = 20


@dataclass(frozen=True, slots=True)
class Lost:
    """``found_seconds``: wall clock, for people."""

    digest: Digest
    fault: str
    found_seconds: float


class LostBook:
    """Every method may raise MetadataUnavailableError, changes OutcomeUnknownError. ``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, new_id: Callable[[], bytes]) -> None:
        self._store = store
        self._new_id = new_id

    def linked(self, partition: int) -> Iterator[Digest]:
        """Those that anybody links, in the order of their texts, each once."""
        last: Digest | None = None
        for entry in pages(self._store, *keys.holders_in(partition), keys_only=True):
            digest = keys.held_in(entry.key)
            if digest != last:
                yield digest
            last = digest

    def standing(self, digest: Digest) -> frozenset[tuple[bytes, int]]:
        """Links to it, as they stand."""
        page = self._store.range(*keys.holders_of(digest), _HOLDERS, keys_only=True)
        return frozenset((entry.key, entry.mod_revision) for entry in page.entries)

    def all(self) -> Iterator[Lost]:
        """By partition and digest."""
        for entry in pages(self._store, *keys.LOST):
            record = _LOST.decode(entry.value)
            yield Lost(keys.lost_in(entry.key), record.fault, record.found_seconds)

    def add(self, lost: Lost) -> None:
        record = wire.LostRecord(operation_id=self._new_id(), fault=lost.fault, found_seconds=lost.found_seconds)
        insist(self._store, (), [Put(keys.lost(lost.digest), _LOST.encode(record))])

    def remove(self, digest: Digest) -> None:
        insist(self._store, (), [Delete(keys.lost(digest))])
