"""Everything that can happen to a cold pull in a cluster while clients follow it. See ``trials`` for what must hold.

Three storage nodes, three etcds, two gateways, two sync workers. ``make soak`` runs each fault at several shares of the transfer.
"""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.clients import engines, images
from tests.clients.images import Shape
from tests.serving import wait_for
from tests.sync.clustered import is_connected, mirroring_cluster
from tests.sync.faulty import Faulty
from tests.sync.peers import digest_of
from tests.sync.trials import BOUND, SHARE, SIZE_BYTES, Fault, suffer, summary, uploads_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from holdfast.meta.store import Store
    from tests.clients.images import Image
    from tests.cluster.processes import Cluster, NodeProcess, Process
    from tests.sync.trials import Trial

SHARES = (0.1, 0.5, 0.9)
_PAUSE_SECONDS = 8.0


@dataclass
class ClusterSite:
    cluster: Cluster
    stock: Faulty
    place: str = "up"

    @property
    def gateways(self) -> Sequence[Process]:
        return [one for one in self.cluster.gateways.values() if one.process is not None]

    @property
    def store(self) -> Store:
        return self.cluster.store

    def staged(self) -> set[str]:
        running = [node for node in self.cluster.nodes.values() if node.process is not None]
        return set().union(*(uploads_in(node.tree) for node in running))

    def tidy(self) -> None:
        raise NotImplementedError

    def given(self, blob: bytes) -> int:
        return self.stock.given[digest_of(blob)]

    def fetching(self) -> Process:
        return next(one for one in self.cluster.workers.values() if is_connected(one, self.stock))

    def growing(self, trial: Trial) -> NodeProcess:
        """The node with the upload."""
        node_id = trial.fetch().upload_id.partition("-")[0]
        return next(node for node in self.cluster.nodes.values() if node.node_id == node_id)

    def mend(self) -> None:
        """Everybody who is away comes back."""
        for worker in self.cluster.workers.values():
            if worker.process is None:
                worker.begin()
                worker.wait_until("to be up", lambda one=worker: one.told().count("sync worker is up"))
        for node in self.cluster.nodes.values():
            if node.process is not None:
                node.resume()
        everybody = (*self.cluster.nodes.values(), *self.cluster.gateways.values())
        self.cluster.begin(*(one for one in everybody if one.process is None))
        for member in self.cluster.etcd.members:
            if member.process is None:
                member.begin()
        self.cluster.etcd.wait_until_healthy()


@contextlib.contextmanager
def cluster_site(root: Path) -> Iterator[ClusterSite]:
    with Faulty().serving() as stock, mirroring_cluster(root, stock.url, etcd_members=3) as cluster:
        yield ClusterSite(cluster, stock)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterSite]:
    """One for all: what a fault leaves behind the next one meets."""
    with cluster_site(tmp_path_factory.mktemp("cluster")) as site:
        yield site


# -- what is done to processes


def kill_worker(site: ClusterSite, _trial: Trial) -> None:
    site.fetching().kill()


def pause_worker(site: ClusterSite, trial: Trial) -> None:
    """Longer than its lease: another one takes over, and the first one finds that out."""
    paused, former = site.fetching(), trial.fetch().worker
    paused.pause()
    try:
        wait_for("another worker", lambda: trial.fetch() is None or trial.fetch().worker != former, 60)
    finally:
        paused.resume()
    paused.wait_until("to see that it is late", lambda: "taken a fetch over" in paused.told())


def restart_node(site: ClusterSite, trial: Trial) -> None:
    node = site.growing(trial)
    node.kill()
    node.begin()


def lose_node(site: ClusterSite, trial: Trial) -> None:
    site.growing(trial).kill()


def pause_node(site: ClusterSite, trial: Trial) -> None:
    """For so long that clients ask whether anybody still fetches."""
    node = site.growing(trial)
    node.pause()
    try:
        threading.Event().wait(_PAUSE_SECONDS)  # the pause itself; nothing is waited for
    finally:
        node.resume()


def hang_node(site: ClusterSite, trial: Trial) -> None:
    site.growing(trial).pause()


