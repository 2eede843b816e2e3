"""The collector's half of the fence (ARCHITECTURE 3b, ``sweep/<partition>``).

Promises: after :meth:`Sweeps.begin` returned a digest, no link to it can be committed under a fence taken before, and none stood
at that moment. Only then may deletes be sent to nodes, conditional on the stamps as listed.
Never here: deletes, and no judgement whether a blob is old enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, crowded, insist
from holdfast.meta.records import encode_bump
from holdfast.meta.store import MAX_OPS, Put, RangeNotAfter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Store

# "No key of the range was changed after revision 0": the range is empty.
_NEVER: Final = 0


class Sweeps:
    """``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, new_id: Callable[[], bytes]) -> None:
        self._store = store
        self._new_id = new_id

    def begin(self, partition: int, digests: Sequence[Digest]) -> list[Digest]:
        """Those of them that nothing links; in order. Raises ValueError: a digest of another partition."""
        for digest in digests:
            if digest.partition != partition:
                raise ValueError(f"{digest} is not in partition {partition:03x}")
        free: list[Digest] = []
        for first in range(0, len(digests), MAX_OPS):
            free += self._batch(partition, digests[first : first + MAX_OPS])
        return free

    def _batch(self, partition: int, digests: Sequence[Digest]) -> list[Digest]:
        for _ in range(ATTEMPTS):
            digests = [digest for digest in digests if not self._held(digest)]
            if not digests:
                return []
            compares = [RangeNotAfter(*keys.holders_of(digest), _NEVER) for digest in digests]
            if insist(self._store, compares, [Put(keys.sweep(partition), encode_bump(self._new_id()))]):
                return list(digests)
        raise crowded()

    def _held(self, digest: Digest) -> bool:
        return bool(self._store.range(*keys.holders_of(digest), 1, keys_only=True).entries)
