"""Blobs rot and vanish beneath a running registry: a scrub tells whom it touches, an upstream or another push makes it good."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from storagenode.disk.tree import Tree
from tests.cluster.processes import cli
from tests.serving import serving, wait_for
from tests.sync.mirrored import registries
from tests.sync.peers import digest_of
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.serving import Server


@pytest.fixture
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture
def server(tmp_path: Path, stock: Stock) -> Iterator[Server]:
    extensions = {"sync": {"registries": registries({"/up": [stock.url]})}, "metrics": {}}
    with serving(tmp_path / "registry", extensions=extensions) as server:
        yield server


def copy_of(server: Server, digest: str) -> Path:
    return Path(Tree(str(server.root / "data/node")).blob(digests.parse(digest)))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    with path.open("r+b") as file:
        file.write(data)


def is_right(path: Path, data: bytes) -> bool:
    return path.exists() and path.read_bytes() == data


def scrub(server: Server) -> tuple[int, dict]:
    done = cli("scrub", "--wait", "--json", "--timeout", "100", "--config", str(server.config))
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def touched(told: dict) -> set[tuple[str, ...]]:
    return {(one["repository"], one["digest"], *one["tags"]) for one in told["images"]}


def test_what_an_upstream_has_comes_again_by_itself_and_what_was_pushed_by_another_push(
    server: Server, stock: Stock, skopeo: Program, image: Callable[..., Image]
) -> None:
    layer, made, name = os.urandom(100_000), image(layers=2), f"docker://{server.host}/team/app"
    manifest = stock.image("team/app", "v1", layer)
    assert server.request("GET", "/v2/up/team/app/manifests/v1")[0] == 200
    assert server.request("GET", f"/v2/up/team/app/blobs/{digest_of(layer)}")[2] == layer
    wait_for("the layer", copy_of(server, digest_of(layer)).exists)
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"{name}:v1")
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"{name}:v2")
    rotten, gone = (one.digest for one in made.layers)
    flip(copy_of(server, rotten))
    copy_of(server, gone).unlink()
    flip(copy_of(server, digest_of(layer)))
    copy_of(server, digest_of(manifest)).unlink()

    code, told = scrub(server)
    assert code == 1
    pushed = {("team/app", rotten, "v1", "v2"), ("team/app", gone, "v1", "v2")}
    mirrored = {("up/team/app", digest_of(layer), "v1"), ("up/team/app", digest_of(manifest), "v1")}
    assert pushed <= touched(told) <= pushed | mirrored
    wait_for("the layer to come again", lambda: is_right(copy_of(server, digest_of(layer)), layer), 60)
    wait_for("the manifest to come again", lambda: is_right(copy_of(server, digest_of(manifest)), manifest), 60)

    # The client asks first, and is told that the layers are not there.
    assert skopeo.try_("copy", "--src-tls-verify=false", f"{name}:v1", f"dir:{server.root}/one").code != 0
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"{name}:v1")
    skopeo("copy", "--src-tls-verify=false", f"{name}:v2", f"dir:{server.root}/two")
    code, told = scrub(server)
    assert (code, told["well"], told["images"]) == (0, True, [])
    wait_for("the node's counts", lambda: b"holdfast_scrub_rounds_total 2.0" in server.request("GET", "/metrics")[2])
    assert b"holdfast_scrub_wrong_total 2.0" in server.request("GET", "/metrics")[2]
