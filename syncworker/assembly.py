"""The composition root of a sync worker: every collaborator is made here, visibly, and nowhere else."""

from __future__ import annotations

import logging
import os
import random
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast import __version__
from holdfast.clock import SystemClock
from holdfast.config.sync import PULL
from holdfast.errors import TooManyRepositoriesError
from holdfast.exposition import Port
from holdfast.meta.ceilings import Ceilings
from holdfast.meta.fetches import WORKER, Fetches
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.lost import LostBook
from holdfast.meta.mirrorruns import MirrorRuns
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.meters import Meters
from holdfast.mirrors.freshness import Rules
from holdfast.mirrors.routes import Routes
from holdfast.replicas.access import access
from holdfast.replicas.directory import OneNode
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.presence import Presence, Seen
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.host import host_id
from syncworker.ahead import Ahead
from syncworker.configured import mirrors
from syncworker.copying import Tools as CopyTools
from syncworker.fetching import Fetching
from syncworker.flight import Runner, Tools
from syncworker.keeping import assembly as keeping
from syncworker.leftovers import Leftovers
from syncworker.linking import Linking
from syncworker.looking import Looking
from syncworker.manifests import Manifests
from syncworker.mending import Mending
from syncworker.metrics import Tally
from syncworker.pulling import PullJob
from syncworker.pushing import assembly as pushing
from syncworker.pushing.holdings import Holdings
from syncworker.referrers import Referrers
from syncworker.refused import Refused
from syncworker.rounds import Rounds
from syncworker.signatures import Signatures
from syncworker.sources import Sources
from syncworker.tags import Tags
from syncworker.upstream import assembly as upstreams
from syncworker.upstream import logins, proxies
from syncworker.upstream.pace import Time
from syncworker.worker import SyncWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.clock import Clock
    from holdfast.config.sync import Sync, SyncRegistry
    from holdfast.digest import Digest
    from holdfast.meta.ceilings import Room
    from holdfast.meta.store import Compare, Store
    from holdfast.mirrors.entries import Entry
    from holdfast.names import Repository
    from holdfast.replicas.directory import NodeDirectory
    from syncworker.jobs import Job
    from syncworker.metrics import Metrics
    from syncworker.options import Options
    from syncworker.upstream.pace import Pause
    from syncworker.upstream.upstream import Upstream

_log: Final = logging.getLogger("holdfast.sync")

# Small blobs on their way to several nodes.
_COPY_THREADS: Final = 32
# A worker that is gone holds up its fetches for so long, where there are others.
_TTL_SECONDS: Final = 6.0
# On one machine there is one worker, and whichever process that is goes on with what the one before has begun.
_ONLY: Final = "local"


@dataclass(frozen=True, slots=True)
class Assembled:
    """``begin`` may wait for the metadata; ``end`` gives everything back."""

    worker: SyncWorker
    begin: Callable[[], None]
    end: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What differs between a cluster and one machine."""

    store: Store
    nodes: NodeDirectory
    process_id: str
    begin: Callable[[], None]
    end: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Ground:
    """What everything here stands on."""

    sync: Sync
    parts: _Parts
    repos: Repositories
    reader: ReplicaReader
    writer: ReplicaWriter
    upstreams: dict[int, Upstream]
    sources: Sources
    time: Time
    metrics: Tally


@dataclass(frozen=True, slots=True)
class _Served:
    """What clients' misses lead to, and what the background works with as well."""

    worker: SyncWorker
    manifests: Manifests
    fetching: Fetching
    fetches: Fetches
    ahead: Ahead


@dataclass(frozen=True, slots=True)
class _Task:
    """Something that goes on by itself. Started in order, stopped in the opposite one."""

    start: Callable[[], None]
    stop: Callable[[], None]


