"""A data directory belongs to one process, one node and one cluster."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from holdfast.errors import ConfigError
from storagenode.disk import identity
from storagenode.options import NodeOptions
from storagenode.server import NodeServer
from tests.unit.storagenode.conftest import begin, put


def test_a_second_process_on_the_same_directory_is_refused(bench, node):
    with pytest.raises(ConfigError, match="another storage node is running"):
        identity.lock(bench.tree)
    bench.stop()
    os.close(identity.lock(bench.tree))


def test_a_node_keeps_its_name(bench, node):
    name = node.status().node_id
    assert bench.restart().status().node_id == name


def test_a_directory_of_another_cluster_is_refused(bench, node):
    bench.stop()
    bench.options["cluster_id"] = "another"
    with pytest.raises(ConfigError, match="belongs to cluster 'local'"):
        bench.start()


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', '{"format": 2, "node_id": "n", "cluster_id": "local"}'])
def test_a_node_file_that_is_damaged_or_newer_is_refused(bench, node, content):
    bench.stop()
    Path(bench.tree.node_file).write_text(content)
    with pytest.raises(ConfigError):
        bench.start()
    os.close(identity.lock(bench.tree))  # the refused one has let go


def test_a_directory_whose_init_was_cut_off_is_made_complete(bench, node):
    bench.stop()
    Path(bench.tree.node_file).unlink()
    Path(bench.tree.partition(17)).rmdir()
    put(bench.start(), b"stored")
    assert len(os.listdir(bench.tree.blobs)) == 4096  # noqa: PTH208


def test_nothing_in_the_directory_names_its_own_place(bench, node):
    begin(node, b"staged")
    put(node, b"stored")
    for path in Path(bench.tree.root).rglob("*"):
        if path.is_file():
            assert str(bench.path).encode() not in path.read_bytes()


def test_everything_is_for_this_user_alone(bench, node):
    begin(node, b"staged")
    put(node, b"stored")
    bench.server.start()
    for path in [Path(bench.tree.root), *Path(bench.tree.root).rglob("*"), bench.path / "s"]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_an_address_that_is_taken_is_refused(bench, node, folder):
    bench.server.start()
    listen = "127.0.0.1:0"
    first = NodeServer(NodeOptions(folder / "one", listen))
    address = first.start()
    second = NodeServer(NodeOptions(folder / "two", address))
    with pytest.raises(ConfigError, match="cannot listen"):
        second.start()
    first.stop(0)
    second.duties.start()
    second.stop(0)


@pytest.mark.parametrize("fault", [{"reserve_bytes": -1}, {"upload_expiry_seconds": 0}, {"read_threads": 0}])
def test_senseless_options_are_refused(tmp_path, fault):
    with pytest.raises(ConfigError):
        NodeOptions(tmp_path, "unix:s", **fault)
