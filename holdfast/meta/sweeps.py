"""The collector's half of the fence (ARCHITECTURE 3b, ``sweep/<partition>``).

Promises: after :meth:`Sweeps.begin` returned a digest, no link to it can be committed under a fence taken before, and none stood
at that moment. Only then may deletes be sent to nodes, conditional on the stamps as listed. As many as fit are asked about at once:
what nobody has linked meanwhile, which is nearly all of it, costs no round trip for each.
Never here: deletes, and no judgement whether a blob is old enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import insist
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

    def begin(self, digests: Sequence[Digest]) -> list[Digest]:
        """Those of them that nothing links; in order. Every fence of their partitions taken before is void."""
        return self._free(digests, self._bumps)

    def held(self, digests: Sequence[Digest]) -> list[Digest]:
        """Those of them that somebody links; in order. Nothing is changed."""
        free = set(self._free(digests, lambda _: []))
        return [digest for digest in digests if digest not in free]

    def _free(self, digests: Sequence[Digest], ops: Callable[[Sequence[Digest]], list[Put]]) -> list[Digest]:
        free: list[Digest] = []
        for first in range(0, len(digests), MAX_OPS):
            free += self._batch(digests[first : first + MAX_OPS], ops)
        return free

    def _batch(self, digests: Sequence[Digest], ops: Callable[[Sequence[Digest]], list[Put]]) -> list[Digest]:
        """All of them at once, or, where one is held, those of each half."""
        compares = [RangeNotAfter(*keys.holders_of(digest), _NEVER) for digest in digests]
        if insist(self._store, compares, ops(digests)):
            return list(digests)
        if len(digests) == 1:
            return []
        middle = len(digests) // 2
        return self._batch(digests[:middle], ops) + self._batch(digests[middle:], ops)

    def _bumps(self, digests: Sequence[Digest]) -> list[Put]:
        partitions = sorted({digest.partition for digest in digests})
        return [Put(keys.sweep(partition), encode_bump(self._new_id())) for partition in partitions]