def assemble(options: Options, pause: Pause) -> Assembled:
    """A worker, not begun. ``pause`` waits for so many seconds, or less when the process is about to end.

    Raises:
        ConfigError: an upstream, a certificate or the cluster cannot be used.
    """
    ground = _ground(options, Time(SystemClock(), pause, random.SystemRandom().random))
    served = _served(ground)
    parts = ground.parts
    seen = Seen(WORKER, parts.process_id, __version__, options.advertise)
    presence = Presence(parts.store, seen, _new_id, ttl_seconds=_TTL_SECONDS)
    tasks = [
        _Task(parts.begin, parts.end),
        _Task(_nothing, ground.sources.close),
        _Task(_nothing, served.ahead.end),
        _Task(presence.start, presence.stop),
        _leftovers(ground, served),
        _mending(ground, served),
        *_mirrors(ground, served),
        _keeping(ground),
        _meters(options, ground.metrics),
        _port(options, ground.metrics),
    ]

    def begin() -> None:
        for task in tasks:
            task.start()

    def end() -> None:
        for task in reversed(tasks):
            task.stop()

    return Assembled(served.worker, begin, end)


def _meters(options: Options, metrics: Tally) -> _Task:
    if options.metrics_directory is None:
        return _Task(_nothing, _nothing)
    name = f"syncworker-{os.getpid()}-{secrets.token_hex(4)}"
    meters = Meters(options.metrics_directory, name, (metrics.families,))
    return _Task(meters.start, meters.stop)


def _port(options: Options, metrics: Tally) -> _Task:
    if not options.metrics_listen:
        return _Task(_nothing, _nothing)
    port = Port(options.metrics_listen, (metrics.families,))
    return _Task(port.start_or_tell, port.stop)


def _ground(options: Options, time: Time) -> _Ground:
    clock, sync, metrics = time.clock, options.sync, Tally()
    parts = _cluster(options, clock) if options.cluster else _one_machine(options, clock)
    reader = ReplicaReader(parts.nodes, clock)
    pool = ThreadPoolExecutor(_COPY_THREADS, thread_name_prefix="copy")
    book = LayoutBook(parts.store, _new_id, clock)
    writer = ReplicaWriter(parts.nodes, FanOut(parts.nodes, pool, clock), book.mark_dirty, reader.remember)
    asked = _upstreams(sync, time, metrics)
    sources = Sources(Routes.of(sync), asked, _rules(sync))
    repos = Repositories(parts.store, _new_id, clock, _room(parts.store, options))
    return _Ground(sync, parts, repos, reader, writer, asked, sources, time, metrics)


def _room(store: Store, options: Options) -> Room:
    """The client is told as well; but who reads this log can do something about it."""
    ceilings = Ceilings(store, options.most_repositories)

    def room(repository: Repository) -> Sequence[Compare]:
        try:
            return ceilings.room(repository)
        except TooManyRepositoriesError as error:
            _log.warning("a repository is not mirrored: %s", error.message, extra={"repository": repository})
            raise

    return room


def _served(ground: _Ground) -> _Served:
    repos, reader, writer, sources = ground.repos, ground.reader, ground.writer, ground.sources
    clock, metrics, parts = ground.time.clock, ground.metrics, ground.parts
    linking = Linking(repos, reader, writer, keeping.growth(ground.sync, parts.store, _new_id).linked)
    signatures = Signatures(repos, clock)
    manifests = Manifests(repos, reader, writer, sources, signatures, Refused(clock))
    tags = Tags(repos, manifests, sources, signatures, clock, metrics)
    referrers = Referrers(repos, manifests, tags, sources, clock)
    fetches = Fetches(parts.store, _new_id, parts.process_id)
    # What periodic runs alone fill is fetched by the same flights; clients' misses come here only where pulls on demand are on.
    runner = Runner(Tools(fetches, repos, writer, linking, sources.every(), ground.time.pause, clock))
    fetching = Fetching(repos, linking, sources.every(), runner, clock, metrics)
    ahead = Ahead(manifests, tags, referrers, fetching, sources, ground.time)
    looking = Looking(parts.process_id, fetching, sources, writer, metrics, clock)
    worker = SyncWorker(tags, manifests, referrers, fetching, Refused(clock), ahead, looking)
    return _Served(worker, manifests, fetching, fetches, ahead)


def _leftovers(ground: _Ground, served: _Served) -> _Task:
    leftovers = Leftovers(served.fetches, ground.writer.state, served.fetching.is_flying)
    pause = ground.time.pause
    thread = threading.Thread(target=leftovers.keep_tidy, args=(pause,), name="leftovers", daemon=True)
    return _Task(thread.start, _nothing)


