"""Blobs of mirrored repositories: linked where they are stored, fetched where they are not, each digest once at a time.

Who may have a digest (ARCHITECTURE, promise 5): a repository one of whose manifests references it; else one whose own upstream
answers for it at this moment, with its own credentials. Nothing that is stored or running for somebody else is given away for less.

Promises
    * Callers that come while a digest is fetched join that fetch, whatever their repositories.
    * Those that ask for the same at the same time cost one look at what is stored and, where only the upstream can tell whether
      they may have it, one request there, whose answer is also the first of the fetch.
    * An upstream that sent wrong bytes is not asked for this digest again for a while.

Never: waits for a whole blob.
"""

from __future__ import annotations

import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Final

from holdfast.errors import OverloadedError, UpstreamWrongError
from holdfast.joined import Joined
from holdfast.replicas.remembered import Remembered
from holdfast.rpc.node import Want
from syncworker.aloft import Flight
from syncworker.metrics import SILENT, Counter
from syncworker.opening import Opening

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
        self._entering: Joined[tuple[Repository, Digest], Flight] = Joined(_PATIENCE_SECONDS)
        self._wrong: Remembered[tuple[Repository, Digest], UpstreamWrongError] = Remembered(
            clock, _WRONG_SECONDS, _WRONG_LIMIT
        )

    def fetch(self, repository: Repository, digest: Digest) -> Underway | None:
        """None: stored and linked. Else where it grows.

        Raises:
            UpstreamMissingError: no upstream of the repository has it, or it may not have it. UpstreamError, UnavailableError.
        """
        flight = self._entering.run((repository, digest), lambda: self._enter(repository, digest))
        try:
            underway = flight.begun.result(_PATIENCE_SECONDS)
        except FutureTimeoutError as error:
            raise OverloadedError("the upstream has not begun to send yet; try again") from error
        if underway is None and repository not in flight.linked:
            # It was found stored for others, a moment before this repository joined them.
            self._linking.adopt(repository, Want(digest, flight.size_bytes))
        return underway

    def begin(self, repository: Repository, digest: Digest, size_bytes: int | None) -> Flight | None:
        """For a caller that knows from the repository's own upstream that it may have it. None: stored and linked.

        Else the flight on which it comes, which may be another repository's, or another worker's: who waits for it to end asks
        again afterwards.

        Raises:
            UpstreamWrongError: wrong bytes have just come. OverloadedError, UnavailableError.
        """
        if self._linking.adopt(repository, Want(digest, size_bytes)):
            return None
        return self._joined(Flight(digest, size_bytes, [repository]))

    def running(self) -> list[Flight]:
        """What is on its way, in the order in which it was begun."""
        with self._lock:
            return list(self._flights.values())

    def is_flying(self, digest: Digest) -> bool:
        """Whether this process fetches it at this moment."""
        with self._lock:
            return digest in self._flights

    def _enter(self, repository: Repository, digest: Digest) -> Flight:
        """The fetch that this repository may join, begun if there is none."""
        reference = self._repos.reference(repository, digest) or self._repos.link(repository, digest)
        if reference is not None:
            return self._joined(Flight(digest, reference.size_bytes, [repository]))
        with self._lock:
            running = self._flights.get(digest)
            if running is not None and repository in running.repositories:
                return running  # its own upstream has answered for it already
        opening = Opening(digest, None)
        try:
            size_bytes = opening.ask(self._sources, repository)
            flight = self._joined(Flight(digest, size_bytes, [repository], opening))
        except BaseException:
            opening.close()
            raise
        if flight.opening is not opening:
            opening.close()
        return flight

    def _joined(self, mine: Flight) -> Flight:
        """The flight that is on its way, or this one."""
        (repository,) = mine.repositories
        wrong = self._wrong.get((repository, mine.digest))
        if wrong is not None and not self._linking.adopt(repository, Want(mine.digest, mine.size_bytes)):
            raise UpstreamWrongError(wrong.message, wrong.detail)
        with self._lock:
            flight = self._flights.get(mine.digest)
            if flight is not None:
                if repository not in flight.repositories:
                    flight.repositories.append(repository)
                return flight
            if len(self._flights) >= _MAX_FLIGHTS:
                raise OverloadedError("too many blobs are being fetched; try again in a moment")
            mine.began_at = self._clock.monotonic()
            self._flights[mine.digest] = mine
        threading.Thread(target=self._fly, args=(mine,), name=f"fetch-{mine.digest.encoded[:12]}", daemon=True).start()
        return mine

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
