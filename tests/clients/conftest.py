"""Fixtures of the tests that drive real clients: engines for the whole session, images and repositories for each test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import engines, images
from tests.clients.programs import Program, need
from tests.clients.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.serving import Server

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.clients)


@pytest.fixture(scope="session")
def docker() -> Iterator[engines.Docker]:
    """The docker that pushes."""
    with engines.dockerd() as engine:
        yield engine


@pytest.fixture(scope="session")
def other_docker() -> Iterator[engines.Docker]:
    """Another machine's docker, which has none of the layers of the first."""
    with engines.dockerd() as engine:
        yield engine


@pytest.fixture(scope="session")
def containerd() -> Iterator[engines.Containerd]:
    with engines.containerd() as engine:
        yield engine


@pytest.fixture
def containers(registry: Server) -> Iterator[engines.Containers]:
    """podman, buildah and skopeo that remember nothing of earlier tests."""
    with engines.containers(registry.host) as engine:
        yield engine


@pytest.fixture
def skopeo(tmp_path: Path) -> Program:
    return engines.skopeo(tmp_path / "skopeo")


@pytest.fixture
def go_program(tmp_path: Path, registry: Server) -> Callable[[str], Program]:
    """A Go client by name, with settings of its own."""
    settings = {
        "HOME": str(tmp_path),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "REGCTL_CONFIG": str(tmp_path / "regctl.json"),
        "HELM_CACHE_HOME": str(tmp_path / "helm" / "cache"),
        "HELM_CONFIG_HOME": str(tmp_path / "helm" / "config"),
        "HELM_DATA_HOME": str(tmp_path / "helm" / "data"),
    }

    def find(name: str) -> Program:
        program = Program(need(name), settings)
        if name == "regctl":
            program("registry", "set", "--tls", "disabled", registry.host)
        return program

    return find


@pytest.fixture
def image(tmp_path: Path, repository: str) -> Iterator[Callable[..., images.Image]]:
    """Makes images; each test gets layers that no other test has pushed. They are deleted afterwards."""
    made: list[Path] = []

    def make(**shape: Any) -> images.Image:
        layout = tmp_path / f"image-{len(made)}"
        made.append(layout)
        return images.write(layout, images.Shape(**({"name": f"{repository}-{len(made)}", "seed": repository} | shape)))

    yield make
    for layout in made:
        shutil.rmtree(layout)


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository name that is this test's own."""
    name: str = request.node.name.split("[")[0]
    return "clients/" + name.removeprefix("test_").replace("_", "-")


@pytest.fixture
def traffic(registry: Server) -> Traffic:
    """What the registry was asked since this moment."""
    return Traffic(registry)
