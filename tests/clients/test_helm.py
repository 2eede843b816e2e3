"""helm with charts in a registry: push, pull by version, a version with a plus sign, provenance beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.programs import Program
    from tests.serving import Server


@pytest.fixture
def helm(go_program: Callable[[str], Program]) -> Program:
    return go_program("helm")


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    directory = tmp_path / "hello"
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: hello\ndescription: says hello\nversion: 0.0.0\n")
    (directory / "templates" / "map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
    )
    return directory


@pytest.mark.parametrize("version", ["1.2.3", "1.2.4+build.5"])
def test_chart_is_pushed_and_pulled_by_version(
    registry: Server, helm: Program, chart: Path, repository: str, tmp_path: Path, version: str
) -> None:
    packages, pulled = tmp_path / "packages", tmp_path / "pulled"
    pulled.mkdir()
    place = f"oci://{registry.host}/{repository}"
    helm("package", str(chart), "--version", version, "--destination", str(packages))
    (package,) = packages.iterdir()
    helm("push", "--plain-http", str(package), place)
    helm("pull", "--plain-http", f"{place}/hello", "--version", version, "--destination", str(pulled))
    assert [path.read_bytes() for path in pulled.iterdir()] == [package.read_bytes()]
    assert f"version: {version}" in helm("show", "chart", "--plain-http", f"{place}/hello", "--version", version)
    # A plus sign is no part of a tag: helm writes an underscore.
    status, _, _ = registry.request("HEAD", f"/v2/{repository}/hello/manifests/{version.replace('+', '_')}")
    assert status == 200


def test_newest_version_in_a_range_is_found_by_the_tags(
    registry: Server, helm: Program, chart: Path, repository: str, tmp_path: Path
) -> None:
    place = f"oci://{registry.host}/{repository}"
    for version in ("1.0.0", "1.9.0", "1.10.0", "2.0.0"):
        helm("package", str(chart), "--version", version, "--destination", str(tmp_path))
        helm("push", "--plain-http", str(tmp_path / f"hello-{version}.tgz"), place)
    assert "version: 1.10.0" in helm("show", "chart", "--plain-http", f"{place}/hello", "--version", "^1.0.0")
