"""``holdfast sync status``: what a person and a program hear while a blob is on its way, and when nobody can answer."""

from __future__ import annotations

import json
import os
import signal
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import cli
from tests.ops.terminal import at_terminal
from tests.serving import wait_for
from tests.sync.mirrored import Pull, mirroring, pulling
from tests.sync.operator import told
from tests.sync.peers import digest_of, image
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.serving import Server

_numbers = count(1)
MIB = 1 << 20


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, stock: Stock) -> Iterator[Server]:
    with mirroring(tmp_path_factory.mktemp("mirror"), {"/up": [stock.url]}) as server:
        yield server


@pytest.fixture
def repo(server: Server) -> str:
    return f"team/app{next(_numbers)}"


def pulled_manifest(server: Server, stock: Stock, repo: str, *layers: bytes) -> None:
    wanted = stock.image(repo, "v1", *layers)
    status, _, manifest = server.request("GET", f"/v2/up/{repo}/manifests/v1")
    assert (status, manifest) == (200, wanted)


def path_of(repo: str, layer: bytes) -> str:
    return f"/v2/up/{repo}/blobs/{digest_of(layer)}"


def fetch_of(server: Server, layer: bytes) -> Any:
    (found,) = [one for one in told(server, "status")["fetches"] if one["digest"] == digest_of(layer)]
    return found


def test_a_running_fetch_is_told_with_its_bytes_and_its_follower(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(3 * MIB)
    pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, MIB)
    with pulling(server, path_of(repo, layer)) as answer:
        assert answer.read(1000) == layer[:1000]
        first = fetch_of(server, layer)
        assert first["repositories"] == [f"up/{repo}"]
        assert first["upstream"] == stock.url
        assert first["totalBytes"] == 3 * MIB
        assert first["followers"] == 1
        assert 0 < first["receivedBytes"] <= MIB
        page = cli("sync", "status", "--config", str(server.config))
        assert page.returncode == 0
        assert "1 fetch under way" in page.stdout
        assert f"up/{repo}" in page.stdout
        gate.set()
        assert answer.read() == layer[1000:]
    wait_for("the fetch to be over", lambda: not told(server, "status")["fetches"])


def test_bytes_grow_between_two_looks_and_a_client_that_left_follows_no_more(
    server: Server, stock: Stock, repo: str
) -> None:
    layer = os.urandom(8 * MIB)
    pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, MIB)
    with pulling(server, path_of(repo, layer)) as answer:
        answer.read(1000)
        before = fetch_of(server, layer)["receivedBytes"]
    second = stock.hold(layer, 6 * MIB)
    gate.set()
    wait_for("more to have come", lambda: fetch_of(server, layer)["receivedBytes"] > before)
    wait_for("nobody to follow", lambda: fetch_of(server, layer)["followers"] == 0)
    second.set()
    assert Pull(server, path_of(repo, layer)).end().body == layer


def test_a_watched_fetch_is_drawn_with_a_bar_that_grows_until_it_is_gone(
    server: Server, stock: Stock, repo: str
) -> None:
    layer = os.urandom(8 * MIB)
    pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, 5 * MIB)
    pull = Pull(server, path_of(repo, layer))
    environment = {"HOLDFAST_CONFIG": str(server.config)}
    with at_terminal("sync", "status", "--watch", environment=environment) as terminal:
        terminal.wait_for_page("1 fetch under way", f"up/{repo}", "of 8.00 MiB", "━━━━")
        gate.set()
        terminal.wait_for_page("nothing is being fetched", stock.url)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert "Traceback" not in terminal.drawn
    assert pull.end().body == layer


def test_an_upstream_is_told_with_its_last_success_and_its_last_failure(
    server: Server, stock: Stock, repo: str
) -> None:
    layer = os.urandom(1000)
    pulled_manifest(server, stock, repo, layer)
    assert Pull(server, path_of(repo, layer)).end().body == layer
    (before,) = told(server, "status")["upstreams"]
    assert before["url"] == stock.url
    assert before["lastSuccess"]
    assert before["receivedBytes"] >= 1000
    stock.failing = 500
    try:
        assert server.request("GET", f"/v2/up/{repo}/manifests/v2")[0] >= 500
    finally:
        stock.failing = 0
    (after,) = told(server, "status")["upstreams"]
    assert stock.host in after["lastFailure"]["reason"]
    assert after["requests"] > before["requests"]


def test_an_upstream_that_sent_other_bytes_is_told_so(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(MIB)
    pulled_manifest(server, stock, repo, layer)
    stock.spoil(repo, layer)
    assert Pull(server, path_of(repo, layer)).end().body != layer
    (seen,) = told(server, "status")["upstreams"]
    assert seen["lastFailure"]["reason"] == "it sent other bytes than a digest names"
    (worker,) = told(server, "status")["workers"]
    metrics = {one["name"]: one["value"] for one in worker["metrics"]}
    assert metrics["fetches_failed"] >= 1
    assert metrics["tags_fetched"] >= 1
    assert metrics["upstream_latency_seconds_count"] >= 2


def test_an_image_is_reported_when_all_of_it_is_here_be_it_the_last_blob_or_the_manifest_that_completes_it(
    server: Server, stock: Stock, repo: str
) -> None:
    layer = os.urandom(1000)
    pulled_manifest(server, stock, repo, layer)
    for blob in (layer, b"{}"):
        assert synced(server, repo) == []
        assert Pull(server, path_of(repo, blob)).end().body == blob
    first = digest_of(image(layer))
    wait_for("the report", lambda: synced(server, repo) == [first])
    # Another image of the same blobs: a client asks for nothing more than its manifest.
    other = image(layer, annotations={"which": "the other"})
    stock.manifests[f"{repo}/manifests/v2"] = other
    assert server.request("GET", f"/v2/up/{repo}/manifests/v2")[2] == other
    wait_for("the report", lambda: synced(server, repo) == [first, digest_of(other)])


def synced(server: Server, repo: str) -> list[str]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if "successfully synced image" in line]
    return [line["digest"] for line in lines if line["repository"] == f"up/{repo}"]


def test_a_worker_that_hangs_is_named_and_the_exit_code_tells(server: Server) -> None:
    pid = server.child("syncworker")
    os.kill(pid, signal.SIGSTOP)
    try:
        said = told(server, "status", code=1)
    finally:
        os.kill(pid, signal.SIGCONT)
    (worker,) = said["workers"]
    assert not worker["answers"]
    assert "did not answer" in worker["trouble"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "this configuration mirrors nothing"),
        (
            {"extensions": {"sync": {"registries": [{"urls": ["http://127.0.0.1:1"], "onDemand": True}]}}},
            "no registry in",
        ),
    ],
    ids=["nothing is mirrored", "nothing was ever served"],
)
def test_a_configuration_that_leads_nowhere_is_refused_with_the_reason(
    tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"storage": {"rootDirectory": str(tmp_path / "data")}, "http": {"port": "5000"}} | settings)
    )
    said = cli("sync", "status", "--config", str(config))
    assert said.returncode == 78
    assert reason in said.stderr
    assert not (tmp_path / "data").exists()
