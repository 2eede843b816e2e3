"""Caches within their limits: real processes in front of a real registry, and what is on the node's disk."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.meta.pulls import PullTimes
from holdfast.meta.sqlite import SqliteStore
from holdfast.names import Repository
from tests.serving import wait_for
from tests.sync.mirrored import mirroring
from tests.sync.peers import Peer, digest_of, docker_registry, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serving import Server

MIB = 1 << 20


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with docker_registry(tmp_path_factory.mktemp("upstream") / "registry") as host:
        yield Peer(f"http://{host}")


def path_of(repository: str, layer: bytes) -> str:
    return f"/v2/{repository}/blobs/{digest_of(layer)}"


def pull(server: Server, name: str, *layers: bytes) -> None:
    """As a client does: by tag, then every blob."""
    status, _, manifest = server.request("GET", f"/v2/{name}/manifests/v1")
    assert (status, manifest) == (200, image(*layers))
    for layer in layers:
        status, _, body = server.request("GET", path_of(name, layer))
        assert (status, body == layer) == (200, True)


def stored(server: Server) -> dict[str, int]:
    """Every copy on the node's disk, by digest, with its size; what is in the trash counts as well."""
    found: dict[str, int] = {}
    for folder in ("blobs", "trash"):
        for path in (server.root / "data" / "node" / folder).rglob("*-*"):
            with contextlib.suppress(FileNotFoundError):  # it goes at this moment
                found[f"sha256:{path.name.rpartition('-')[2]}"] = path.stat().st_size
    return found


def metadata(server: Server) -> SqliteStore:
    return SqliteStore(server.root / "data" / "meta" / "holdfast.db", SystemClock())


def events(server: Server, event: str) -> list[dict]:
    lines = (json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("event") == event]


def test_a_cache_stays_within_its_budget_and_the_least_recently_used_goes_first(tmp_path: Path, peer: Peer) -> None:
    layers = [os.urandom(6 * MIB) for _ in range(5)]
    for number, layer in enumerate(layers):
        peer.push_image(f"team/app{number}", "v1", layer)
    with mirroring(tmp_path, {"/up": [peer.url]}, cacheSize="20MiB") as server:
        for number, layer in enumerate(layers[:3]):
            pull(server, f"up/team/app{number}", layer)
        pull(server, "up/team/app0", layers[0])
        first = (Repository("up/team/app0"), digests.parse(digest_of(layers[0])))
        store = metadata(server)
        wait_for("the pull times to be written", lambda: first in PullTimes(store).read([first]))
        store.close()
        pull(server, "up/team/app3", layers[3])
        wait_for("the least recently used to go", lambda: digest_of(layers[1]) not in stored(server))
        assert sum(stored(server).values()) <= 20 * MIB
        assert {digest_of(layers[number]) for number in (0, 2, 3)} <= stored(server).keys()
        pull(server, "up/team/app1", layers[1])
        wait_for("the next one to go", lambda: digest_of(layers[2]) not in stored(server))
        assert {digest_of(layers[number]) for number in (0, 1, 3)} <= stored(server).keys()
