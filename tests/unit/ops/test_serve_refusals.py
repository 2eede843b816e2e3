"""``holdfast serve`` and ``holdfast storagenode`` start nothing over a configuration that is meant for something else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from holdfast import config as configuration
from holdfast.cli import app
from holdfast.errors import ConfigError
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.serve import run
from storagenode.configured import configured

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("cluster", "path", "remedy"),
    [
        ({"etcd": {"endpoints": "http://127.0.0.1:2379"}}, "cluster.etcd", "holdfast storagenode CONFIG"),
        ({"members": ["a:1"], "hashKey": "k" * 16}, "cluster.members", "put data elsewhere"),
    ],
)
def test_a_cluster_is_not_served_by_one_machine(tmp_path: Path, cluster: Any, path: str, remedy: str) -> None:
    config = tmp_path / "config.json"
    root = tmp_path / "data"
    config.write_text(json.dumps({"storage": {"rootDirectory": str(root)}, "cluster": cluster}), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        run(config)
    (fault, *_) = refused.value.detail  # type: ignore[misc]
    assert fault["path"] == path
    assert remedy in fault["remedy"]
    assert not root.exists()


@pytest.fixture
def gateways_only(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.json"
    path.write_text(json.dumps({"cluster": {"etcd": {"endpoints": "http://127.0.0.1:2379"}}}), encoding="utf-8")
    return path


def test_a_storage_node_refuses_a_file_for_gateways_and_says_what_to_write(gateways_only: Path) -> None:
    result = CliRunner().invoke(app, ["storagenode", str(gateways_only)])
    assert result.exit_code == EXIT_CONFIG
    assert "cluster.node.dataDir: missing, and so is storage.rootDirectory" in result.output
    assert "write the directory of this node's disk" in result.output


def test_the_storage_nodes_own_program_does_not_choose_a_directory_either(
    gateways_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(gateways_only.parent)
    with pytest.raises(ConfigError, match="a storage node needs a directory"):
        configured(configuration.load(gateways_only))
    assert list(gateways_only.parent.iterdir()) == [gateways_only]
