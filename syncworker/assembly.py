"""The composition root of a sync worker: every collaborator is made here, visibly, and nowhere else."""

from __future__ import annotations

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
from holdfast.meta.fetches import WORKER, Fetches
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
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
from syncworker.fetching import Fetching
from syncworker.flight import Runner, Tools
from syncworker.leftovers import Leftovers
from syncworker.linking import Linking
from syncworker.manifests import Manifests
from syncworker.sources import Sources
from syncworker.tags import Tags
from syncworker.upstream import assembly as upstreams
from syncworker.upstream.credentials import CredentialsFile
from syncworker.upstream.pace import Time
from syncworker.worker import SyncWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.config.sync import Sync
    from holdfast.meta.store import Store
    from holdfast.replicas.directory import NodeDirectory
    from syncworker.options import Options
    from syncworker.upstream.pace import Pause

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


def assemble(options: Options, pause: Pause) -> Assembled:
    """A worker, not begun. ``pause`` waits for so many seconds, or less when the process is about to end.

    Raises:
        ConfigError: an upstream, a certificate or the cluster cannot be used.
    """
    clock = SystemClock()
    parts = _cluster(options, clock) if options.cluster else _one_machine(options, clock)
    repos = Repositories(parts.store, _new_id, clock)
    reader = ReplicaReader(parts.nodes, clock)
    pool = ThreadPoolExecutor(_COPY_THREADS, thread_name_prefix="copy")
    book = LayoutBook(parts.store, _new_id, clock)
    writer = ReplicaWriter(parts.nodes, FanOut(parts.nodes, pool, clock), book.mark_dirty, reader.remember)
    sources = _sources(options.sync, Time(clock, pause, random.SystemRandom().random))
    linking = Linking(repos, reader, writer)
    manifests = Manifests(repos, reader, writer, sources)
    fetches = Fetches(parts.store, _new_id, parts.process_id)
    runner = Runner(Tools(fetches, repos, writer, linking, sources, pause, clock))
    fetching = Fetching(repos, linking, sources, runner, clock)
    worker = SyncWorker(Tags(repos, manifests, sources, clock), manifests, fetching)
    leftovers = Leftovers(fetches, writer.state, fetching.is_flying)
    seen = Seen(WORKER, parts.process_id, __version__, options.advertise)
    presence = Presence(parts.store, seen, _new_id, ttl_seconds=_TTL_SECONDS)

    def begin() -> None:
        parts.begin()
        presence.start()
        threading.Thread(target=leftovers.keep_tidy, args=(pause,), name="leftovers", daemon=True).start()

    def end() -> None:
        presence.stop()
        sources.close()
        parts.end()

    return Assembled(worker, begin, end)


def _sources(sync: Sync, time: Time) -> Sources:
    logins = [CredentialsFile(Path(sync.credentials_file))] if sync.credentials_file else []
    around = upstreams.Surroundings(time, logins)
    pulled = {number: entry for number, entry in enumerate(sync.registries) if entry.direction == PULL}
    return Sources(
        Routes.of(sync),
        {number: upstreams.upstream(entry, around) for number, entry in pulled.items()},
        {number: Rules.of(entry) for number, entry in pulled.items()},
    )


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
    """One machine has nothing to follow."""


def _new_id() -> bytes:
    return os.urandom(16)
