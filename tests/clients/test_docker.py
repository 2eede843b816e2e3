"""dockerd 20.10 with its classic image store: one connection a request, chunked PATCH, Docker's own media types."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.clients.engines import busybox

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.engines import Docker
    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.clients.traffic import Traffic
    from tests.serving import Server

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def load(skopeo: Program, docker: Docker, image: Image, name: str) -> str:
    """Bring an image into a dockerd without any registry."""
    skopeo("copy", "--dest-daemon-host", docker.socket, image.oci, f"docker-daemon:{name}")
    return name


def pushed_digest(output: str) -> str:
    found = re.search(r"digest: (sha256:[0-9a-f]{64}) size: \d+", output)
    assert found, output
    return found.group(1)


def test_push_of_schema_2_is_pulled_and_run_with_the_same_digest_elsewhere(
    registry: Server,
    docker: Docker,
    other_docker: Docker,
    skopeo: Program,
    image: Callable[..., Image],
) -> None:
    name = load(skopeo, docker, image(program=busybox()), f"{registry.host}/my-hello:v1")
    digest = pushed_digest(docker.call("push", name))
    status, headers, body = registry.request("GET", "/v2/my-hello/manifests/v1", headers={"Accept": DOCKER_MANIFEST})
    assert (status, headers["content-type"], headers["docker-content-digest"]) == (200, DOCKER_MANIFEST, digest)
    assert json.loads(body)["mediaType"] == DOCKER_MANIFEST

    assert f"Digest: {digest}" in other_docker.call("pull", name)
    words = other_docker.call("run", "--rm", "--network=none", name)
    assert words.startswith("clients/")
    assert (
        other_docker.call("image", "inspect", "--format", "{{.RepoDigests}}", name).strip()
        == f"[{registry.host}/my-hello@{digest}]"
    )


def test_second_push_says_that_the_layers_already_exist(
    registry: Server, docker: Docker, skopeo: Program, image: Callable[..., Image], repository: str, traffic: Traffic
) -> None:
    name = load(skopeo, docker, image(layers=3), f"{registry.host}/{repository}:v1")
    first = pushed_digest(docker.call("push", name))
    sent = len(traffic.uploads())
    docker.call("tag", name, f"{registry.host}/{repository}:v2")
    again = docker.call("push", f"{registry.host}/{repository}:v2")
    assert again.count("Layer already exists") == 3
    assert pushed_digest(again) == first
    assert len(traffic.uploads()) == sent


def test_push_to_another_repository_mounts_the_layers(
    registry: Server, docker: Docker, skopeo: Program, image: Callable[..., Image], repository: str, traffic: Traffic
) -> None:
    name = load(skopeo, docker, image(layers=3), f"{registry.host}/{repository}/one:v1")
    docker.call("push", name)
    docker.call("tag", name, f"{registry.host}/{repository}/two:v1")
    said = docker.call("push", f"{registry.host}/{repository}/two:v1")
    assert said.count(f"Mounted from {repository}/one") == 3
    assert len(traffic.mounts()) == 3


def test_what_was_removed_and_pruned_is_pulled_again_by_digest(
    registry: Server, docker: Docker, skopeo: Program, image: Callable[..., Image], repository: str
) -> None:
    name = load(skopeo, docker, image(), f"{registry.host}/{repository}:v1")
    digest = pushed_digest(docker.call("push", name))
    docker.forget(name)
    assert "Pull complete" in docker.call("pull", f"{registry.host}/{repository}@{digest}")


def test_every_tag_is_pushed_and_pulled_with_one_command(
    registry: Server,
    docker: Docker,
    other_docker: Docker,
    skopeo: Program,
    image: Callable[..., Image],
    repository: str,
) -> None:
    name = load(skopeo, docker, image(), f"{registry.host}/{repository}:a")
    docker.call("tag", name, f"{registry.host}/{repository}:b")
    docker.call("push", "--all-tags", f"{registry.host}/{repository}")
    other_docker.call("pull", "--all-tags", f"{registry.host}/{repository}")
    tags = other_docker.call("images", "--format", "{{.Tag}}", f"{registry.host}/{repository}").split()
    assert sorted(tags) == ["a", "b"]


def test_manifest_list_of_two_platforms_is_made_inspected_pushed_and_pulled_by_platform(
    registry: Server,
    docker: Docker,
    other_docker: Docker,
    skopeo: Program,
    image: Callable[..., Image],
    repository: str,
) -> None:
    base = f"{registry.host}/{repository}"
    for architecture in ("amd64", "arm64"):
        name = load(skopeo, docker, image(platform=f"linux/{architecture}"), f"{base}-{architecture}:v1")
        docker.call("push", name)
    docker.call("manifest", "create", "--insecure", f"{base}:v1", f"{base}-amd64:v1", f"{base}-arm64:v1")
    docker.call("manifest", "annotate", f"{base}:v1", f"{base}-arm64:v1", "--variant", "v8")
    docker.call("manifest", "push", "--insecure", f"{base}:v1")

    listed = json.loads(docker.call("manifest", "inspect", "--insecure", f"{base}:v1"))
    assert listed["mediaType"] == DOCKER_LIST
    assert [m["platform"]["architecture"] for m in listed["manifests"]] == ["amd64", "arm64"]
    verbose = json.loads(docker.call("manifest", "inspect", "--insecure", "--verbose", f"{base}:v1"))
    assert [m["Descriptor"]["digest"] for m in verbose] == [m["digest"] for m in listed["manifests"]]

    other_docker.call("pull", "--platform", "linux/arm64", f"{base}:v1")
    assert other_docker.call("image", "inspect", "--format", "{{.Architecture}}", f"{base}:v1").strip() == "arm64"


def test_sixty_layers_are_pushed_and_pulled(
    registry: Server,
    docker: Docker,
    other_docker: Docker,
    skopeo: Program,
    image: Callable[..., Image],
    repository: str,
) -> None:
    name = load(skopeo, docker, image(layers=60, layer_bytes=4096), f"{registry.host}/{repository}:v1")
    digest = pushed_digest(docker.call("push", name))
    pulled = other_docker.call("pull", name)
    assert f"Digest: {digest}" in pulled
    assert pulled.count("Pull complete") == 60


def test_pull_of_what_is_not_there_says_so(registry: Server, docker: Docker, repository: str) -> None:
    done = docker.call.try_("pull", f"{registry.host}/{repository}:none")
    assert done.code != 0
    assert "not found" in done.err or "manifest unknown" in done.err
