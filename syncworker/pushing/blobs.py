"""Blobs on their way to the target: as many at once as ``reqConcurrent`` says, each asked for first, and mounted where that works.

Promises
    * A blob that the target has in this repository is not sent; what it was found to have, or was brought, is not asked for again
      for a while.
    * When one blob of a manifest fails, the others end, and the first failure is what is raised.

Never: more than one message of each blob in memory.
"""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from holdfast.replicas.remembered import Remembered
from holdfast.rpc.node import Want
from syncworker.upstream.uploads import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.manifest import Reference
    from holdfast.names import Repository
    from syncworker.pushing.holdings import Holdings
    from syncworker.pushing.meter import Meter
    from syncworker.upstream.target import Target

# Nobody deletes from a registry what was pushed a moment ago, but its operator may.
_KNOWN_SECONDS: Final = 600.0
_KNOWN: Final = 50_000


class Blobs:
    """For one target. ``renamed`` tells how a repository here is called there, if it is copied. Shared by threads."""

    def __init__(
        self,
        here: Holdings,
        target: Target,
        renamed: Callable[[Repository], Repository | None],
        concurrent: int,
        clock: Clock,
    ) -> None:
        self._here = here
        self._target = target
        self._renamed = renamed
        self._pool = ThreadPoolExecutor(concurrent, thread_name_prefix="push")
        # In which repositories of the target a blob is known to be: the one here, and the latest of any.
        self._known: Remembered[tuple[Repository, Digest], bool] = Remembered(clock, _KNOWN_SECONDS, _KNOWN)
        self._latest: Remembered[Digest, Repository] = Remembered(clock, _KNOWN_SECONDS, _KNOWN)

    def bring(self, source: Repository, name: Repository, references: Iterable[Reference], meter: Meter) -> None:
        """See to it that ``name`` at the target has what a manifest of ``source`` references.

        Raises:
            MissingError: something is not here. UpstreamError: the target does not take it. HoldfastError: by ``meter``.
        """
        futures = [self._pool.submit(self._one, source, name, reference, meter) for reference in references]
        done, rest = wait(futures, return_when=FIRST_EXCEPTION)
        failed = next((future for future in futures if future in done and future.exception() is not None), None)
        if failed is None:
            return
        meter.stop()
        self._end(rest)
        failed.result()

    def close(self) -> None:
        """Wait for what is under way; whoever closes has told the meters before."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def _end(futures: Iterable[Future[None]]) -> None:
        left = [future for future in futures if not future.cancel()]
        wait(left)

    def _one(self, source: Repository, name: Repository, reference: Reference, meter: Meter) -> None:
        digest, size_bytes = reference.digest, reference.size_bytes
        if self._known.get((name, digest)):
            return
        meter.moved(0)
        if not self._target.has_blob(name, digest, size_bytes):
            want = Want(digest, size_bytes)
            self._here.require(source, want, lambda: meter.moved(0))
            blob = Outgoing(digest, size_bytes, lambda offset: meter.counted(self._here.read(want, offset)))
            self._target.put_blob(name, blob, self._elsewhere(name, digest))
        self._known.put((name, digest), value=True)
        self._latest.put(digest, name)

    def _elsewhere(self, name: Repository, digest: Digest) -> Repository | None:
        """Another repository of the target that has the blob, or may have it because its source here does."""
        latest = self._latest.get(digest)
        if latest is not None and latest != name:
            return latest
        found = (self._renamed(holder) for holder in self._here.holders(digest))
        return next((other for other in found if other is not None and other != name), None)
