"""Upstreams and local repositories on disks of their own: real processes, and what lies below which path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.serving import serving, start, wait_for
from tests.sync.mirrored import registries
from tests.sync.peers import Peer, digest_of, docker_registry, image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.serving import Server

MIB = 1 << 20


def held(root: Path) -> set[str]:
    """The digests of all blobs below a path."""
    return {f"sha256:{path.name.partition('-')[2]}" for path in root.rglob("blobs/*/sha256-*")}


def an_image() -> tuple[bytes, bytes, bytes]:
    """A config, a layer that is sent in one call, and one that is not: no other image has them."""
    return b'{"of": "%s"}' % os.urandom(8).hex().encode(), os.urandom(1000), os.urandom(5 * MIB)


def push(peer: Peer, repository: str, blobs: Sequence[bytes]) -> set[str]:
    """What it consists of."""
    config, *layers = blobs
    for blob in blobs:
        peer.push_blob(repository, blob)
    manifest = image(*layers, config=config)
    peer.push_manifest(repository, "v1", manifest)
    return {digest_of(data) for data in (manifest, *blobs)}


def pull(server: Server, repository: str, blobs: Sequence[bytes]) -> None:
    config, *layers = blobs
    status, _, body = server.request("GET", f"/v2/{repository}/manifests/v1")
    assert (status, body) == (200, image(*layers, config=config))
    for blob in blobs:
        status, _, body = server.request("GET", f"/v2/{repository}/blobs/{digest_of(blob)}")
        assert (status, body == blob) == (200, True)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    routes = {"/hub": "disk1", "/ghcr": "disk2", "/infra": "disk3"}
    return {
        "storage": {"subPaths": {route: {"rootDirectory": str(tmp_path / disk)} for route, disk in routes.items()}},
    }


def test_each_upstream_and_each_local_route_keeps_to_its_own_disk_also_after_a_restart(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    images = {name: an_image() for name in ("hub/team/app", "ghcr/team/app", "infra/dns", "infrared")}
    expected = {}
    with docker_registry(tmp_path / "hub") as hub, docker_registry(tmp_path / "ghcr") as ghcr:
        asked = registries({"/hub": [f"http://{hub}"]})
        copied = registries({"/ghcr": [f"http://{ghcr}"]}, onDemand=False, pollInterval="1h")
        settings["extensions"] = {"sync": {"registries": [*asked, *copied]}}
        expected["disk1"] = push(Peer(f"http://{hub}"), "team/app", images["hub/team/app"])
        expected["disk2"] = push(Peer(f"http://{ghcr}"), "team/app", images["ghcr/team/app"])
        with serving(tmp_path, **settings) as server:
            here = Peer(f"http://127.0.0.1:{server.port}")
            expected["disk3"] = push(here, "infra/dns", images["infra/dns"])
            at_once = os.urandom(1000)
            target = f"/v2/infra/dns/blobs/uploads/?digest={digest_of(at_once)}"
            kind = {"Content-Type": "application/octet-stream"}
            assert here.request("POST", target, at_once, **kind)[0] == 201
            expected["disk3"].add(digest_of(at_once))
            expected["data"] = push(here, "infrared", images["infrared"])
            wait_for("the copy", lambda: server.request("HEAD", "/v2/ghcr/team/app/manifests/v1")[0] == 200)
            for name, blobs in images.items():
                pull(server, name, blobs)
            assert {disk: held(tmp_path / disk) for disk in expected} == expected
    with serving(tmp_path, **settings) as server:
        for name, blobs in images.items():
            pull(server, name, blobs)
        # What another route has already is shared, not copied.
        shared = digest_of(images["infra/dns"][2])
        status, _, _ = server.request("POST", f"/v2/infrared/blobs/uploads/?mount={shared}&from=infra/dns")
        assert status == 201
        assert server.request("HEAD", f"/v2/infrared/blobs/{shared}")[0] == 200
    assert {disk: held(tmp_path / disk) for disk in expected} == expected


def test_a_disk_that_is_missing_keeps_the_registry_from_starting_and_is_named(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with serving(tmp_path, **settings) as server:
        push(Peer(f"http://127.0.0.1:{server.port}"), "infra/dns", an_image())
    (tmp_path / "disk3").rename(tmp_path / "away")
    server = start(tmp_path, wait=False, **settings)
    assert server.process.wait(60) == 78
    assert f"{tmp_path}/disk3/node does not hold what was stored there for /infra" in server.log.read_text()
    assert not list((tmp_path / "disk3").iterdir())
