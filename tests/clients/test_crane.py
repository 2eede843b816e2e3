"""crane (go-containerregistry): strict about headers of HEAD, mounts with an origin, deletes by tag and by digest."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.clients.traffic import Traffic
    from tests.serving import Server


@pytest.fixture
def crane(go_program: Callable[[str], Program]) -> Program:
    return go_program("crane")


def test_push_validate_digest_and_pull_agree(
    registry: Server, crane: Program, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    made, name = image(layers=3), f"{registry.host}/{repository}:v1"
    pushed = crane("push", str(made.layout), name).strip()
    assert pushed.endswith(crane("digest", name).strip())
    crane("validate", "--remote", name)
    crane("pull", "--format", "oci", name, str(tmp_path / "out"))
    for layer in made.layers:
        assert (tmp_path / "out" / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")).exists()


def test_index_within_an_index_is_pushed_and_its_platforms_are_told_apart(
    registry: Server, crane: Program, image: Callable[..., Image], repository: str
) -> None:
    made, name = image(platforms=("linux/amd64", "linux/arm64")), f"{registry.host}/{repository}:v1"
    crane("push", "--index", str(made.layout), name)
    crane("validate", "--remote", name)
    # crane pushes the layout's own index, and the image's below it.
    inner = f"{registry.host}/{repository}@{made.digest}"
    digests = {crane("digest", "--platform", f"linux/{machine}", inner) for machine in ("amd64", "arm64")}
    assert len(digests) == 2


def test_append_and_mutate_make_new_images_of_old_layers(
    registry: Server, crane: Program, image: Callable[..., Image], repository: str, tmp_path: Path, traffic: Traffic
) -> None:
    base = f"{registry.host}/{repository}"
    crane("push", str(image().layout), f"{base}:v1")
    (tmp_path / "note").write_text("one more layer")
    sent = len(traffic.uploads())
    crane("append", "--base", f"{base}:v1", "--new_tag", f"{base}/more:v1", "--new_layer", tarred(tmp_path / "note"))
    # The new layer and the configuration; the two below came by mount.
    assert len(traffic.uploads()) - sent == 2
    crane("mutate", f"{base}/more:v1", "--label", "changed=yes", "--tag", f"{base}/more:v2")
    crane("validate", "--remote", f"{base}/more:v2")
    assert json.loads(crane("config", f"{base}/more:v2"))["config"]["Labels"]["changed"] == "yes"
    assert crane("ls", f"{base}/more").split() == ["v1", "v2"]


def tarred(path: Path) -> str:
    made = path.with_suffix(".tar")
    with tarfile.open(made, "w") as out:
        out.add(path, path.name)
    return str(made)


def test_copy_and_catalog_show_both_repositories(
    registry: Server, crane: Program, image: Callable[..., Image], repository: str
) -> None:
    one, two = f"{repository}/one", f"{repository}/two"
    crane("push", str(image().layout), f"{registry.host}/{one}:v1")
    crane("copy", f"{registry.host}/{one}:v1", f"{registry.host}/{two}:v1")
    assert {one, two} <= set(crane("catalog", registry.host).split())
    assert crane("digest", f"{registry.host}/{one}:v1") == crane("digest", f"{registry.host}/{two}:v1")


def test_delete_by_tag_leaves_the_digest_and_delete_by_digest_takes_it(
    registry: Server, crane: Program, image: Callable[..., Image], repository: str
) -> None:
    name = f"{registry.host}/{repository}"
    crane("push", str(image().layout), f"{name}:v1")
    digest = crane("digest", f"{name}:v1").strip()
    crane("delete", f"{name}:v1")
    assert crane("ls", name).split() == []
    assert crane("digest", f"{name}@{digest}").strip() == digest
    crane("delete", f"{name}@{digest}")
    assert "MANIFEST_UNKNOWN" in crane.try_("manifest", f"{name}@{digest}").err
