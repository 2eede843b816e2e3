"""Caches within their limits: real processes in front of a real registry, and what is on the nodes' disks."""

from __future__ import annotations

import contextlib
import json
import os
from itertools import count
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.meta.pulls import PullTimes
from holdfast.meta.sqlite import SqliteStore
from holdfast.names import Repository
from tests.serving import wait_for
from tests.sync.mirrored import mirroring, pulling
from tests.sync.peers import Peer, digest_of, docker_registry, image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.serving import Server

MIB = 1 << 20
_numbers = count(1)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with docker_registry(tmp_path_factory.mktemp("upstream") / "registry") as host:
        yield Peer(f"http://{host}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, peer: Peer) -> Iterator[Server]:
    """Each test has a budget of 20 MiB of its own."""
    content = [{"prefix": f"team{n}/**", "destination": "/up", "cacheSize": "20MiB"} for n in range(1, 6)]
    with mirroring(tmp_path_factory.mktemp("mirror"), {"/up": [peer.url]}, content=content) as server:
        yield server


@pytest.fixture
def team() -> str:
    return f"team{next(_numbers)}"


def have(peer: Peer, team: str, *sizes: int) -> list[bytes]:
    """The layers of images ``app0``, ``app1`` and so on, one each, so many MiB long."""
    layers = [os.urandom(size * MIB) for size in sizes]
    for number, layer in enumerate(layers):
        peer.push_image(f"{team}/app{number}", "v1", layer)
    return layers


def path_of(repository: str, layer: bytes) -> str:
    return f"/v2/{repository}/blobs/{digest_of(layer)}"


def pull(server: Server, name: str, layer: bytes) -> None:
    """As a client does: by tag, then the layer."""
    status, _, manifest = server.request("GET", f"/v2/{name}/manifests/v1")
    assert (status, manifest) == (200, image(layer))
    status, _, body = server.request("GET", path_of(name, layer))
    assert (status, body == layer) == (200, True)


def copies(node: Path) -> dict[str, int]:
    """What is on a node's disk, by digest, with its size; what is in the trash counts as well."""
    found: dict[str, int] = {}
    for folder in ("blobs", "trash"):
        for path in (node / folder).rglob("*-*"):
            with contextlib.suppress(FileNotFoundError):  # it goes at this moment
                found[f"sha256:{path.name.rpartition('-')[2]}"] = path.stat().st_size
    return found


def stored(server: Server, layers: list[bytes]) -> list[int]:
    found = copies(server.root / "data" / "node")
    return [number for number, layer in enumerate(layers) if digest_of(layer) in found]


def told(server: Server, event: str) -> list[dict]:
    lines = (json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("event") == event]


@contextlib.contextmanager
def pull_times(server: Server) -> Iterator[Callable[[str, bytes], float | None]]:
    """When a repository's layer was pulled last, as far as the gateways have written it."""
    store = SqliteStore(server.root / "data" / "meta" / "holdfast.db", SystemClock())

    def pulled(name: str, layer: bytes) -> float | None:
        key = (Repository(name), digests.parse(digest_of(layer)))
        return PullTimes(store).read([key]).get(key)

    try:
        yield pulled
    finally:
        store.close()


def test_the_least_recently_used_goes_a_hit_refreshes_and_what_went_comes_again(
    server: Server, peer: Peer, team: str
) -> None:
    layers = have(peer, team, 6, 6, 6, 6)
    for number in range(3):
        pull(server, f"up/{team}/app{number}", layers[number])
    with pull_times(server) as pulled:
        assert pulled(f"up/{team}/app0", layers[0]) is None
        pull(server, f"up/{team}/app0", layers[0])
        wait_for("the hit to be written", lambda: pulled(f"up/{team}/app0", layers[0]))
    pull(server, f"up/{team}/app3", layers[3])
    wait_for("the least recently used to go", lambda: stored(server, layers) == [0, 2, 3])
    gone = next(line for line in told(server, "evicted from a cache") if line["digest"] == digest_of(layers[1]))
    assert (gone["repository"], gone["reason"]) == (f"up/{team}/app1", "more than cacheSize is held")
    assert digest_of(image(layers[1])) in {line["digest"] for line in told(server, "evicted from a cache")}
    pull(server, f"up/{team}/app1", layers[1])
    wait_for("the next one to go", lambda: stored(server, layers) == [0, 1, 3])


def test_a_local_push_of_the_same_layer_is_untouched(server: Server, peer: Peer, team: str) -> None:
    layers = have(peer, team, 8, 8, 8)
    pull(server, f"up/{team}/app0", layers[0])
    Peer(server.url).push_image("private/app", "v1", layers[0])
    for number in (1, 2):
        pull(server, f"up/{team}/app{number}", layers[number])

    def evicted() -> bool:
        gone = {(line["repository"], line["digest"]) for line in told(server, "evicted from a cache")}
        return (f"up/{team}/app0", digest_of(layers[0])) in gone

    wait_for("the cache to let go of it", evicted)
    pull(server, "private/app", layers[0])
    assert stored(server, layers) == [0, 1, 2]
    pull(server, f"up/{team}/app0", layers[0])


def test_a_client_in_the_middle_of_what_is_evicted_gets_it_whole(server: Server, peer: Peer, team: str) -> None:
    layers = have(peer, team, 16, 9, 9)
    pull(server, f"up/{team}/app0", layers[0])
    with pulling(server, path_of(f"up/{team}/app0", layers[0])) as answer:
        body = answer.read(MIB)
        for number in (1, 2):
            pull(server, f"up/{team}/app{number}", layers[number])
        wait_for("it to be evicted", lambda: stored(server, layers) == [1, 2])
        body += answer.read()
    assert body == layers[0]
    pull(server, f"up/{team}/app0", layers[0])


def test_a_link_whose_copy_is_gone_fetches_it_again(server: Server, peer: Peer, team: str) -> None:
    """As for a client that has found the link a moment before the eviction."""
    (layer,) = have(peer, team, 2)
    pull(server, f"up/{team}/app0", layer)
    (copy,) = (server.root / "data" / "node" / "blobs").rglob(f"*{digest_of(layer)[7:]}")
    copy.unlink()
    status, _, body = server.request("GET", path_of(f"up/{team}/app0", layer), headers={"Range": "bytes=5-9"})
    assert (status, body) == (206, layer[5:10])
    pull(server, f"up/{team}/app0", layer)
