"""Blobs of mirrored repositories: linked where they are stored, fetched where they are not, each digest once at a time.

Who may have a digest (ARCHITECTURE, promise 5): a repository one of whose manifests references it; else one whose own upstream
answers for it at this moment, with its own credentials. Nothing that is stored or running for somebody else is given away for less.

Promises
    * Callers that come while a digest is fetched join that fetch, whatever their repositories.
    * An upstream that sent wrong bytes is not asked for this digest again for a while.

Never: waits for a whole blob.
"""

from __future__ import annotations

import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Final

from holdfast.errors import OverloadedError, UpstreamWrongError
from holdfast.replicas.remembered import Remembered
from holdfast.rpc.node import Want
from syncworker.flight import Flight
from syncworker.metrics import SILENT, Counter

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository
    from holdfast.rpc.sync import Underway
    from syncworker.flight import Runner
    from syncworker.linking import Linking
    from syncworker.metrics import Metrics
    from syncworker.sources import Sources
    from syncworker.upstream.upstream import Upstream

_PATIENCE_SECONDS: Final = 75.0
_WRONG_SECONDS: Final = 30.0
_WRONG_LIMIT: Final = 1_000
# Each holds a thread and one message; upstreams bound their own requests much lower.
_MAX_FLIGHTS: Final = 256


class Fetching:
    """Shared by threads."""

    def __init__(
        self,
        repos: Repositories,
        linking: Linking,
        sources: Sources,
        runner: Runner,
        clock: Clock,
        metrics: Metrics = SILENT,
    ) -> None:
        self._repos = repos
        self._linking = linking
        self._sources = sources
        self._runner = runner
        self._clock = clock
        self._metrics = metrics
        self._lock = threading.Lock()
        self._flights: dict[Digest, Flight] = {}
        self._wrong: Remembered[tuple[Repository, Digest], UpstreamWrongError] = Remembered(
            clock, _WRONG_SECONDS, _WRONG_LIMIT
        )

    def fetch(self, repository: Repository, digest: Digest) -> Underway | None:
        """None: stored and linked. Else where it grows.

        Raises:
            UpstreamMissingError: no upstream of the repository has it, or it may not have it. UpstreamError, UnavailableError.
        """
        flight = self.begin(repository, digest, self._allowed(repository, digest))
        if flight is None:
            return None
        try:
            return flight.begun.result(_PATIENCE_SECONDS)
        except FutureTimeoutError as error:
            raise OverloadedError("the upstream has not begun to send yet; try again") from error

    def begin(self, repository: Repository, digest: Digest, size_bytes: int | None) -> Flight | None:
        """For a caller that knows from the repository's own upstream that it may have it. None: stored and linked.

        Else the flight on which it comes, which may be another repository's, or another worker's: who waits for it to end asks
        again afterwards.

        Raises:
            UpstreamWrongError: wrong bytes have just come. OverloadedError, UnavailableError.
        """
        if self._linking.adopt(repository, Want(digest, size_bytes)):
            return None
        wrong = self._wrong.get((repository, digest))
        if wrong is not None:
            raise UpstreamWrongError(wrong.message, wrong.detail)
        return self._joined(repository, digest, size_bytes)

    def running(self) -> list[Flight]:
        """What is on its way, in the order in which it was begun."""
        with self._lock:
            return list(self._flights.values())

    def is_flying(self, digest: Digest) -> bool:
        """Whether this process fetches it at this moment."""
        with self._lock:
            return digest in self._flights

    def _allowed(self, repository: Repository, digest: Digest) -> int | None:
        """The size, if it is known; see the module."""
        reference = self._repos.reference(repository, digest)
        if reference is not None:
            return reference.size_bytes
        link = self._repos.link(repository, digest)
        if link is not None:
            return link.size_bytes

        def ask(upstream: Upstream, name: Repository) -> tuple[int | None]:
            with upstream.blob(name, digest, verify=False) as stream:
                return (stream.total_bytes,)

        return self._sources.ask(repository, ask)[0]

    def _joined(self, repository: Repository, digest: Digest, size_bytes: int | None) -> Flight:
        with self._lock:
            flight = self._flights.get(digest)
            if flight is not None:
                if repository not in flight.repositories:
                    flight.repositories.append(repository)
                return flight
            if len(self._flights) >= _MAX_FLIGHTS:
                raise OverloadedError("too many blobs are being fetched; try again in a moment")
            flight = self._flights[digest] = Flight(digest, size_bytes, [repository], began_at=self._clock.monotonic())
        threading.Thread(target=self._fly, args=(flight,), name=f"fetch-{digest.encoded[:12]}", daemon=True).start()
        return flight

    def _fly(self, flight: Flight) -> None:
        self._metrics.add(Counter.FETCHES_BEGUN)
        try:
            self._metrics.add(self._runner.run(flight))
        finally:
            if flight.wrong is not None:
                for repository in flight.repositories:
                    self._wrong.put((repository, flight.digest), flight.wrong)
            with self._lock:
                del self._flights[flight.digest]
            flight.ended.set()
