"""The composition root: every collaborator of a gateway worker is made here, visibly, and nowhere else.

It runs in the worker, after the fork: gRPC channels, database connections and threads do not survive one.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.app import create_app
from gateway.cache import ManifestCache
from gateway.health import Health
from gateway.lanes import Lanes
from holdfast import logs
from holdfast.clock import SystemClock
from holdfast.meta import keys
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.replicas.directory import OneNode
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.host import host_id

if TYPE_CHECKING:
    from collections.abc import Callable

    import falcon

    from gateway.options import Options

# Small blobs on their way to several nodes, in one worker process.
_COPY_THREADS: Final = 64
# Per worker process. Most manifests have a few KiB; this holds about ten thousand of them.
MANIFEST_CACHE_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the worker needs of it."""

    app: falcon.App[Any, Any]
    health: Health
    access_line: Callable[..., None]


def assemble(options: Options) -> Gateway:
    """One gateway, running."""
    descriptor = logs.configure(options.log_level, options.log_format, options.log_output, "gateway")
    clock = SystemClock()
    store = SqliteStore(Path(options.metadata_path), clock)
    node = GrpcNode(options.node_target, host_id=host_id())
    nodes = OneNode(node)
    reader = ReplicaReader(nodes, clock)
    pool = ThreadPoolExecutor(_COPY_THREADS, thread_name_prefix="copy")
    book = LayoutBook(store, new_operation_id, clock)
    repos = Repositories(store, new_operation_id, clock)
    health = Health({"metadata": lambda: store.get(keys.CLUSTER_ID), "storage": node.status})
    health.settle()
    health.start()
    app = create_app(
        repos,
        reader,
        ReplicaWriter(nodes, FanOut(nodes, pool, clock), book.mark_dirty, reader.remember),
        ManifestCache(MANIFEST_CACHE_BYTES),
        Lanes(options.max_transfers, options.max_transfers, options.together),
        health,
        sparse=options.sparse,
    )
    return Gateway(app, health, logs.access_line(descriptor, options.log_format))


def new_operation_id() -> bytes:
    """16 random bytes: names one try of one mutation."""
    return os.urandom(16)
