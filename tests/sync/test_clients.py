"""docker, podman and skopeo in front of a cache of another registry: pulled once, then served without that registry."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients import engines, images
from tests.clients.images import Shape
from tests.clients.programs import Program, need
from tests.serving import serving, wait_for
from tests.sync.mirrored import mirroring
from tests.sync.peers import digest_of, docker_registry
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.images import Image
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


def test_containerd_names_the_registry_that_it_means(
    upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    made = filled(upstream, skopeo, tmp_path)
    places = {"/example": [f"http://{upstream.host}"]}
    with (
        mirroring(tmp_path / "mirror", places, namespaces=["registry.example"]) as server,
        engines.containerd() as containerd,
    ):
        name, hosts = f"registry.example/{NAME}", str(containerd.hosts)
        containerd.mirror("registry.example", server.host)
        for _ in range(2):
            containerd.ctr("images", "pull", "--hosts-dir", hosts, name)
            assert made.digest in containerd.ctr("images", "ls", f"name=={name}")
            wait_for("the image to be synced", lambda: synced(server))
            upstream.close()
            containerd.forget(name)


def test_docker_asks_its_mirror_for_what_it_would_ask_docker_hub_for(
    upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    made = filled(upstream, skopeo, tmp_path)
    places = {"/hub": [f"http://{upstream.host}"]}
    with (
        mirroring(tmp_path / "mirror", places, namespaces=["docker.io"]) as server,
        engines.dockerd(mirror=server.host) as docker,
    ):
        for _ in range(2):
            assert made.digest in docker.call("pull", "busybox:latest")
            wait_for("the image to be synced", lambda: synced(server))
            upstream.close()
            docker.forget("busybox:latest")


def test_each_image_comes_from_the_upstream_whose_prefix_matches_and_the_other_is_not_asked(
    skopeo: Program, tmp_path: Path
) -> None:
    with Stock().serving() as google, Stock().serving() as all_else:
        google.image("google-containers/pause", "3.9", b"pause")
        all_else.image("kube-proxy", "v1.26.0", b"proxy")
        entries = [
            {"urls": [google.url], "onDemand": True, "content": [{"prefix": "/google-containers/*"}]},
            {"urls": [all_else.url], "onDemand": True},
        ]
        with serving(tmp_path / "mirror", extensions={"sync": {"registries": entries}}) as server:
            for name in ("google-containers/pause:3.9", "kube-proxy:v1.26.0"):
                at = tmp_path / name.partition(":")[0].replace("/", "-")
                skopeo("copy", "--src-tls-verify=false", f"docker://{server.host}/{name}", f"dir:{at}")
                assert (at / "manifest.json").exists()
        assert google.asked("", "kube-proxy") == []
        assert all_else.asked("", "google-containers") == []


def test_own_images_are_pushed_beside_the_caches_and_none_into_them(
    server: Server, upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    made = filled(upstream, skopeo, tmp_path)
    own = f"docker://{server.host}/private/own:v1"
    skopeo("copy", "--dest-tls-verify=false", made.oci, own)
    assert json.loads(skopeo("inspect", "--tls-verify=false", own))["Digest"] == made.digest
    refused = skopeo.try_("copy", "--dest-tls-verify=false", made.oci, f"docker://{server.host}/dockerhub/own:v1")
    assert refused.code != 0
    assert "allowPush" in refused.text


def test_what_is_not_cached_is_clearly_missing_while_the_upstream_is_down(
    server: Server, upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    filled(upstream, skopeo, tmp_path)
    upstream.close()
    name = f"{server.host}/dockerhub/library/never:v1"
    with engines.dockerd() as docker:
        said = docker.call.try_("pull", name)
    assert said.code != 0
    assert "502 Bad Gateway" in said.text  # docker keeps the answer's words to itself
    status, _, body = server.request("GET", "/v2/dockerhub/library/never/manifests/v1")
    assert status == 502
    assert upstream.host in json.loads(body)["errors"][0]["message"]


def test_oras_finds_what_is_attached_upstream_and_still_does_without_the_upstream(
    server: Server, upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    oras = Program(need("oras"), {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")})
    filled(upstream, skopeo, tmp_path)
    (tmp_path / "signature").write_text("signed")
    kind = "application/vnd.example.signature"
    attach = ("attach", "--plain-http", "--artifact-type", kind)
    oras(*attach, f"{upstream.host}/{NAME}", "signature", cwd=tmp_path)
    name = f"{server.host}/dockerhub/{NAME}"
    for _ in range(2):
        found = json.loads(oras("discover", "--plain-http", "--format", "json", name))
        assert [one["artifactType"] for one in found["referrers"]] == [kind]
        attached = f"{server.host}/dockerhub/library/busybox@{found['referrers'][0]['digest']}"
        oras("pull", "--plain-http", "--output", str(tmp_path / "out"), attached)
        assert (tmp_path / "out" / "signature").read_text() == "signed"
        wait_for("the artifact to be here", lambda: "fetched a blob" in server.log.read_text())
        upstream.close()


def test_an_image_is_pushed_beside_the_upstream_s_that_shares_its_layers(
    upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    made = filled(upstream, skopeo, tmp_path)
    layers = {layer.digest for layer in made.layers}
    with mirroring(tmp_path / "mirror", {"/dockerhub": [f"http://{upstream.host}"]}, allowPush=True) as server:
        # Its manifest comes here, and none of its layers.
        assert skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{server.host}/dockerhub/{NAME}")
        ours = f"docker://{server.host}/dockerhub/library/busybox:ours"
        skopeo("copy", "--format=v2s2", "--dest-tls-verify=false", made.oci, ours)
        # It sent none of them, because it was told that they are there; and so they are.
        upstream.close()
        fetched = server.log.read_text()
        assert {layer for layer in layers if f'"digest": "{layer}"' in fetched} == layers
        skopeo("copy", "--src-tls-verify=false", ours, f"dir:{tmp_path}/pulled")
        pulled = {path.name for path in (tmp_path / "pulled").iterdir()}
        assert {layer.partition(":")[2] for layer in layers} <= pulled


def test_podman_pushes_what_it_has_pulled_through(
    upstream: contextlib.ExitStack, skopeo: Program, tmp_path: Path
) -> None:
    filled(upstream, skopeo, tmp_path)
    with (
        mirroring(tmp_path / "mirror", {"/dockerhub": [f"http://{upstream.host}"]}, allowPush=True) as server,
        engines.containers(server.host) as containers,
    ):
        name, ours = f"{server.host}/dockerhub/{NAME}", f"{server.host}/dockerhub/library/busybox:ours"
        pulled = containers.podman("pull", "--quiet", name)
        containers.podman("push", "--format=v2s2", name, f"docker://{ours}")
        upstream.close()
        containers.podman("rmi", "--force", name)
        assert containers.podman("pull", "--quiet", ours) == pulled


def test_two_caches_under_their_prefixes_as_zot_s_file_has_them(skopeo: Program, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        hub = stack.enter_context(docker_registry(tmp_path / "hub"))
        other = stack.enter_context(docker_registry(tmp_path / "other"))
        busybox = images.write(tmp_path / "busybox", Shape(name="busybox", layers=2, layer_bytes=100_000))
        app = images.write(tmp_path / "app", Shape(name="app", layers=2, layer_bytes=100_000))
        skopeo("copy", "--dest-tls-verify=false", busybox.oci, f"docker://{hub}/{NAME}")
        skopeo("copy", "--dest-tls-verify=false", app.oci, f"docker://{other}/project/app:latest")
        entries = [
            {
                "urls": [f"http://{host}"],
                "content": [{"prefix": "**", "destination": place}],
                "onDemand": True,
                "tlsVerify": True,
            }
            for host, place in ((hub, "/dockerhub"), (other, "/ghcr"))
        ]
        extensions = {
            "search": {"enable": True},
            "ui": {"enable": True},
            "sync": {"enable": True, "registries": entries},
        }
        server = stack.enter_context(serving(tmp_path / "mirror", extensions=extensions))
        docker = stack.enter_context(engines.dockerd())
        assert busybox.digest in docker.call("pull", f"{server.host}/dockerhub/{NAME}")
        wait_for("the image to be told", lambda: tells(server, "dockerhub/library/busybox"))
        assert app.digest in docker.call("pull", f"{server.host}/ghcr/project/app:latest")
        wait_for("the image to be told", lambda: tells(server, "ghcr/project/app"))


def tells(server: Server, repository: str) -> bool:
    return any(
        "successfully synced image" in line and repository in line for line in server.log.read_text().splitlines()
    )


@pytest.mark.parametrize(("interval", "most"), [("0s", 10), ("1h", 0)])
def test_a_tag_that_docker_pulls_again_and_again_costs_the_upstream_a_head_at_most(
    tmp_path: Path, interval: str, most: int
) -> None:
    made = images.write(tmp_path / "image", Shape(name="again", layers=2, layer_bytes=50_000))
    with Stock().serving() as stock, engines.dockerd() as docker:
        blobs = given(stock, "team/again", tmp_path / "image")
        with mirroring(tmp_path / "mirror", {"/up": [stock.url]}, manifestCheckInterval=interval) as server:
            name = f"{server.host}/up/team/again:v1"
            assert made.digest in docker.call("pull", name)
            asked = len(stock.asked("", "/manifests/"))
            for _ in range(10):
                docker.forget(name)
                assert made.digest in docker.call("pull", name)
            assert len(stock.asked("GET", "/manifests/")) <= 1
            assert len(stock.asked("", "/manifests/")) - asked <= most
            assert all(len(stock.asked("GET", digest_of(blob))) == 1 for blob in blobs)


def test_docker_has_begun_to_store_a_layer_that_the_upstream_has_not_sent_to_its_end(tmp_path: Path) -> None:
    made = images.write(tmp_path / "image", Shape(name="slow", layers=1, layer_bytes=4_000_000))
    with Stock().serving() as stock, engines.dockerd() as docker:
        _, layer = given(stock, "team/slow", tmp_path / "image")
        gate = stock.hold(layer, len(layer) // 2)
        with mirroring(tmp_path / "mirror", {"/up": [stock.url]}) as server, ThreadPoolExecutor(1) as pool:
            pull = pool.submit(docker.call, "pull", f"{server.host}/up/team/slow:v1")
            root = Path(docker.socket.removeprefix("unix://")).parent / "data" / "tmp"
            wait_for("docker to have half of it", lambda: most_of(root) >= len(layer) // 2 - 100_000)
            assert not pull.done()
            gate.set()
            assert made.digest in pull.result(60)


def given(stock: Stock, repository: str, layout: Path) -> list[bytes]:
    """The upstream has the layout's image as ``v1``; its config and layers."""
    stored = {f"sha256:{path.name}": path.read_bytes() for path in (layout / "blobs" / "sha256").iterdir()}
    manifest = stored[json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]]
    parts = json.loads(manifest)
    blobs = [stored[part["digest"]] for part in (parts["config"], *parts["layers"])]
    stock.manifest(repository, "v1", manifest, *blobs)
    return blobs


def most_of(directory: Path) -> int:
    """Bytes of the largest file that docker is writing."""
    return max((path.stat().st_size for path in directory.glob("*") if path.is_file()), default=0)
