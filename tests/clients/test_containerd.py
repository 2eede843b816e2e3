"""containerd through ctr: whole-blob PUTs, indexes with all their platforms, mirrors that add ``?ns=``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.engines import Containerd
    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.clients.traffic import Traffic
    from tests.serving import Server

TWO_PLATFORMS = ("linux/amd64", "linux/arm64/v8")


def test_pulled_image_is_pushed_under_another_name_with_its_digest(
    registry: Server, containerd: Containerd, skopeo: Program, image: Callable[..., Image], repository: str
) -> None:
    made, one, two = image(layers=3), f"{registry.host}/{repository}/one:v1", f"{registry.host}/{repository}/two:v1"
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{one}")
    containerd.ctr("images", "pull", "--plain-http", one)
    containerd.ctr("images", "tag", one, two)
    containerd.ctr("images", "push", "--plain-http", two)
    _, headers, _ = registry.request("HEAD", f"/v2/{repository}/two/manifests/v1")
    assert headers["docker-content-digest"] == made.digest


def test_imported_index_is_pushed_and_pulled_with_all_platforms(
    registry: Server,
    containerd: Containerd,
    skopeo: Program,
    image: Callable[..., Image],
    repository: str,
    traffic: Traffic,
) -> None:
    made, name = image(platforms=TWO_PLATFORMS), f"{registry.host}/{repository}:v1"
    skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, f"docker://{name}")
    containerd.ctr("images", "pull", "--plain-http", "--all-platforms", name)
    listed = containerd.ctr("images", "ls", f"name=={name}")
    assert made.digest in listed
    assert "linux/amd64,linux/arm64/v8" in listed

    copy = f"{registry.host}/{repository}/copy:v1"
    containerd.ctr("images", "tag", name, copy)
    containerd.ctr("images", "push", "--plain-http", copy)
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{copy}"))
    assert [m["platform"]["architecture"] for m in raw["manifests"]] == ["amd64", "arm64"]
    assert all(r.status < 500 for r in traffic.requests())


def test_mirror_of_another_registry_is_asked_with_its_name(
    registry: Server,
    containerd: Containerd,
    skopeo: Program,
    image: Callable[..., Image],
    repository: str,
    traffic: Traffic,
) -> None:
    made, path = image(), f"{repository}:v1"
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{registry.host}/{path}")
    containerd.mirror("registry.example", registry.host)
    containerd.ctr("images", "pull", "--hosts-dir", str(containerd.hosts), f"registry.example/{path}")
    assert made.digest in containerd.ctr("images", "ls", f"name==registry.example/{path}")
    asked = [r for r in traffic.requests() if "ns=registry.example" in r.path]
    assert {r.status for r in asked} == {200}
    assert len(asked) >= len(made.layers) + 2


def test_removed_content_is_fetched_again(
    registry: Server,
    containerd: Containerd,
    skopeo: Program,
    image: Callable[..., Image],
    repository: str,
    traffic: Traffic,
) -> None:
    made, name = image(), f"{registry.host}/{repository}:v1"
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{name}")
    for _ in range(2):
        containerd.ctr("images", "pull", "--plain-http", name)
        containerd.forget(name)
    layer = f"/v2/{repository}/blobs/{made.layers[0].digest}"
    assert [r.status for r in traffic.requests() if (r.method, r.path) == ("GET", layer)] == [200, 200]
