"""Backup, restore, recover of a cluster: real etcd, a real storage node, as an operator does it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import config
from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, RolledBackError
from holdfast.manifest import parse
from holdfast.meta import keys
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.store import Put
from holdfast.meta.versions import require_entry
from holdfast.meta.witness import Witness
from holdfast.names import repository, tag
from storagenode.configured import configured
from storagenode.disk.fsio import Files
from storagenode.disk.tree import Tree
from storagenode.disk.witnessbook import WitnessBook
from storagenode.server import NodeServer
from tests.etcd_cluster import shared_cluster
from tests.ops.byhand import MANIFEST, holdfast, must, new_id, opened
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from holdfast.meta.etcd import EtcdStore


class Cluster:
    """One storage node in this process, and what a gateway would do by hand. ``root`` holds the configuration."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etcd = shared_cluster(1)
        self.server: NodeServer | None = None
        self.move()

    def move(self, directory: str = "node") -> None:
        """To an etcd that is empty."""
        self.prefix = f"keeping-{secrets.token_hex(8)}/"
        settings: dict[str, Any] = {
            "storage": {"rootDirectory": str(self.root / "unused"), "gc": False, "freeSpaceReserve": "0"},
            "cluster": {
                "etcd": {"endpoints": self.etcd.urls, "prefix": self.prefix},
                "node": {"dataDir": str(self.root / directory), "listen": "127.0.0.1:0"},
            },
        }
        self.directory = self.root / directory
        (self.root / "config.json").write_text(json.dumps(settings))

    def store(self) -> EtcdStore:
        return self.etcd.open(self.prefix.encode())

    def start(self) -> None:
        options, join = configured(config.load(self.root / "config.json"))
        self.server = NodeServer(options, join=join)
        self.server.start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(0)
            self.server = None

    def push(self, name: str, where: str) -> list[str]:
        """The digests of an image of one layer."""
        parts = []
        with contextlib.closing(self.store()) as store:
            repos, home = Repositories(store, new_id, SystemClock()), repository(name)

            def put(data: bytes) -> tuple[digests.Digest, Any]:
                digest = digests.of(data)
                fence = repos.fence(digest)
                self.server.node.put_blob(digest, data)
                return digest, fence

            for kind in ("config.v1+json", "layer.v1.tar"):
                data = os.urandom(100)
                digest, fence = put(data)
                repos.add_link(home, digest, 100, fence)
                parts.append({"mediaType": f"application/vnd.oci.image.{kind}", "digest": str(digest), "size": 100})
            body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
            data = json.dumps(body).encode()
            digest, fence = put(data)
            new = NewManifest(digest, MANIFEST, len(data), parse(data, None).references)
            repos.put_manifest(home, new, [tag(where)], fence, repos.removals(home))
        return [str(digest), *(part["digest"] for part in parts)]

    def digest_at(self, name: str, where: str) -> str:
        with contextlib.closing(self.store()) as store:
            repos = Repositories(store, new_id, SystemClock())
            return str(repos.manifest_by_tag(repository(name), tag(where)).digest)

    def require_right(self) -> None:
        """As the node's collector asks."""
        book = WitnessBook(Tree(str(self.directory)), Files())
        with contextlib.closing(self.store()) as store:
            Witness(store, self.server.node.status().node_id, book, new_id).require_right()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    made.start()
    must(tmp_path, "layout", "apply", "--yes", "--replicas", "1")
    yield made
    made.stop()


def test_a_cluster_is_put_back_to_a_backup_while_nothing_runs(cluster: Cluster) -> None:
    root, backup = cluster.root, str(cluster.root / "names.backup")
    old = cluster.push("a/app", "old")
    must(root, "backup", backup)
    new = cluster.push("a/app", "new")
    assert must(root, "compare", "--json").json["withoutName"] == 0
    refused = holdfast(root, "restore", backup, "--replace", "--yes")
    assert refused.code == 1
    assert "processes live on the target (node" in refused.err
    cluster.stop()
    silent = holdfast(root, "compare", "--json")
    assert (silent.code, len(silent.json["silent"])) == (1, 1)
    must(root, "restore", backup, "--replace", "--yes")
    cluster.start()
    with pytest.raises(RolledBackError, match="restored from a backup"):
        cluster.require_right()
    found = must(root, "compare", "--json").json
    assert (found["blobs"], found["missing"], found["withoutName"]) == (3, 0, len(new))
    assert cluster.digest_at("a/app", "old") == old[0]
    must(root, "gc", "trust", "--yes")
    cluster.require_right()


