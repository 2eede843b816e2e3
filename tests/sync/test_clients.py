"""docker, podman and skopeo in front of a cache of another registry: pulled once, then served without that registry."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.clients import engines, images
from tests.clients.images import Shape
from tests.serving import wait_for
from tests.sync.mirrored import mirroring
from tests.sync.peers import docker_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.serving import Server

pytestmark = pytest.mark.clients

NAME = "library/busybox:latest"


@pytest.fixture
def skopeo(tmp_path: Path) -> Program:
    return engines.skopeo(tmp_path / "skopeo")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[contextlib.ExitStack]:
    """A registry with one image. Closing it stops the registry."""
    with contextlib.ExitStack() as stack:
        stack.host = stack.enter_context(docker_registry(tmp_path / "upstream"))
        yield stack


@pytest.fixture
def server(tmp_path: Path, upstream: contextlib.ExitStack) -> Iterator[Server]:
    with mirroring(tmp_path / "mirror", {"/dockerhub": [f"http://{upstream.host}"]}) as server:
        yield server


def filled(upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path, **shape: object) -> Image:
    made = images.write(tmp_path / "image", Shape(name="busybox", layers=3, layer_bytes=300_000, **shape))
    skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, f"docker://{upstream.host}/{NAME}")
    return made


def synced(server: Server) -> bool:
    return "successfully synced image" in server.log.read_text()


def test_skopeo_copies_all_platforms_and_again_without_the_upstream(
    server: Server, upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    made = filled(upstream, skopeo, tmp_path, platforms=("linux/amd64", "linux/arm64"))
    source = f"docker://{server.host}/dockerhub/{NAME}"
    skopeo("copy", "--all", "--src-tls-verify=false", source, f"oci:{tmp_path}/first:v1")
    wait_for("the image to be synced", lambda: synced(server))
    upstream.close()
    skopeo("copy", "--all", "--src-tls-verify=false", source, f"oci:{tmp_path}/second:v1")
    for name in ("first", "second"):
        index = json.loads((tmp_path / name / "index.json").read_text())
        assert [one["digest"] for one in index["manifests"]] == [made.digest]


def test_only_the_platform_that_is_asked_for_is_fetched(
    server: Server, upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    made = filled(upstream, skopeo, tmp_path, platforms=("linux/amd64", "linux/arm64"))
    source = f"docker://{server.host}/dockerhub/{NAME}"
    one = ("--override-arch=arm64", "--override-os=linux")
    skopeo(*one, "copy", "--src-tls-verify=false", source, f"dir:{tmp_path}/one")
    wait_for("the image to be synced", lambda: synced(server))
    fetched = server.log.read_text()
    wanted = {
        layer.digest
        for layer in made.layers
        if f"{layer.digest.partition(':')[2]}" in str(list((tmp_path / "one").iterdir()))
    }
    assert len(wanted) == 3
    assert {layer.digest for layer in made.layers if f'"digest": "{layer.digest}"' in fetched} == wanted


def test_podman_pulls_and_pulls_again_without_the_upstream(
    server: Server, upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    filled(upstream, skopeo, tmp_path)
    name = f"{server.host}/dockerhub/{NAME}"
    with engines.containers(server.host) as containers:
        first = containers.podman("pull", "--quiet", name)
        wait_for("the image to be synced", lambda: synced(server))
        upstream.close()
        containers.podman("rmi", "--force", name)
        assert containers.podman("pull", "--quiet", name) == first


def test_docker_pulls_and_pulls_again_without_the_upstream(
    server: Server, upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    made = filled(upstream, skopeo, tmp_path)
    name = f"{server.host}/dockerhub/{NAME}"
    with engines.dockerd() as docker:
        assert made.digest in docker.call("pull", name)
        wait_for("the image to be synced", lambda: synced(server))
        upstream.close()
        docker.forget(name)
        assert made.digest in docker.call("pull", name)
