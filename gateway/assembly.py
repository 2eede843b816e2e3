"""The composition root: every collaborator of a gateway worker is made here, visibly, and nowhere else.

It runs in the worker, after the fork: gRPC channels, database connections and threads do not survive one. It waits for nobody for
long: what does not answer yet is the business of :mod:`gateway.arrival` and :mod:`gateway.health`, and probes are answered.
"""

from __future__ import annotations

import functools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.access.assembly import guard
from gateway.accesslog import AccessLog
from gateway.app import Guards, MetricsRoute, create_app
from gateway.arrival import Arrival
from gateway.cache import ManifestCache
from gateway.following import Following
from gateway.health import Health
from gateway.lanes import Lanes
from gateway.metrics import RequestMeter, node_errors, transfers
from gateway.mirroring import Mirroring
from gateway.pulls import Pulls
from gateway.quotas import Quotas
from gateway.rates import Rates
from gateway.renewal import Renewal
from gateway.sharing import Sharing
from gateway.staleness import FallsBack, Staleness
from holdfast import __version__, logs
from holdfast.clock import SystemClock
from holdfast.exposition import shown
from holdfast.meta import keys, versions
from holdfast.meta.ceilings import Ceilings
from holdfast.meta.fetches import WORKER
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.pulls import PullTimes
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.usage import Usage
from holdfast.meta.versions import Living
from holdfast.meters import Meters
from holdfast.mirrors.policy import Policy
from holdfast.mirrors.routes import Routes
from holdfast.replicas.access import access
from holdfast.replicas.directory import OneNode
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.presence import GATEWAY, Presence, Seen
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.workers import Workers
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.credentials import Credentials, configured_files
from holdfast.rpc.failures import SEEN
from holdfast.rpc.host import host_id
from holdfast.rpc.syncclient import GrpcSync

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import falcon

    from gateway.access.slots import Slots
    from gateway.buckets import Buckets
    from gateway.options import Options
    from holdfast.clock import Clock
    from holdfast.config.cluster import Cluster
    from holdfast.meta.store import Store
    from holdfast.replicas.directory import NodeDirectory
    from holdfast.retention.policies import Policies
    from holdfast.rpc.sync import SyncClient

    Checks: TypeAlias = "dict[str, Callable[[], object]]"

# How long a worker that starts waits, before it accepts, for an etcd that is slow, and for its own channels to stand.
_ETCD_PATIENCE_SECONDS: Final = 3.0
_SETTLE_SECONDS: Final = 10.0
# The only sync worker, which its supervisor starts again.
_RESTART_SECONDS: Final = 5.0
# Repositories of which is remembered whether anybody asks for their pull times.
_NAMES: Final = 20_000
# Small blobs on their way to several nodes, in one worker process.
_COPY_THREADS: Final = 64
# Per worker process. Most manifests have a few KiB; this holds about ten thousand of them.
MANIFEST_CACHE_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the worker needs of it. ``leave`` is called when the worker ends in order."""

    app: falcon.App[Any, Any]
    health: Health
    access: AccessLog
    meter: RequestMeter | None
    leave: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What differs between a cluster and one machine."""

    store: Store
    nodes: NodeDirectory
    workers: SyncClient
    checks: Checks
    arrival: Arrival
    leave: Callable[[], None]


def assemble(options: Options, refused: Callable[[], None], buckets: Buckets, slots: Slots) -> Gateway:
    """One gateway, running. ``refused`` ends this process: its cluster does not take it. ``buckets`` and ``slots`` are shared with
    its siblings.
    """
    descriptor = logs.configure(options.log_level, options.log_format, options.log_output, "gateway")
    clock = SystemClock()
    staleness = Staleness()
    parts = (
        _cluster(options.cluster, clock, staleness, refused)
        if options.cluster
        else _one_machine(options, clock, refused)
    )
    store, nodes = parts.store, parts.nodes
    reader = ReplicaReader(nodes, clock)
    pool = ThreadPoolExecutor(_COPY_THREADS, thread_name_prefix="copy")
    book = LayoutBook(store, new_operation_id, clock)
    repos = Repositories(store, new_operation_id, clock, Ceilings(store, options.most_repositories).room)
    guarded = guard(options.access, store, clock, time.sleep, slots)
    health = _begin(parts)
    lanes = Lanes(options.max_transfers, options.max_transfers, options.together)
    policy = Policy(Routes.of(options.sync))
    pulls = _pulls(PullTimes(store), policy, options.retention, clock)
    pulls.start()
    meter = RequestMeter() if options.metrics_path and options.metrics_directory else None
    meters = _meters(options, meter, lanes) if meter else None
    app = create_app(
        repos,
        reader,
        ReplicaWriter(nodes, FanOut(nodes, pool, clock), book.mark_dirty, reader.remember),
        ManifestCache(MANIFEST_CACHE_BYTES),
        _mirroring(policy, parts, repos, reader, clock, staleness),
        Guards(
            guarded,
            lanes,
            health,
            staleness,
            Rates(options.limits.paces, buckets),
            Renewal(repos, clock, options.gc_delay_seconds, options.gc_delays_of_routes),
            pulls.note,
            pulls.note_blob,
            _quotas(options, store, repos, clock),
            _route(options, meters),
        ),
        sparse=options.sparse,
    )

    def leave() -> None:
        pulls.stop()
        guarded.leave()
        if meters is not None:
            meters.stop()
        parts.leave()

    return Gateway(app, health, _access(options, descriptor), meter, leave)


