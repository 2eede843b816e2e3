"""Blobs on their way to a registry: several at a time, each asked for first, and mounted where another repository has it.

Promises
    * A blob that the repository has is not sent. Two images that want the same blob at once send it once.
    * What the registry refuses because of its digest is read again here, so that a damaged source is called that.
    * When one blob of an image fails, the others of it end as they would, and the first failure is what is raised.

Never: more than one piece of each blob in memory, but of small ones, which are held whole.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import BlobUnknownError, CorruptError, UpstreamWrongError
from holdfast.ops.moving.sources import Files
from holdfast.replicas.remembered import Remembered
from syncworker.upstream.uploads import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.manifest import Reference
    from holdfast.names import Repository
    from holdfast.ops.moving.giving import Giving
    from holdfast.ops.moving.meter import Meter
    from holdfast.ops.moving.outcomes import Outcome
    from holdfast.ops.moving.sources import Source
    from syncworker.upstream.target import Target

# In which other repository a blob is, so that it can be mounted from there; a mount that fails costs the bytes, no more.
_KNOWN_SECONDS: Final = 24 * 3600.0
_KNOWN: Final = 200_000


class Bodies:
    """Of one source to one target. Shared by threads."""

    def __init__(
        self, source: Source, target: Target, meter: Meter, concurrent: int, clock: Clock, giving: Giving | None = None
    ) -> None:
        """``giving``: how files become uploads without a copy, where they can."""
        self._source = source
        self._target = target
        self._meter = meter
        self._giving = giving
        self._pool = ThreadPoolExecutor(concurrent, thread_name_prefix="blob")
        self._lock = threading.Lock()
        self._flights: dict[tuple[Repository, Digest], Future[None]] = {}
        self._counted: set[Digest] = set()
        self._latest: Remembered[Digest, Repository] = Remembered(clock, _KNOWN_SECONDS, _KNOWN)

    def bring(
        self, repository: Repository, name: Repository, references: Iterable[Reference], outcome: Outcome
    ) -> None:
        """See to it that ``name`` at the target has these blobs of ``repository``.

        Raises:
            MissingError, CorruptError: the source does not have it as it should. UpstreamError: the target does not take it.
            UnavailableError: by the meter.
        """
        futures = [self._flight(repository, name, reference, outcome) for reference in references]
        wait(futures)
        for future in futures:
            future.result()

    def there(self, name: Repository, references: Iterable[Reference]) -> None:
        """These are at the target already, with the manifest that needs them."""
        for reference in references:
            self._latest.put(reference.digest, name)
            if self._is_first(reference.digest):
                self._meter.there(reference.size_bytes)

    def forget(self) -> None:
        """The repository is done with: what was sent into it is not asked for again."""
        with self._lock:
            self._flights.clear()
            self._counted.clear()

    def _is_first(self, digest: Digest) -> bool:
        """Whether nobody has counted this one for the repository's progress; now somebody has."""
        with self._lock:
            is_first = digest not in self._counted
            self._counted.add(digest)
            return is_first

    def close(self) -> None:
        """Whoever closes has told the meter before, or waits for what is under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _flight(self, repository: Repository, name: Repository, reference: Reference, outcome: Outcome) -> Future[None]:
        key = (name, reference.digest)
        with self._lock:
            if key not in self._flights:
                self._flights[key] = self._pool.submit(self._one, repository, name, reference, outcome)
            return self._flights[key]

    def _one(self, repository: Repository, name: Repository, reference: Reference, outcome: Outcome) -> None:
        digest, size_bytes = reference.digest, reference.size_bytes
        self._meter.moved(0)
        if reference.may_be_absent and not self._source.has_blob(repository, digest, size_bytes):
            outcome.note(f"{digest} is a foreign layer that the source does not have; clients get it from its own URLs")
            return
        if self._target.has_blob(name, digest, size_bytes):
            self.there(name, (reference,))
            return
        self._send(repository, name, reference, outcome)
        self._latest.put(digest, name)

    def _send(self, repository: Repository, name: Repository, reference: Reference, outcome: Outcome) -> None:
        digest, size_bytes = reference.digest, reference.size_bytes
        # Of a registry that would be a request of its own; whoever reads the blob is told as well.
        if isinstance(self._source, Files) and not self._source.has_blob(repository, digest, size_bytes):
            raise BlobUnknownError(f"the source does not have the blob {digest}")

        def pieces(offset_bytes: int) -> Iterable[bytes]:
            return self._meter.counted(self._source.read(repository, digest, offset_bytes))

        given = 0

        def give(upload: str) -> bool:
            nonlocal given
            given = self._give(repository, digest, upload)
            return bool(given)

        latest = self._latest.get(digest)
        try:
            is_sent = self._target.put_blob(
                name, Outgoing(digest, size_bytes, pieces), latest if latest != name else None, give
            )
        except UpstreamWrongError as error:
            if isinstance(self._source, Files):  # a registry's bytes were compared as they came
                self._require_right(repository, digest, error)
            raise
        if self._is_first(digest) and not is_sent:
            self._meter.there(size_bytes)
        outcome.add(blobs=1, linked=given if not is_sent else 0)

    def _give(self, repository: Repository, digest: Digest, upload: str) -> int:
        """1: it was given."""
        if self._giving is None or not isinstance(self._source, Files):
            return 0
        descriptor = self._source.file(repository, digest)
        try:
            return int(self._giving.give(descriptor, upload))
        finally:
            os.close(descriptor)

    def _require_right(self, repository: Repository, digest: Digest, error: UpstreamWrongError) -> None:
        """Raises CorruptError: the refusal is the source's fault."""
        hasher = digests.algorithm(digest.algorithm).new()
        for piece in self._source.read(repository, digest, 0):
            hasher.update(piece)
        if hasher.hexdigest() != digest.encoded:
            raise CorruptError(f"the source is damaged: the bytes of {digest} are others") from error
