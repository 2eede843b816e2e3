"""Everything that repositories hold, with when it was last asked for: one walk over all links.

Promises: two ranges that sort alike are read side by side, in pages, so memory does not grow with what is held, only with how many
repositories hold one digest. The links of a digest come one after the other.

A pull time that no link goes with any more is removed on the way: its link went by another way than eviction, or is yet to come,
and then the time is lost and nothing else.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.pulls import pulled_seconds
from holdfast.meta.records import LinkRecord
from holdfast.meta.store import Delete, KeyAt, pages
from holdfast.mirrors.keeping import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest
    from holdfast.meta.store import Entry, Store
    from holdfast.names import Repository

_BATCH: Final = 60


def last_pull(link: LinkRecord, pulled: Entry | None) -> float:
    """What was never pulled since is as old as its link."""
    return max(link.renewed_seconds, pulled_seconds(pulled))


def _held(repository: Repository, digest: Digest, link: LinkRecord, pulled: Entry | None, links: int) -> Held:
    return Held(repository, digest, link.size_bytes, last_pull(link, pulled), link.origin == "pushed", links)


class Holdings:
    """Every method may raise MetadataUnavailableError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self, is_bound: Callable[[Repository], bool]) -> Iterator[Held]:
        """Every link of the repositories that something bounds, in the order of partitions and digests."""
        times = _Times(self._store)
        # Digests are parsed once, and only where something bounds who holds them: most of the time goes into that.
        for _, group in groupby(pages(self._store, *keys.HOLDERS), lambda entry: keys.before_name(entry.key)):
            links = [(entry, keys.holder_in(entry.key), times.of(entry.key)) for entry in group]
            bound = [link for link in links if is_bound(link[1])]
            if bound:
                digest = keys.held_in(bound[0][0].key)
                for entry, repository, time in bound:
                    yield _held(repository, digest, LinkRecord.decode(entry.value), time, len(links))
        times.finish()


class _Times:
    """The ``pulled/`` keys beside the links that are asked about in order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries = pages(store, *keys.PULLS)
        self._next = next(self._entries, None)
        self._stale: list[Entry] = []

    def of(self, holder: bytes) -> Entry | None:
        place = keys.place_in(holder)
        while self._next is not None and keys.place_in(self._next.key) < place:
            self._forget(self._take())
        if self._next is not None and keys.place_in(self._next.key) == place:
            return self._take()
        return None

    def finish(self) -> None:
        while self._next is not None:
            self._forget(self._take())
        self._clean()

    def _take(self) -> Entry:
        taken = self._next
        if taken is None:
            raise AssertionError("there is no other")
        self._next = next(self._entries, None)
        return taken

    def _forget(self, entry: Entry) -> None:
        self._stale.append(entry)
        if len(self._stale) == _BATCH:
            self._clean()

    def _clean(self) -> None:
        """All at once, or none of them this time: the next walk comes by here again."""
        stale, self._stale = self._stale, []
        compares = [
            compare
            for entry in stale
            for compare in (
                KeyAt(entry.key, entry.mod_revision),
                KeyAt(keys.holder(keys.held_in(entry.key), keys.holder_in(entry.key)), 0),
            )
        ]
        if stale:
            insist(self._store, compares, [Delete(entry.key) for entry in stale])