def _mending(ground: _Ground, served: _Served) -> _Task:
    """What periodic runs alone fill is mended as well."""
    repos, clock, sources = ground.repos, ground.time.clock, ground.sources.every()
    manifests = Manifests(repos, ground.reader, ground.writer, sources, Signatures(repos, clock), Refused(clock))

    def bring(repository: Repository, digest: Digest) -> None:
        if repos.manifests(repository, [digest]):
            manifests.have(repository, digest)
        else:
            served.fetching.fetch(repository, digest)

    routes = Routes.of(ground.sync)
    lost = LostBook(ground.parts.store, _new_id)
    mending = Mending(lost, repos, lambda name: bool(routes.sources(name)), bring, clock)
    pause = ground.time.pause
    thread = threading.Thread(target=mending.keep_mended, args=(pause,), name="mending", daemon=True)
    return _Task(thread.start, _nothing)


def _mirrors(ground: _Ground, served: _Served) -> list[_Task]:
    """Runs of mirrors in both directions, and what follows pushes here at once."""
    sync, parts, time = ground.sync, ground.parts, ground.time
    routes = Routes.of(sync)
    copying = CopyTools(ground.repos, ground.reader, ground.writer, served.fetching, time)
    here = Holdings(ground.repos, ground.reader, served.manifests, served.fetching, time.pause)
    pushed = pushing.jobs(sync, here, _surroundings(sync, time, ground.metrics))

    def job_of(entry: Entry, registry: SyncRegistry) -> Job:
        if entry.direction != PULL:
            return pushed[entry.number]
        return PullJob(entry.number, registry, routes, ground.upstreams[entry.number], copying)

    def close() -> None:
        for job in pushed.values():
            job.close()

    runs = MirrorRuns(parts.store, _new_id, parts.process_id)
    rounds = Rounds(mirrors(sync, job_of), runs, time.clock, time.die, ground.metrics)
    soon = pushing.soon(sync, pushed, here, parts.store, runs, time.clock, parts.process_id)
    return [_Task(_nothing, close), _Task(rounds.start, rounds.stop), _Task(soon.start, soon.stop)]


def _keeping(ground: _Ground) -> _Task:
    if not keeping.is_needed(ground.sync):
        return _Task(_nothing, _nothing)
    parts, clock = ground.parts, ground.time.clock
    loop = keeping.loop(
        ground.sync, parts.store, ground.repos, parts.nodes, ground.writer, clock, _new_id, parts.process_id
    )
    return _Task(loop.start, loop.stop)


def _upstreams(sync: Sync, time: Time, metrics: Metrics) -> dict[int, Upstream]:
    """By the number of their entry."""
    around = _surroundings(sync, time, metrics)
    return {number: upstreams.upstream(entry, around) for number, entry in _pulled(sync).items()}


def _surroundings(sync: Sync, time: Time, metrics: Metrics) -> upstreams.Surroundings:
    files = logins.files(sync, os.environ, time.clock)
    return upstreams.Surroundings(time, files, proxies=proxies.of(os.environ), metrics=metrics)


def _rules(sync: Sync) -> dict[int, Rules]:
    return {number: Rules.of(entry) for number, entry in _pulled(sync).items()}


def _pulled(sync: Sync) -> dict[int, SyncRegistry]:
    return {number: entry for number, entry in enumerate(sync.registries) if entry.direction == PULL}


def _one_machine(options: Options, clock: Clock) -> _Parts:
    store = SqliteStore(Path(options.metadata_path), clock)
    node = GrpcNode(options.node_target, host_id=host_id())

    def end() -> None:
        node.close()
        store.close()

    return _Parts(store, OneNode(node), _ONLY, _nothing, end)


def _cluster(options: Options, clock: Clock) -> _Parts:
    if options.cluster is None:
        raise AssertionError("only for a cluster")
    found = access(options.cluster, clock, host_id())
    return _Parts(found.metadata, found.directory, secrets.token_hex(8), found.directory.start, found.close)


def _nothing() -> None:
    """There is nothing to do."""


def _new_id() -> bytes:
    return os.urandom(16)
