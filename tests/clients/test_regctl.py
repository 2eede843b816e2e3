"""regctl (regclient): anonymous mounts, artifacts with referrers, tag deletes, digest tags."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.serving import Server

SBOM = "application/vnd.example.sbom"


@pytest.fixture
def regctl(go_program: Callable[[str], Program]) -> Program:
    return go_program("regctl")


def test_image_copy_takes_an_index_from_disk_to_the_registry_and_on(
    registry: Server, regctl: Program, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    made = image(platforms=("linux/amd64", "linux/arm64"))
    one, two = f"{registry.host}/{repository}/one:v1", f"{registry.host}/{repository}/two:v1"
    regctl("image", "copy", f"ocidir://{made.layout}:v1", one)
    regctl("image", "copy", one, two)
    assert regctl("image", "digest", two).strip() == made.digest
    regctl("image", "copy", two, f"ocidir://{tmp_path}/out:v1")
    for layer in made.layers:
        assert (tmp_path / "out" / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")).exists()


def test_artifact_is_attached_listed_by_type_and_read(
    registry: Server, regctl: Program, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    made, name = image(), f"{registry.host}/{repository}:v1"
    regctl("image", "copy", f"ocidir://{made.layout}:v1", name)
    for kind, text in ((SBOM, "parts"), ("application/vnd.example.report", "findings")):
        (tmp_path / "file").write_text(text)
        regctl("artifact", "put", "--artifact-type", kind, "--subject", name, "--file", str(tmp_path / "file"))
    everything = json.loads(regctl("artifact", "list", "--format", "{{json .}}", name))
    assert len(everything["descriptors"]) == 2
    chosen = json.loads(regctl("artifact", "list", "--filter-artifact-type", SBOM, "--format", "{{json .}}", name))
    assert [d["artifactType"] for d in chosen["descriptors"]] == [SBOM]
    assert regctl("artifact", "get", "--subject", name, "--filter-artifact-type", SBOM) == "parts"
    # The registry lists referrers itself, so nothing was put under a fallback tag.
    assert regctl("tag", "ls", f"{registry.host}/{repository}").split() == ["v1"]


def test_tag_is_deleted_and_the_image_stays(
    registry: Server, regctl: Program, image: Callable[..., Image], repository: str
) -> None:
    made, name = image(), f"{registry.host}/{repository}"
    for tag in ("v1", "v2"):
        regctl("image", "copy", f"ocidir://{made.layout}:v1", f"{name}:{tag}")
    regctl("tag", "delete", f"{name}:v1")
    assert regctl("tag", "ls", name).split() == ["v2"]
    assert regctl("image", "digest", f"{name}:v2").strip() == made.digest
    regctl("manifest", "delete", "--force-tag-dereference", f"{name}:v2")
    assert regctl.try_("image", "digest", f"{name}@{made.digest}").code != 0


def test_blob_and_repository_lists_are_read(
    registry: Server, regctl: Program, image: Callable[..., Image], repository: str
) -> None:
    made, name = image(), f"{registry.host}/{repository}"
    regctl("image", "copy", f"ocidir://{made.layout}:v1", f"{name}:v1")
    assert repository in regctl("repo", "ls", registry.host).split()
    headers = regctl("blob", "head", name, made.layers[0].digest)
    assert made.layers[0].digest in headers
