"""What one sync worker says of itself to operators: values, and how they travel.

Invariants: ``upstream`` and ``url`` are an origin and a path, never with a user name. Times at which something happened are seconds
since 1970 by the worker's clock, for people; None: never.

Never here: I/O, and errors of the transport (see ``failures``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.rpc import convert
from holdfast.wire import sync_pb2 as wire

if TYPE_CHECKING:
    from holdfast.digest import Digest


@dataclass(frozen=True, slots=True)
class RunningFetch:
    """A blob on its way. ``upload_id`` "": no upstream has answered yet. ``total_bytes`` 0: nobody has said.

    ``first_bytes``: where this worker began, which another may have brought it to. ``followers``: streams that read it while it
    grows, not clients: a gateway may serve several from one. None: its storage node does not say.
    """

    digest: Digest
    repositories: tuple[str, ...]
    upload_id: str = ""
    upstream: str = ""
    total_bytes: int = 0
    first_bytes: int = 0
    offset_bytes: int = 0
    began_seconds: float = 0.0
    running_seconds: float = 0.0
    followers: int | None = None

    @property
    def bytes_per_second(self) -> float:
        """Since this worker began."""
        return (self.offset_bytes - self.first_bytes) / self.running_seconds if self.running_seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class UpstreamSeen:
    """One URL of a configured entry, as this worker has found it. ``held_seconds``: for so long nothing is asked of it.

    ``is_throttled``: because it wished so. ``refused_for_pace``: answers 429. Counts are since the worker began.
    """

    url: str
    last_success_seconds: float | None = None
    last_failure_seconds: float | None = None
    last_failure: str = ""
    held_seconds: float = 0.0
    is_throttled: bool = False
    requests: int = 0
    received_bytes: int = 0
    refused_for_pace: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """A number of the worker's metrics. ``upstream`` "": of the worker as a whole."""

    name: str
    upstream: str
    value: float


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker at one moment."""

    worker: str
    version: str
    fetches: tuple[RunningFetch, ...] = ()
    upstreams: tuple[UpstreamSeen, ...] = ()
    samples: tuple[Sample, ...] = ()


def to_wire(status: WorkerStatus) -> wire.SyncStatus:
    return wire.SyncStatus(
        worker=status.worker,
        version=status.version,
        fetches=map(_fetch_to_wire, status.fetches),
        upstreams=map(_upstream_to_wire, status.upstreams),
        samples=[
            wire.SyncStatus.Sample(name=one.name, upstream=one.upstream, value=one.value) for one in status.samples
        ],
    )


def from_wire(message: wire.SyncStatus) -> WorkerStatus:
    """Raises DigestInvalidError."""
    return WorkerStatus(
        message.worker,
        message.version,
        tuple(map(_fetch, message.fetches)),
        tuple(map(_upstream, message.upstreams)),
        tuple(Sample(one.name, one.upstream, one.value) for one in message.samples),
    )


def _fetch_to_wire(fetch: RunningFetch) -> wire.SyncStatus.Fetch:
    return wire.SyncStatus.Fetch(
        digest=str(fetch.digest),
        repositories=fetch.repositories,
        upload_id=fetch.upload_id,
        upstream=fetch.upstream,
        total_bytes=fetch.total_bytes,
        first_bytes=fetch.first_bytes,
        offset_bytes=fetch.offset_bytes,
        began_seconds=fetch.began_seconds,
        running_seconds=fetch.running_seconds,
        followers=fetch.followers,
    )


def _fetch(message: wire.SyncStatus.Fetch) -> RunningFetch:
    return RunningFetch(
        digest=convert.digest(message.digest),
        repositories=tuple(message.repositories),
        upload_id=message.upload_id,
        upstream=message.upstream,
        total_bytes=message.total_bytes,
        first_bytes=message.first_bytes,
        offset_bytes=message.offset_bytes,
        began_seconds=message.began_seconds,
        running_seconds=message.running_seconds,
        followers=message.followers if message.HasField("followers") else None,
    )


def _upstream_to_wire(seen: UpstreamSeen) -> wire.SyncStatus.Upstream:
    return wire.SyncStatus.Upstream(
        url=seen.url,
        last_success_seconds=seen.last_success_seconds or 0.0,
        last_failure_seconds=seen.last_failure_seconds or 0.0,
        last_failure=seen.last_failure,
        held_seconds=seen.held_seconds,
        throttled=seen.is_throttled,
        requests=seen.requests,
        received_bytes=seen.received_bytes,
        refused_for_pace=seen.refused_for_pace,
    )


def _upstream(message: wire.SyncStatus.Upstream) -> UpstreamSeen:
    return UpstreamSeen(
        url=message.url,
        last_success_seconds=message.last_success_seconds or None,
        last_failure_seconds=message.last_failure_seconds or None,
        last_failure=message.last_failure,
        held_seconds=message.held_seconds,
        is_throttled=message.throttled,
        requests=message.requests,
        received_bytes=message.received_bytes,
        refused_for_pace=message.refused_for_pace,
    )
