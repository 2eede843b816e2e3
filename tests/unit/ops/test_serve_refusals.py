"""``holdfast serve`` starts nothing over a configuration that is meant for something else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.errors import ConfigError
from holdfast.ops.serve import run

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
