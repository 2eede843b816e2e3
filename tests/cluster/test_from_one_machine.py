"""From ``serve`` to a cluster: the names are copied into etcd, the node's directory becomes a storage node of the cluster."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import digest as digests
from holdfast.meta import keys
from holdfast.meta.store import Delete, Put
from holdfast.ops.children import EXIT_CONFIG
from tests.clients import images
from tests.clients.programs import Program, need
from tests.cluster.processes import cli, running
from tests.conformance.oci import Client
from tests.http.images import push_image
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.processes import Cluster

IMAGES = 8


@pytest.fixture
def skopeo(tmp_path: Path) -> Program:
    home = tmp_path / "home"
    home.mkdir()
    return Program(need("skopeo"), {"HOME": str(home)}, ("--tmpdir", str(home)))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path) as cluster:
        yield cluster


@contextlib.contextmanager
def speaking_to(host: str) -> Iterator[Client]:
    client = Client(host)
    try:
        yield client
    finally:
        client.close()


def told(cluster: Cluster) -> str:
    """The configuration of the cluster, as a file."""
    path = cluster.directory / "cluster.json"
    path.write_text(json.dumps(cluster.settings))
    return str(path)


def copy(cluster: Cluster, source: Path, *words: str) -> Any:
    return cli("metadata", "copy", "--from", str(source), "--config", told(cluster), *words)


def held_digests(node) -> set[str]:
    return {name.replace("-", ":", 1) for name in node.held()}


def test_a_registry_of_one_machine_goes_on_as_a_cluster_of_three(
    cluster: Cluster, skopeo: Program, tmp_path: Path
) -> None:
    made = images.write(tmp_path / "image", images.Shape("moving", layers=3, layer_bytes=6 * images.MIB))
    kept: dict[str, bytes] = {}
    with serving(tmp_path / "one") as alone, speaking_to(alone.host) as client:
        root = alone.root / "data"
        for number in range(IMAGES):
            digest, kept[f"v{number}"] = push_image(client, "library/small", f"v{number}")
            assert digests.of(kept[f"v{number}"]) == digests.parse(digest)
        skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{alone.host}/library/large:v1")
        refused = copy(cluster, root)
        assert refused.returncode == 1
        assert "another server" in refused.stderr
    looked = copy(cluster, root, "--dry-run")
    assert "2 repositories" in looked.stdout, looked.stderr
    assert cluster.store.range(*keys.EVERYTHING, 1).entries == []
    done = copy(cluster, root)
    assert done.returncode == 0, done.stderr

    old = cluster.node("old", data_directory=root / "node")
    cluster.begin(old, cluster.node("new-1"), cluster.node("new-2"))
    everything = old.held()
    cluster.apply(replicas=3)
    gateway = cluster.gateway("g")
    cluster.begin(gateway)
    with speaking_to(gateway.host) as client:
        for tag, manifest in kept.items():
            assert client.get_manifest("library/small", tag).body == manifest
            for blob in blobs_of(manifest):
                assert digests.of(client.get_blob("library/small", blob).body) == digests.parse(blob)
        skopeo("copy", "--src-tls-verify=false", f"docker://{gateway.host}/library/large:v1", f"dir:{tmp_path}/out")
        push_image(client, "library/later", "v1")
    wait_for(
        "three copies of everything", lambda: all(node.held() >= everything for node in cluster.nodes.values()), 120
    )
    old.kill()
    with speaking_to(gateway.host) as client:
        for tag, manifest in kept.items():
            assert client.get_manifest("library/small", tag).body == manifest


def blobs_of(manifest: bytes) -> list[str]:
    record = json.loads(manifest)
    return [record["config"]["digest"], *(layer["digest"] for layer in record["layers"])]


def test_nothing_starts_on_a_copy_that_broke_off_until_it_was_completed(cluster: Cluster, tmp_path: Path) -> None:
    with serving(tmp_path / "one") as alone, speaking_to(alone.host) as client:
        root = alone.root / "data"
        push_image(client, "library/small", "v1")
    done = copy(cluster, root)
    assert done.returncode == 0, done.stderr
    # As a copy leaves it that was killed: the mark stands, some keys are missing.
    installation = cluster.store.get(keys.CLUSTER_ID)
    lost = cluster.store.range(b"link/", b"link0", 1).entries[0].key
    cluster.store.txn([], [Put(keys.CLUSTER_COPYING, installation.value), Delete(lost)])
    node, gateway = cluster.node("old", data_directory=root / "node"), cluster.gateway("g")
    for process in (node, gateway):
        process.begin()
        assert process.process.wait(60) == EXIT_CONFIG
        assert "copy" in process.told()
    resumed = copy(cluster, root, "--dry-run")
    assert "would go on" in resumed.stdout
    assert copy(cluster, root).returncode == 0
    assert cluster.store.get(lost) is not None
    cluster.begin(node)
    refused = copy(cluster, root)
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
