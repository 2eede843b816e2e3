"""The bytes of what nothing links any more, freed by the collector's protocol (ARCHITECTURE 3b).

Promises: copies are listed with their stamps, then the sweep begins, which compares that nothing links the digest, then each copy
is deleted if it still has its stamp. Whoever links the digest meanwhile has either made its link first, and nothing is deleted; or
finds that a sweep has begun, and looks at the copies again; or is told "have it" by a node, which changes the stamp.

What could not be deleted, because a node is away or somebody asked for it, is tried again some minutes later. That is remembered in
this process only, and for so many digests: the rest is left to the garbage collector.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from holdfast.errors import NodeUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.replicas.removing import ReplicaRemover

_log: Final = logging.getLogger("holdfast.sync")

_LIMIT: Final = 100_000
# Each try asks every node, and makes those who link something of the partition look at their copies again.
AGAIN_SECONDS: Final = 300.0


class Freeing:
    """For one thread."""

    def __init__(self, repos: Repositories, remover: ReplicaRemover, clock: Clock, limit: int = _LIMIT) -> None:
        self._repos = repos
        self._remover = remover
        self._clock = clock
        self._limit = limit
        self._unfreed: set[Digest] = set()
        self._again_at = clock.monotonic()

    @property
    def left(self) -> int:
        """How many digests are to be tried again."""
        return len(self._unfreed)

    def free(self, digests: Iterable[Digest], goes_on: Callable[[], bool]) -> int:
        """How many bytes went, of all copies together.

        Raises:
            MetadataUnavailableError, OutcomeUnknownError: what was not freed is tried again.
        """
        now, wanted = self._clock.monotonic(), set(digests)
        if now >= self._again_at:
            self._again_at = now + AGAIN_SECONDS
            wanted |= self._unfreed
        self._remember(wanted)
        partitions: dict[int, list[Digest]] = defaultdict(list)
        for digest in wanted:
            partitions[digest.partition].append(digest)
        freed_bytes = 0
        away: set[str] = set()
        for partition in sorted(partitions):
            if not goes_on():
                break
            freed_bytes += self._free(sorted(partitions[partition]), away)
        return freed_bytes

    def _remember(self, digests: Iterable[Digest]) -> None:
        """Until they are freed."""
        for digest in digests:
            if len(self._unfreed) >= self._limit and digest not in self._unfreed:
                _log.warning("copies of what was evicted may be left to the garbage collector")
                return
            self._unfreed.add(digest)

    def _free(self, digests: list[Digest], away: set[str]) -> int:
        """Digests of one partition."""
        try:
            copies = self._remover.listed(digests, away)
        except NodeUnreachableError as error:
            _log.warning("copies of what was evicted are not freed yet", extra={"reason": error.message})
            return 0
        free = self._repos.begin_sweep(digests)
        # What is linked is not for us to free.
        self._unfreed.difference_update(set(digests).difference(free))
        freed_bytes = 0
        for digest in free:
            deleted = self._remover.delete(digest, copies)
            freed_bytes += deleted.freed_bytes
            if deleted.is_all:
                self._unfreed.discard(digest)
        return freed_bytes