def test_a_cluster_whose_etcd_is_lost_comes_back_from_its_nodes(cluster: Cluster) -> None:
    root = cluster.root
    before = cluster.push("a/app", "before")
    (cluster.directory / "backups").mkdir()
    must(root, "backup", str(cluster.directory / "backups"))
    after = cluster.push("b/app", "after")
    cluster.stop()
    cluster.move()
    refused = holdfast(root, "recover", "--yes")
    assert (refused.code, "--from DIR" in refused.err) == (1, True)
    said = must(root, "recover", "--yes", "--from", str(cluster.directory))
    assert "start the storage nodes now" in said.out
    cluster.start()
    recovered = must(root, "recover", "--yes", "--json").json
    assert [one["digest"] for one in recovered["recovered"]] == [after[0]]
    assert cluster.digest_at("a/app", "before") == before[0]
    assert cluster.digest_at(f"recovered/{after[0].partition(':')[2]}", "recovered") == after[0]
    assert must(root, "compare", "--json").json["withoutName"] == 0
    with pytest.raises(RolledBackError, match="restored from a backup"):
        cluster.require_right()


def test_a_backup_of_one_machine_is_restored_into_a_cluster_and_the_other_way_round(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as server:
        image = server.push_image("a/app", "v1", os.urandom(100))
        must(tmp_path / "one", "backup", str(tmp_path / "b"))
    cluster = Cluster(tmp_path)
    cluster.move("one/data/node")
    must(tmp_path, "restore", str(tmp_path / "b"))
    cluster.start()
    try:
        must(tmp_path, "layout", "apply", "--yes", "--replicas", "1")
        assert cluster.digest_at("a/app", "v1") == image[0]
        assert must(tmp_path, "compare", "--json").json["missing"] == 0
        must(tmp_path, "backup", str(tmp_path / "c"))
    finally:
        cluster.stop()
    must(tmp_path / "one", "restore", str(tmp_path / "c"), "--replace", "--yes")
    with opened(tmp_path / "one") as server:
        assert server.tags("a/app") == ["v1"]
    assert must(tmp_path / "one", "compare", "--json").json["missing"] == 0


def test_a_restore_that_is_killed_keeps_everybody_out_until_it_is_done_again(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with opened(tmp_path / "one") as server:
        server.push_image("a/app", "v1", os.urandom(100))
        for number in range(100):
            puts = [Put(b"used/%03d-%03d" % (number, inner), b"x" * 50) for inner in range(100)]
            server.names.txn([], puts)
        must(tmp_path / "one", "backup", str(tmp_path / "b"))
    command = [sys.executable, "-m", "holdfast.cli", "restore", str(tmp_path / "b")]
    with contextlib.closing(cluster.store()) as store:
        process = subprocess.Popen([*command, "--config", str(tmp_path / "config.json")])
        try:
            wait_for("its first keys", lambda: store.get(keys.CLUSTER_COPYING) or process.poll() is not None, 120)
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == -signal.SIGKILL
        with pytest.raises(ConfigError, match="holdfast restore"):
            require_entry(store, "0.1.0")
        said = holdfast(tmp_path, "backup", str(tmp_path / "half"))
        assert (said.code, (tmp_path / "half").exists()) == (1, False)
        assert "broke off, and goes on" in must(tmp_path, "restore", str(tmp_path / "b")).out
        require_entry(store, "0.1.0")
        assert store.get(b"used/099-099") is not None
    assert cluster.digest_at("a/app", "v1")