def kill_gateway(site: ClusterSite, _trial: Trial) -> None:
    site.cluster.gateways["h"].kill()


def kill_etcd_leader(site: ClusterSite, _trial: Trial) -> None:
    site.cluster.etcd.leader().kill()


FAULTS = (
    Fault("the fetching worker is killed", act=kill_worker),
    Fault("the fetching worker is paused for longer than its lease", act=pause_worker),
    Fault("the node with the growing upload is killed and comes back", act=restart_node),
    Fault("the node with the growing upload is killed and stays away", act=lose_node, bound=2.0),
    Fault("a gateway is killed", act=kill_gateway),
    Fault("etcd's leader is killed", act=kill_etcd_leader),
)

# They take longer than a test may that runs every time.
LONG_FAULTS = (
    Fault("the node with the growing upload is paused", act=pause_node),
    Fault("the node with the growing upload hangs and stays so", act=hang_node, bound=2.0, leaves=1),
)


@pytest.fixture(autouse=True)
def _mended(site: ClusterSite) -> Iterator[None]:
    yield
    site.mend()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_client_ends_with_the_right_bytes_or_knows_better(site: ClusterSite, fault: Fault) -> None:
    suffer(site, fault)


@pytest.mark.clients
@pytest.mark.parametrize("what", ["nothing happens", "the fetching worker is killed"])
def test_podman_and_skopeo_through_two_gateways_cost_the_upstream_one_image(
    site: ClusterSite, tmp_path: Path, what: str
) -> None:
    made = images.write(tmp_path / "image", Shape(name=what, layers=2, layer_bytes=SIZE_BYTES))
    repository = f"team/real{len(site.stock.manifests)}"
    layers = [blob for blob in stocked(site.stock, made, repository) if len(blob) >= SIZE_BYTES]
    one, other = (f"{gateway.host}/up/{repository}:v1" for gateway in site.cluster.gateways.values())
    with engines.containers(site.cluster.gateways["g"].host) as containers, ThreadPoolExecutor(2) as pool:
        pulled = pool.submit(containers.podman, "pull", "--quiet", one)
        copied = pool.submit(
            containers.skopeo, "copy", "--src-tls-verify=false", f"docker://{other}", f"oci:{tmp_path}/copied:v1"
        )
        wait_for("a part of each layer", lambda: all(site.given(layer) >= SHARE * len(layer) for layer in layers))
        if what == "the fetching worker is killed":
            site.fetching().kill()
        copied.result()
        image_id = pulled.result().strip()
        # No copy of the config is stored under another name, so the id says that all of it is right.
        assert (
            image_id == json.loads((made.layout / "blobs" / blob_path(made.digest)).read_text())["config"]["digest"][7:]
        )
    assert (tmp_path / "copied" / "blobs" / blob_path(made.digest)).exists()
    if what == "nothing happens":
        assert [site.given(layer) for layer in layers] == [len(layer) for layer in layers]
        assert [len(site.stock.asked("GET", digest_of(layer))) for layer in layers] == [1] * len(layers)
    assert sum(map(site.given, layers)) <= BOUND * sum(map(len, layers))


def stocked(stock: Faulty, made: Image, repository: str) -> list[bytes]:
    """The image becomes the upstream's; its blobs and its manifest."""
    blobs = [path.read_bytes() for path in (made.layout / "blobs" / "sha256").iterdir()]
    for blob in blobs:
        stock.blobs[f"{repository}/blobs/{digest_of(blob)}"] = blob
        if digest_of(blob) == made.digest:
            for reference in ("v1", made.digest):
                stock.manifests[f"{repository}/manifests/{reference}"] = blob
    return blobs


def blob_path(digest: str) -> str:
    return digest.replace(":", "/")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_fault_at_several_shares_of_the_transfer(site: ClusterSite, capsys: pytest.CaptureFixture[str]) -> None:
    reports = []
    for fault in (*FAULTS, *LONG_FAULTS):
        for share in SHARES:
            reports.append(suffer(site, fault, share))
            site.mend()
            with capsys.disabled():
                print(reports[-1], flush=True)
    with capsys.disabled():
        print(summary(reports))