def _pulls(times: PullTimes, policy: Policy, retention: Policies | None, clock: Clock) -> Pulls:
    """Whether anybody asks for the pull times of a repository is remembered by its name."""
    remembered = functools.lru_cache(_NAMES)
    bounded = remembered(lambda name: policy.limits(name) is not None)
    counts = remembered(lambda name: bounded(name) or (retention is not None and retention.use_pulls(name)))
    return Pulls(times, counts, clock, counts_blobs=bounded)


def _meters(options: Options, meter: RequestMeter, lanes: Lanes) -> Meters:
    sources = (meter.families, transfers(lanes.taken), node_errors(SEEN.counts))
    directory = options.metrics_directory or Path()
    found = Meters(directory, f"gateway-{os.getpid()}-{os.urandom(4).hex()}", sources)
    found.start()
    return found


def _route(options: Options, meters: Meters | None) -> MetricsRoute | None:
    if meters is None:
        return None
    return MetricsRoute(options.metrics_path, options.access.scrapers(), lambda: shown(meters.together()))


def _quotas(options: Options, store: Store, repos: Repositories, clock: Clock) -> Quotas:
    usage = Usage(store, new_operation_id)
    return Quotas(options.quotas, usage.counted, lambda repo, digest: repos.link(repo, digest) is not None, clock)


def _mirroring(
    policy: Policy, parts: _Parts, repos: Repositories, reader: ReplicaReader, clock: Clock, staleness: Staleness
) -> Mirroring:
    following = Following(parts.workers, parts.nodes, reader, clock, time.sleep, Sharing())
    return Mirroring(policy, repos, parts.workers, following, clock, staleness.warn)


def _access(options: Options, descriptor: int) -> AccessLog:
    debugs = logs.is_told(options.log_level, "debug")
    return AccessLog(
        logs.access_line(descriptor, options.log_format),
        logs.access_line(descriptor, options.log_format, "debug") if debugs else None,
    )


def _begin(parts: _Parts) -> Health:
    health = Health(parts.checks, parts.arrival.require)
    parts.arrival.begin(_ETCD_PATIENCE_SECONDS)
    health.start()
    if parts.arrival.has_come:
        health.settle(_SETTLE_SECONDS)
    return health


def new_operation_id() -> bytes:
    """16 random bytes: names one try of one mutation."""
    return os.urandom(16)


def _one_machine(options: Options, clock: Clock, refused: Callable[[], None]) -> _Parts:
    store = SqliteStore(Path(options.metadata_path), clock)
    node = GrpcNode(options.node_target, host_id=host_id())
    checks: Checks = {"metadata": lambda: store.get(keys.CLUSTER_ID), "storage": node.status}
    # It is there, or about to be started again: who else would be asked?
    alone = [Living(WORKER, "local", __version__, options.worker_target)]
    workers = Workers(lambda: alone, GrpcSync, clock, _RESTART_SECONDS, time.sleep)
    return _Parts(store, OneNode(node), workers, checks, Arrival((), refused), _nobody_counts_us)


def _nobody_counts_us() -> None:
    """A registry of one machine is upgraded as a whole."""


def _cluster(cluster: Cluster, clock: Clock, staleness: Staleness, refused: Callable[[], None]) -> _Parts:
    found = access(cluster, clock, host_id())
    store = FallsBack(found.metadata, found.metadata.stale(cluster.stale_read_seconds.seconds, staleness.note))
    presence = Presence(found.metadata, Seen(GATEWAY, os.urandom(16).hex(), __version__), new_operation_id)
    arrival = Arrival((presence.start, found.directory.start), refused)

    def leave() -> None:
        arrival.stop()
        presence.stop()

    checks: Checks = {"metadata": lambda: store.get(keys.CLUSTER_ID), "storage": found.directory.ingest}
    files = configured_files(cluster)
    credentials = Credentials(files) if files else None
    workers = Workers(
        lambda: versions.workers(store),
        lambda address: GrpcSync(address, credentials, insecure=cluster.insecure),
        clock,
    )
    return _Parts(store, found.directory, workers, checks, arrival, leave)
