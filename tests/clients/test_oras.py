"""oras in both its forms: the Go program and the Python package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import oras.client
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.clients.traffic import Traffic
    from tests.serving import Server

MODEL = "application/vnd.example.model"
SIGNATURE = "application/vnd.example.signature"


@pytest.fixture
def oras_program(go_program: Callable[[str], Program]) -> Program:
    return go_program("oras")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory with a file to push."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "weights.bin").write_bytes(bytes(range(256)) * 4096)
    return directory


def test_pushed_file_is_pulled_with_the_same_bytes(
    registry: Server, oras_program: Program, repository: str, model: Path, tmp_path: Path
) -> None:
    name = f"{registry.host}/{repository}:v1"
    oras_program("push", "--plain-http", "--artifact-type", MODEL, name, "weights.bin", cwd=model)
    oras_program("pull", "--plain-http", "--output", str(tmp_path / "out"), name)
    assert (tmp_path / "out" / "weights.bin").read_bytes() == (model / "weights.bin").read_bytes()
    told = json.loads(oras_program("manifest", "fetch", "--plain-http", name))
    assert told["artifactType"] == MODEL
    assert oras_program("repo", "tags", "--plain-http", f"{registry.host}/{repository}").split() == ["v1"]
    assert repository in oras_program("repo", "ls", "--plain-http", registry.host).split()


@pytest.mark.parametrize("way", ["v1.1-referrers-api", ""])
def test_attached_artifacts_are_discovered(
    registry: Server, oras_program: Program, repository: str, model: Path, way: str
) -> None:
    name = f"{registry.host}/{repository}:{way or 'probed'}"
    oras_program("push", "--plain-http", "--annotation", f"way={way}", name, "weights.bin", cwd=model)
    (model / "signature").write_text("signed")
    oras_program("attach", "--plain-http", "--artifact-type", SIGNATURE, name, "signature", cwd=model)
    forced = ("--distribution-spec", way) if way else ()
    found = json.loads(oras_program("discover", "--plain-http", *forced, "--format", "json", name))
    assert [r["artifactType"] for r in found["referrers"]] == [SIGNATURE]
    none = json.loads(oras_program("discover", "--plain-http", "--artifact-type", "a/b", "--format", "json", name))
    assert none["referrers"] == []
    # The registry answers for referrers itself, so no fallback tag was made.
    tags = oras_program("repo", "tags", "--plain-http", f"{registry.host}/{repository}").split()
    assert not [tag for tag in tags if tag.startswith("sha256-")]


def test_recursive_copy_takes_the_referrers_along(
    registry: Server, oras_program: Program, image: Callable[..., Image], repository: str, model: Path
) -> None:
    made = image(platforms=("linux/amd64", "linux/arm64"))
    one, two = f"{registry.host}/{repository}/one:v1", f"{registry.host}/{repository}/two:v1"
    oras_program("copy", "--from-oci-layout", "--to-plain-http", f"{made.layout}:v1", one)
    oras_program("attach", "--plain-http", "--artifact-type", SIGNATURE, one, "weights.bin", cwd=model)
    oras_program("copy", "--recursive", "--from-plain-http", "--to-plain-http", one, two)
    found = json.loads(oras_program("discover", "--plain-http", "--format", "json", two))
    assert (found["digest"], [r["artifactType"] for r in found["referrers"]]) == (made.digest, [SIGNATURE])


def test_blobs_and_manifests_are_deleted(registry: Server, oras_program: Program, repository: str, model: Path) -> None:
    name = f"{registry.host}/{repository}"
    oras_program("push", "--plain-http", f"{name}:v1", "weights.bin", cwd=model)
    described = json.loads(oras_program("manifest", "fetch", "--plain-http", "--descriptor", f"{name}:v1"))
    oras_program("manifest", "delete", "--plain-http", "--force", f"{name}@{described['digest']}")
    assert oras_program.try_("manifest", "fetch", "--plain-http", f"{name}:v1").code != 0


# The package leaves its connections to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("chunked", [False, True])
def test_python_package_pushes_lists_and_pulls(
    registry: Server, repository: str, model: Path, tmp_path: Path, traffic: Traffic, chunked: bool
) -> None:
    client = oras.client.OrasClient(hostname=registry.host, insecure=True)
    name = f"{registry.host}/{repository}-{chunked}:v1".lower()
    file = model / "weights.bin"
    file.write_bytes(file.read_bytes() + bytes([chunked]))
    client.push(target=name, files=[str(file)], disable_path_validation=True, do_chunked=chunked, chunk_size=100_000)
    assert client.get_tags(name) == ["v1"]
    pulled = client.pull(target=name, outdir=str(tmp_path / "out"))
    assert [(tmp_path / "out" / "weights.bin").read_bytes()] == [file.read_bytes()], pulled
    assert any(r.method == "PATCH" for r in traffic.requests()) == chunked
