"""Holdfast on what a power cut left, in this process: the node, the metadata and the gateway's application, without a server."""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from falcon.testing import TestClient

from gateway.access.assembly import guard
from gateway.access.options import AccessOptions
from gateway.app import Guards, create_app
from gateway.buckets import Buckets
from gateway.cache import ManifestCache
from gateway.health import Health
from gateway.lanes import Lanes
from gateway.rates import Paces, Rates
from gateway.renewal import Renewal
from gateway.staleness import Staleness
from holdfast.clock import SystemClock
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.ops.serve import _cluster_id
from holdfast.replicas.directory import OneNode
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.client import GrpcNode
from storagenode.options import NodeOptions
from storagenode.server import NodeServer
from tests.crash.traffic import Answer
from tests.fakes.mirrors import no_mirrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PLACES = 8


@contextlib.contextmanager
def started(data: Path) -> Iterator[Callable[..., Answer]]:
    """What ``holdfast serve`` assembles, on the same directory; gives what sends a request.

    Raises:
        ConfigError: the directory is not what it was.
    """
    data.mkdir(exist_ok=True)  # as serve does: an empty registry is a registry
    metadata = data / "meta" / "holdfast.db"
    cluster_id = _cluster_id(metadata)
    target = f"unix:{data}/s"
    with contextlib.ExitStack() as stack:
        server = NodeServer(NodeOptions(data / "node", target, cluster_id=cluster_id, reserve_bytes=0))
        stack.callback(server.stop, 0.0)
        server.start()
        store = SqliteStore(metadata, SystemClock())
        stack.callback(store.close)
        node = GrpcNode(target, host_id="")
        stack.callback(node.close)
        nodes = OneNode(node)
        reader = ReplicaReader(nodes, SystemClock())
        repos = Repositories(store, lambda: os.urandom(16), SystemClock())
        lanes = Lanes(_PLACES, _PLACES, _PLACES)
        # One node alone is written to without a fan-out.
        writer = ReplicaWriter(nodes, FanOut(nodes, ThreadPoolExecutor(1), SystemClock()), lambda *_: None)
        unlimited = Rates(Paces(), Buckets(SystemClock(), b"any key"))
        guards = Guards(
            guard(AccessOptions(), store, SystemClock(), time.sleep),
            lanes,
            Health({}),
            Staleness(),
            unlimited,
            Renewal(repos, SystemClock(), 3600.0),
        )
        app = create_app(repos, reader, writer, ManifestCache(1 << 20), no_mirrors(repos), guards)
        client = TestClient(app)

        def ask(method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
            path, _, query = path.partition("?")
            answer = client.simulate_request(method, path, query_string=query, body=body, headers=headers)
            return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)

        yield ask
