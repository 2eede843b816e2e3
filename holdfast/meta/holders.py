"""Which digests anybody links, in the order in which storage nodes list their copies: partition by partition, by digest.

Promises: one range is read in pages, so memory does not grow with it. A digest comes once, however many repositories link it.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from holdfast.meta import keys
from holdfast.meta.store import pages

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from holdfast.digest import Digest
    from holdfast.meta.store import Entry, Store


class InOrder:
    """Digests that come by partition and digest, one partition after the other."""

    def __init__(self, digests: Iterator[Digest]) -> None:
        self._digests = digests
        self._next = next(digests, None)

    @property
    def is_empty(self) -> bool:
        """Before anything was asked: whether there are none at all."""
        return self._next is None

    def in_partition(self, partition: int) -> Iterator[Digest]:
        """Partitions are asked about in order."""
        while self._next is not None and self._next.partition < partition:
            self._next = next(self._digests, None)
        while self._next is not None and self._next.partition == partition:
            yield self._next
            self._next = next(self._digests, None)


class Held(InOrder):
    """One walk over all partitions. ``but``: digests that count as nobody's. Every method may raise MetadataUnavailableError,
    CorruptError.
    """

    def __init__(self, store: Store, but: Container[Digest] = ()) -> None:
        entries = pages(store, *keys.HOLDERS, keys_only=True)
        super().__init__(digest for digest, _ in groupby(map(_digest_of, entries)) if digest not in but)


def _digest_of(entry: Entry) -> Digest:
    return keys.held_in(entry.key)
