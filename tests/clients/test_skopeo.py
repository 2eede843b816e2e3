"""skopeo: copies in both media types and with zstd, sync both ways, delete, inspect, list-tags."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.engines import Containerd, Containers
    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.clients.traffic import Traffic
    from tests.serving import Server

DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"


def test_oci_image_comes_back_with_the_digest_it_left_with(
    registry: Server, skopeo: Program, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    made, name = image(layers=4), f"docker://{registry.host}/{repository}:v1"
    skopeo("copy", "--dest-tls-verify=false", made.oci, name)
    skopeo("copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/out")
    assert digest_of(tmp_path / "out" / "manifest.json") == made.digest
    for layer in made.layers:
        assert digest_of(tmp_path / "out" / layer.digest.removeprefix("sha256:")) == layer.digest


def digest_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_docker_schema_2_is_accepted_as_it_is(
    registry: Server, skopeo: Program, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    name = f"docker://{registry.host}/{repository}:v1"
    skopeo("copy", "--format", "v2s2", "--dest-tls-verify=false", image().oci, name)
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", name))
    assert {layer["mediaType"] for layer in raw["layers"]} == {DOCKER_LAYER}
    skopeo("copy", "--src-tls-verify=false", name, f"oci:{tmp_path}/out:v1")


def test_index_of_two_platforms_is_copied_whole(
    registry: Server, skopeo: Program, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    made, name = image(platforms=("linux/amd64", "linux/arm64/v8")), f"docker://{registry.host}/{repository}:v1"
    skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, name)
    skopeo("copy", "--all", "--src-tls-verify=false", name, f"oci:{tmp_path}/out:v1")
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [m["digest"] for m in index["manifests"]] == [made.digest]
    assert (
        json.loads(skopeo("--override-arch", "arm64", "inspect", "--tls-verify=false", name))["Architecture"] == "arm64"
    )


def test_zstd_layers_are_stored_as_they_are_and_unpacked_by_clients(
    registry: Server,
    containers: Containers,
    containerd: Containerd,
    image: Callable[..., Image],
    repository: str,
) -> None:
    made, name = image(compression="zstd"), f"{registry.host}/{repository}:v1"
    containers.skopeo("copy", "--preserve-digests", "--dest-tls-verify=false", made.oci, f"docker://{name}")
    raw = json.loads(containers.skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
    assert {layer["mediaType"] for layer in raw["layers"]} == {ZSTD_LAYER}
    # Both check what they unpacked against the digests in the configuration.
    containers.podman("pull", name)
    containerd.ctr("images", "pull", "--plain-http", name)


def test_inspect_and_list_tags_tell_what_is_there(
    registry: Server, skopeo: Program, image: Callable[..., Image], repository: str
) -> None:
    made, name = image(), f"docker://{registry.host}/{repository}"
    for tag in ("b", "a"):
        skopeo("copy", "--dest-tls-verify=false", made.oci, f"{name}:{tag}")
    told = json.loads(skopeo("inspect", "--tls-verify=false", f"{name}:a"))
    assert (told["Digest"], told["RepoTags"]) == (made.digest, ["a", "b"])
    assert told["Layers"] == [layer.digest for layer in made.layers]
    assert json.loads(skopeo("list-tags", "--tls-verify=false", name))["Tags"] == ["a", "b"]


def test_delete_takes_the_image_away(
    registry: Server, skopeo: Program, image: Callable[..., Image], repository: str
) -> None:
    name = f"docker://{registry.host}/{repository}:v1"
    skopeo("copy", "--dest-tls-verify=false", image().oci, name)
    skopeo("delete", "--tls-verify=false", name)
    gone = skopeo.try_("inspect", "--tls-verify=false", name)
    assert gone.code != 0
    assert "manifest unknown" in gone.err


def test_sync_to_a_directory_and_to_another_registry_takes_every_tag(
    registry: Server, skopeo: Program, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    digests = {}
    for tag in ("v1", "v2"):
        made = image(platforms=("linux/amd64", "linux/arm64"))
        skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, f"docker://{registry.host}/{repository}:{tag}")
        digests[tag] = made.digest
    source = f"{registry.host}/{repository}"
    skopeo("sync", "--all", "--src-tls-verify=false", "--src", "docker", "--dest", "dir", source, str(tmp_path / "out"))
    base = repository.rpartition("/")[2]
    for tag, digest in digests.items():
        assert digest_of(tmp_path / "out" / f"{base}:{tag}" / "manifest.json") == digest

    both = ("--src-tls-verify=false", "--dest-tls-verify=false")
    with serving(tmp_path / "mirror") as mirror:
        skopeo("sync", "--all", *both, "--src", "docker", "--dest", "docker", source, f"{mirror.host}/mirror")
        for tag, digest in digests.items():
            _, headers, _ = mirror.request("HEAD", f"/v2/mirror/{base}/manifests/{tag}")
            assert headers["docker-content-digest"] == digest


def test_second_repository_gets_the_layers_by_mount(
    registry: Server, skopeo: Program, image: Callable[..., Image], repository: str, traffic: Traffic
) -> None:
    made = image(layers=3)
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{registry.host}/{repository}/one:v1")
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{registry.host}/{repository}/two:v1")
    # The configuration is sent again: skopeo remembers layers only.
    assert [len(traffic.mounts()), len(traffic.uploads())] == [3, 5]
