"""Gateway, sync worker and storage node with certificates, as processes: a pull through all of them, and nobody else gets in."""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import digest as digests
from holdfast import names
from holdfast.certs.peer import Role
from holdfast.errors import PeerRefusedError, UpstreamMissingError, WorkerUnreachableError
from holdfast.rpc.syncclient import GrpcSync
from tests.cluster.processes import Process, running
from tests.etcd_cluster import free_ports
from tests.fakes.papers import Papers
from tests.sync.mirrored import registries
from tests.sync.peers import digest_of
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from holdfast.rpc.credentials import Credentials, TlsFiles
    from tests.cluster.processes import Cluster

# What a configuration without cluster.name means.
CLUSTER = "holdfast"
REPOSITORY = names.repository("up/team/app")
DIGEST = digests.of(b"anything")


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"), CLUSTER)


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, stock: Stock, papers: Papers) -> Iterator[Cluster]:
    """Node ``a``, gateway ``g``, and the worker ``w`` as ``cluster.worker``."""
    sync = {"extensions": {"sync": {"registries": registries({"/up": [stock.url]})}}}
    with running(tmp_path_factory.mktemp("cluster")) as cluster:
        node, gateway = cluster.node("a"), cluster.gateway("g")
        gateway.settings |= sync
        (port,) = free_ports(1)
        worker = Process("w", "syncworker", cluster.directory, cluster.settings | sync, port)
        worker.settings["cluster"]["worker"] = {"listen": worker.host}
        for process, role in ((node, Role.NODE), (gateway, Role.GATEWAY), (worker, Role.WORKER)):
            process.settings["cluster"] |= certified(papers.issue(role, ["127.0.0.1"], name=process.name))
        cluster.begin(node)
        cluster.apply(1)
        worker.begin()
        try:
            worker.wait_until("to be up", lambda: "sync worker is up" in worker.told())
            cluster.begin(gateway)
            cluster.worker = worker
            yield cluster
        finally:
            worker.kill()


def certified(files: TlsFiles) -> dict[str, str]:
    return {"caFile": str(files.authority), "certFile": str(files.certificate), "keyFile": str(files.key)}


def asked(cluster: Cluster, credentials: Credentials | None) -> None:
    client = GrpcSync(cluster.worker.host, credentials)
    try:
        client.fetch_blob(REPOSITORY, DIGEST, 10.0)
    finally:
        client.close()


def test_an_image_is_pulled_through_processes_that_show_each_other_certificates(cluster: Cluster, stock: Stock) -> None:
    layer = os.urandom(3 << 20)
    wanted = stock.image("team/app", "v1", layer)
    gateway = cluster.gateways["g"]
    status, _, manifest = gateway.request("GET", "/v2/up/team/app/manifests/v1")
    assert (status, manifest) == (200, wanted)
    status, _, body = gateway.request("GET", f"/v2/up/team/app/blobs/{digest_of(layer)}")
    assert (status, body) == (200, layer)


def test_plaintext_gets_no_answer_of_the_worker(cluster: Cluster) -> None:
    with pytest.raises(WorkerUnreachableError):
        asked(cluster, None)


def test_a_client_without_a_certificate_gets_no_word_of_the_worker(cluster: Cluster, papers: Papers) -> None:
    assert first_word(cluster, papers.issue(name="another"), shown=True)
    assert first_word(cluster, papers.issue(name="another"), shown=False) == b""


def first_word(cluster: Cluster, files: TlsFiles, *, shown: bool) -> bytes:
    """What the worker says to a client of HTTP/2 that shows its certificate or none; empty where it hangs up."""
    context = ssl.create_default_context(cafile=str(files.authority))
    context.set_alpn_protocols(["h2"])
    if shown:
        context.load_cert_chain(files.certificate, files.key)
    with socket.create_connection(("127.0.0.1", cluster.worker.port), timeout=20) as plain:
        try:
            # In TLS 1.3 the client is done before the server has judged it: the refusal comes with the first read.
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                return secured.recv(9)
        except (ssl.SSLError, ConnectionError):
            return b""


def test_a_certificate_of_another_authority_is_not_let_in(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(WorkerUnreachableError):
        asked(cluster, Papers(tmp_path, CLUSTER).credentials())


@pytest.mark.parametrize(
    "how", [{"role": Role.NODE}, {"role": Role.WORKER, "name": "two"}, {"cluster": "east"}], ids=str
)
def test_another_role_or_another_cluster_is_refused(cluster: Cluster, papers: Papers, how: dict[str, Any]) -> None:
    with pytest.raises(PeerRefusedError):
        asked(cluster, papers.credentials(**{"name": "x", **how}))


def test_a_gateways_certificate_is_taken(cluster: Cluster, papers: Papers) -> None:
    with pytest.raises(UpstreamMissingError):
        asked(cluster, papers.credentials(name="another"))
