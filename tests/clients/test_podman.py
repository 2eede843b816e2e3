"""podman and buildah: HEAD before everything, mounts from what they remember, one PATCH with the whole blob."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.clients.engines import busybox
from tests.clients.traffic import copies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.engines import Containers
    from tests.clients.images import Image
    from tests.clients.traffic import Traffic
    from tests.serving import Server

MEDIA_TYPES = {
    "oci": "application/vnd.oci.image.manifest.v1+json",
    "v2s2": "application/vnd.docker.distribution.manifest.v2+json",
}


@pytest.mark.parametrize("form", sorted(MEDIA_TYPES))
def test_podman_pushes_in_both_forms_and_pulls_and_runs_what_it_pushed(
    registry: Server, containers: Containers, image: Callable[..., Image], repository: str, tmp_path: Path, form: str
) -> None:
    podman, name = containers.podman, f"{registry.host}/{repository}:{form}"
    local = podman("pull", image(program=busybox()).oci).split()[-1]
    podman("push", "--format", form, "--digestfile", str(tmp_path / "digest"), local, f"docker://{name}")
    digest = (tmp_path / "digest").read_text().strip()
    _, headers, _ = registry.request("HEAD", f"/v2/{repository}/manifests/{form}")
    assert (headers["content-type"], headers["docker-content-digest"]) == (MEDIA_TYPES[form], digest)

    podman("rmi", "--all", "--force")
    podman("pull", f"{registry.host}/{repository}@{digest}")
    podman("pull", name)
    assert podman("run", "--rm", name).startswith("clients/")


def test_same_image_under_another_name_is_not_sent_and_not_stored_again(
    registry: Server,
    containers: Containers,
    image: Callable[..., Image],
    repository: str,
    tmp_path: Path,
    traffic: Traffic,
) -> None:
    podman, one, two = containers.podman, f"{registry.host}/{repository}/one:v1", f"{registry.host}/{repository}/two:v1"
    made = image()
    local = podman("pull", made.oci).split()[-1]
    podman("push", "--tls-verify=false", local, f"docker://{one}")
    podman("rmi", "--all", "--force")
    podman("pull", "--tls-verify=false", one)
    podman("tag", one, two)
    sent = len(traffic.uploads())

    said = podman.try_("push", "--tls-verify=false", two, must=True).text
    assert said.count("skipped: already exists") + len(traffic.mounts()) >= len(made.layers), said
    # podman writes the configuration itself, and may send that one again.
    assert len(traffic.uploads()) <= sent + 1
    for layer in manifest(registry, f"{repository}/two", "v1")["layers"]:
        assert len(copies(registry.root / "data", layer["digest"])) == 1


def manifest(registry: Server, repository: str, reference: str) -> dict[str, list[dict[str, str]]]:
    status, _, body = registry.request(
        "GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": ", ".join(MEDIA_TYPES.values())}
    )
    assert status == 200, body
    found: dict[str, list[dict[str, str]]] = json.loads(body)
    return found


def test_search_finds_repositories_and_tags(
    registry: Server, containers: Containers, image: Callable[..., Image], repository: str
) -> None:
    containers.skopeo("copy", "--dest-tls-verify=false", image().oci, f"docker://{registry.host}/{repository}:v1")
    found = containers.podman("search", "--tls-verify=false", "--format", "{{.Name}}", f"{registry.host}/{repository}")
    assert f"{registry.host}/{repository}" in found.split()
    tags = containers.podman("search", "--list-tags", "--tls-verify=false", f"{registry.host}/{repository}")
    assert "v1" in tags


def test_manifest_list_made_by_podman_is_pushed_whole(
    registry: Server, containers: Containers, image: Callable[..., Image], repository: str
) -> None:
    podman, skopeo = containers.podman, containers.skopeo
    base = f"{registry.host}/{repository}"
    podman("manifest", "create", "both")
    for architecture in ("amd64", "arm64"):
        made = image(platform=f"linux/{architecture}")
        skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{base}-{architecture}:v1")
        podman("manifest", "add", "--tls-verify=false", "both", f"docker://{base}-{architecture}:v1")
    podman("manifest", "push", "--all", "--tls-verify=false", "both", f"docker://{base}:v1")
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{base}:v1"))
    assert sorted(m["platform"]["architecture"] for m in raw["manifests"]) == ["amd64", "arm64"]


def test_buildah_pushes_what_it_built_on_a_pulled_base(
    registry: Server, containers: Containers, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    base, built = f"{registry.host}/{repository}/base:v1", f"{registry.host}/{repository}/built:v1"
    containers.skopeo("copy", "--dest-tls-verify=false", image(program=busybox()).oci, f"docker://{base}")
    (tmp_path / "Containerfile").write_text(f'FROM {base}\nRUN ["/bin/busybox", "touch", "/made"]\n')
    containers.buildah("bud", "--tls-verify=false", "--isolation", "chroot", "--tag", built, str(tmp_path))
    containers.buildah("push", "--tls-verify=false", built, f"docker://{built}")
    assert len(manifest(registry, f"{repository}/built", "v1")["layers"]) == 4


def test_buildah_commits_straight_to_the_registry(registry: Server, containers: Containers, repository: str) -> None:
    container = containers.buildah("from", "scratch").strip()
    containers.buildah("config", "--label", "made=by buildah", container)
    containers.buildah("commit", "--tls-verify=false", container, f"docker://{registry.host}/{repository}:v1")
    assert manifest(registry, repository, "v1")["config"]
