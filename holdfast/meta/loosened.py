"""Whose links were taken away for a reason: what explains that nobody links a blob any more.

    loosened/<partition>/<digest>      when, by a wall clock's seconds

Somebody had a manifest or a blob deleted, retention let it go, or a collector found that no manifest needs it.

Metadata that has lost entries leaves blobs that nobody links as well, and there a collector has to ask before it takes much. A
digest stands here only if a link of it went in the same transaction, from a repository that knew of no manifest with it: refs go
with the manifest that has made them, so where they stand and it does not, it was lost, and there is no word. An older backup has
none either.

Promises: the keys lie as the ``holder/`` keys do, so that whoever walks over copies reads both side by side. A word is forgotten
after a while, also one from the future: then somebody has to be asked again, no more.
Never here: whether anybody links the digest now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.holders import InOrder
from holdfast.meta.records import Codec
from holdfast.meta.store import MAX_OPS, Delete, KeyAt, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.store import Entry, Op, Store

_TIME: Final = Codec(wire.PullRecord)
# A node that is away for so long asks when it is back.
KEEP_SECONDS: Final = 3 * 86_400.0


class Words:
    """Every method may raise MetadataUnavailableError, ``tidy`` OutcomeUnknownError as well."""

    def __init__(self, store: Store, clock: Clock, keep_seconds: float = KEEP_SECONDS) -> None:
        self._store = store
        self._clock = clock
        self._keep_seconds = keep_seconds

    def ops(self, digest: Digest) -> list[Op]:
        """For the transaction that takes the link."""
        return [Put(keys.loosened(digest), _TIME.encode(wire.PullRecord(pulled_seconds=self._clock.wall())))]

    def tidy(self, goes_on: Callable[[], bool]) -> None:
        """Forget what is older than ``keep_seconds``."""
        now, old = self._clock.wall(), []
        for entry in pages(self._store, *keys.LOOSENED):
            if not goes_on():
                return
            if abs(now - _TIME.decode(entry.value).pulled_seconds) > self._keep_seconds:
                old.append(entry)
            if len(old) == MAX_OPS:
                self._forget(old)
                old = []
        self._forget(old)

    def _forget(self, entries: list[Entry]) -> None:
        """Together, or next time: one that has just been written again stays."""
        if entries:
            compares = [KeyAt(entry.key, entry.mod_revision) for entry in entries]
            insist(self._store, compares, [Delete(entry.key) for entry in entries])


def nothing(_digest: Digest) -> list[Op]:
    """Where nobody will ask why."""
    return []


class Explained(InOrder):
    """The digests that a word stands of. Every method may raise MetadataUnavailableError, CorruptError."""

    def __init__(self, store: Store) -> None:
        super().__init__(keys.loosened_in(entry.key) for entry in pages(store, *keys.LOOSENED, keys_only=True))
