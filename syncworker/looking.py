"""What this worker is at, and how its upstreams are, put together when an operator asks.

Promises: the answer is there within a few seconds, also when a storage node hangs: how many follow a fetch is left open then.

Never: asks an upstream, or holds up a fetch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast import __version__
from holdfast.errors import HoldfastError
from holdfast.rpc.node import UploadKey
from holdfast.rpc.syncstatus import RunningFetch, Sample, UpstreamSeen, WorkerStatus
from syncworker.aloft import OWNER, PRINCIPAL
from syncworker.metrics import Counter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.clock import Clock
    from holdfast.replicas.write import ReplicaWriter
    from holdfast.rpc.node import UploadState
    from syncworker.aloft import Flight
    from syncworker.fetching import Fetching
    from syncworker.metrics import Tally
    from syncworker.sources import Sources
    from syncworker.upstream.upstream import Line

# For all questions to storage nodes together; each is given its own time as well.
_PATIENCE_SECONDS: Final = 2.0


class Looking:
    """``worker``: the id of this process."""

    def __init__(
        self, worker: str, fetching: Fetching, sources: Sources, writer: ReplicaWriter, tally: Tally, clock: Clock
    ) -> None:
        self._worker = worker
        self._fetching = fetching
        self._sources = sources
        self._writer = writer
        self._tally = tally
        self._clock = clock

    def status(self) -> WorkerStatus:
        return WorkerStatus(
            self._worker,
            __version__,
            tuple(self._fetches()),
            tuple(map(self._upstream, self._sources.lines())),
            tuple(Sample(*one) for one in self._tally.all()),
        )

    def _fetches(self) -> Iterator[RunningFetch]:
        until = self._clock.monotonic() + _PATIENCE_SECONDS
        for flight in self._fetching.running():
            upload_id = _upload_of(flight)
            has_time = self._clock.monotonic() < until
            yield self._seen(flight, upload_id, self._state(upload_id) if upload_id and has_time else None)

    def _seen(self, flight: Flight, upload_id: str, state: UploadState | None) -> RunningFetch:
        stream = flight.stream
        running_seconds = max(0.0, self._clock.monotonic() - flight.began_at)
        return RunningFetch(
            digest=flight.digest,
            repositories=tuple(flight.repositories),
            upload_id=upload_id,
            upstream=stream.ledger.url if stream else "",
            total_bytes=flight.size_bytes or 0,
            first_bytes=flight.first_bytes,
            offset_bytes=stream.position_bytes if stream else state.offset_bytes if state else 0,
            began_seconds=self._clock.wall() - running_seconds,
            running_seconds=running_seconds,
            followers=state.followers if state else None,
        )

    def _state(self, upload_id: str) -> UploadState | None:
        try:
            return self._writer.state(UploadKey(upload_id, OWNER, PRINCIPAL))
        except HoldfastError:
            return None  # finished in between, or its node does not answer

    def _upstream(self, line: Line) -> UpstreamSeen:
        url, last = line.ledger.url, line.ledger.last
        held_seconds = line.mark.left_seconds()
        return UpstreamSeen(
            url=url,
            last_success_seconds=last.success_seconds,
            last_failure_seconds=last.failure_seconds,
            last_failure=last.failure,
            held_seconds=held_seconds,
            is_throttled=held_seconds > 0 and line.mark.is_throttled,
            requests=self._tally.value(Counter.UPSTREAM_REQUESTS, url),
            received_bytes=self._tally.value(Counter.UPSTREAM_BYTES, url),
            refused_for_pace=self._tally.value(Counter.UPSTREAM_THROTTLED, url),
        )


def _upload_of(flight: Flight) -> str:
    begun = flight.begun
    if not begun.done() or begun.exception() is not None:
        return ""
    underway = begun.result()
    return underway.upload_id if underway else ""
