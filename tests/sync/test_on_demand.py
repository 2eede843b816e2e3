"""What is not here comes from upstream when somebody asks for it: real processes, Debian's docker-registry behind them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.sync.mirrored import mirroring
from tests.sync.peers import Peer, digest_of, docker_registry, image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Server

LAYERS = (os.urandom(3_000_000), os.urandom(70_000))


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with docker_registry(tmp_path_factory.mktemp("peer") / "registry") as host:
        peer = Peer(f"http://{host}")
        peer.push_image("team/app", "v1", *LAYERS)
        yield peer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, peer: Peer) -> Iterator[Server]:
    with mirroring(tmp_path_factory.mktemp("mirror"), {"/up": [peer.url]}) as server:
        yield server


def test_an_image_that_is_not_here_is_pulled_through(server: Server) -> None:
    status, headers, manifest = server.request("GET", "/v2/up/team/app/manifests/v1")
    assert (status, manifest) == (200, image(*LAYERS))
    assert headers["docker-content-digest"] == digest_of(manifest)
    for layer in (*LAYERS, b"{}"):
        for _ in range(2):
            status, headers, body = server.request("GET", f"/v2/up/team/app/blobs/{digest_of(layer)}")
            assert (status, body) == (200, layer)
            assert headers["content-length"] == str(len(layer))
