"""What is not here comes from upstream when somebody asks for it: real processes, with an upstream that counts what it gives."""

from __future__ import annotations

import json
import os
import secrets
import signal
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.serving import wait_for
from tests.sync.mirrored import Pull, mirroring, pulling
from tests.sync.peers import OCI, Peer, digest_of, docker_registry, image
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serving import Server

_numbers = count(1)
MIB = 1 << 20


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture(scope="module")
def other() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, stock: Stock, other: Stock) -> Iterator[Server]:
    with mirroring(tmp_path_factory.mktemp("mirror"), {"/up": [stock.url], "/other": [other.url]}) as server:
        yield server


@pytest.fixture
def repo() -> str:
    return f"team/app{next(_numbers)}"


def blob_path(repo: str, blob: bytes, place: str = "up") -> str:
    return f"/v2/{place}/{repo}/blobs/{digest_of(blob)}"


def manifest_path(repo: str, reference: str = "v1", place: str = "up") -> str:
    return f"/v2/{place}/{repo}/manifests/{reference}"


def pulled_manifest(server: Server, stock: Stock, repo: str, *layers: bytes, place: str = "up") -> bytes:
    """An image is upstream, and a client has its manifest from here."""
    wanted = stock.image(repo, "v1", *layers)
    status, _, manifest = server.request("GET", manifest_path(repo, place=place))
    assert (status, manifest) == (200, wanted)
    return manifest


def code_of(body: bytes) -> str:
    return str(json.loads(body)["errors"][0]["code"])


def test_an_image_of_a_real_registry_is_pulled_through(tmp_path: Path) -> None:
    layers = (os.urandom(3 * MIB), os.urandom(70_000))
    with docker_registry(tmp_path / "registry") as host:
        peer = Peer(f"http://{host}")
        peer.push_image("team/app", "v1", *layers)
        with mirroring(tmp_path / "mirror", {"/up": [peer.url]}) as server:
            status, headers, manifest = server.request("GET", "/v2/up/team/app/manifests/v1")
            assert (status, manifest) == (200, image(*layers))
            assert headers["docker-content-digest"] == digest_of(manifest)
            for layer in (*layers, b"{}"):
                for _ in range(2):
                    status, headers, body = server.request("GET", blob_path("team/app", layer))
                    assert (status, body) == (200, layer)
                    assert headers["content-length"] == str(len(layer))


def test_a_hundred_clients_at_once_make_the_upstream_give_a_blob_once(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(3 * MIB)
    pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, MIB)
    pulls = [Pull(server, blob_path(repo, layer)) for _ in range(100)]
    wait_for("the upstream to have given a part", lambda: stock.given[digest_of(layer)] == MIB)
    gate.set()
    assert {pull.end().body == layer for pull in pulls} == {True}
    assert stock.given[digest_of(layer)] == len(layer)
    assert len(stock.asked("GET", blob_path(repo, layer)[6:])) == 1


def test_a_head_on_a_miss_moves_no_byte_of_the_blob(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(MIB)
    pulled_manifest(server, stock, repo, layer)
    status, headers, _ = server.request("HEAD", blob_path(repo, layer))
    assert (status, headers["content-length"]) == (200, str(len(layer)))
    assert headers["docker-content-digest"] == digest_of(layer)
    assert stock.asked("", digest_of(layer)) == []


def test_the_first_bytes_are_passed_on_while_the_upstream_still_sends(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(3 * MIB)
    pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, 1000)
    with pulling(server, blob_path(repo, layer)) as answer:
        assert answer.read(999) == layer[:999]
        gate.set()
        assert answer.read() == layer[999:]


def test_a_range_is_served_while_the_rest_is_still_to_come(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(3 * MIB)
    pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, 2 * MIB)
    status, headers, body = server.request("GET", blob_path(repo, layer), headers={"Range": "bytes=1000-1999"})
    assert (status, body) == (206, layer[1000:2000])
    assert headers["content-range"] == f"bytes 1000-1999/{len(layer)}"
    behind = Pull(server, blob_path(repo, layer), {"Range": f"bytes={2 * MIB + 5}-"})
    wait_for("the upstream to stop", lambda: stock.given[digest_of(layer)] == 2 * MIB)
    gate.set()
    assert (behind.end().status, behind.body) == (206, layer[2 * MIB + 5 :])
    assert len(stock.asked("GET", digest_of(layer))) == 1


def test_a_client_that_goes_does_not_stop_the_fetch(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(2 * MIB)
    pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, MIB)
    with pulling(server, blob_path(repo, layer)) as answer:
        answer.read(1000)
    gate.set()
    wait_for("the whole blob to be given", lambda: stock.given[digest_of(layer)] == len(layer))
    assert server.request("GET", blob_path(repo, layer))[2] == layer
    assert len(stock.asked("GET", digest_of(layer))) == 1


def test_an_upstream_that_breaks_off_is_asked_for_the_rest(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(2 * MIB)
    pulled_manifest(server, stock, repo, layer)
    stock.cut_bytes = 700_000
    try:
        assert server.request("GET", blob_path(repo, layer))[2] == layer
    finally:
        stock.cut_bytes = None
    assert stock.given[digest_of(layer)] == len(layer)


def test_a_killed_worker_costs_no_client_its_pull(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(16 * MIB)
    pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, 12 * MIB)
    killed = server.child("syncworker")
    with pulling(server, blob_path(repo, layer)) as answer:
        body = answer.read(11 * MIB)
        os.kill(killed, signal.SIGKILL)
        wait_for("the next worker to ask for the rest", lambda: len(stock.asked("GET", digest_of(layer))) == 2)
        gate.set()
        body += answer.read()
    assert body == layer
    assert stock.given[digest_of(layer)] <= 1.2 * len(layer)
    wait_for("another worker", lambda: server.child("syncworker") != killed)


def test_wrong_bytes_never_look_complete_and_never_stay(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(2 * MIB)
    pulled_manifest(server, stock, repo, layer)
    stock.spoil(repo, layer)
    first = Pull(server, blob_path(repo, layer)).end()
    assert first.broken is not None
    status, _, body = server.request("GET", blob_path(repo, layer))
    assert (status, code_of(body)) == (502, "UNAVAILABLE")
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if "other bytes" in line]
    told = [line for line in lines if line.get("expected") == digest_of(layer)]
    assert told
    assert told[0]["seen"].startswith("sha256:")
    assert told[0]["seen"] != digest_of(layer)


def test_what_is_stored_is_served_with_a_warning_while_the_upstream_is_down(tmp_path: Path, repo: str) -> None:
    with Stock().serving() as stock, mirroring(tmp_path, {"/up": [stock.url]}) as server:
        manifest = pulled_manifest(server, stock, repo, b"layer")
        stock.failing = 503
        status, headers, body = server.request("GET", manifest_path(repo))
        assert (status, body) == (200, manifest)
        assert headers["warning"].startswith("111 holdfast")
        status, headers, body = server.request("GET", manifest_path(repo, "v2"))
        assert (status, code_of(body)) == (502, "UNAVAILABLE")
        assert int(headers["retry-after"]) > 0


def test_a_digest_is_no_capability_through_another_mirror_or_beside_it(
    server: Server, stock: Stock, other: Stock, repo: str
) -> None:
    layer = os.urandom(MIB)
    manifest = pulled_manifest(server, stock, repo, layer)
    gate = stock.hold(layer, 1000)
    running = Pull(server, blob_path(repo, layer))
    wait_for("the fetch to run", lambda: stock.given[digest_of(layer)])
    pulled_manifest(server, other, repo, b"something else", place="other")
    assert server.request("GET", blob_path(repo, layer, "other"))[0] == 404
    gate.set()
    assert running.end().body == layer
    for place in ("other", "up/elsewhere", "local"):
        assert server.request("GET", blob_path(repo, layer, place))[0] == 404
        assert server.request("HEAD", blob_path(repo, layer, place))[0] == 404
        assert server.request("GET", manifest_path(repo, digest_of(manifest), place))[0] == 404


def test_two_mirrors_of_one_blob_each_link_it_for_themselves(
    server: Server, stock: Stock, other: Stock, repo: str
) -> None:
    layer = os.urandom(MIB)
    pulled_manifest(server, stock, repo, layer)
    pulled_manifest(server, other, repo, layer, place="other")
    assert server.request("GET", blob_path(repo, layer))[2] == layer
    assert server.request("GET", blob_path(repo, layer, "other"))[2] == layer
    assert other.asked("GET", digest_of(layer)) == []


def test_a_tag_that_moves_upstream_is_seen_at_the_next_check(server: Server, stock: Stock, repo: str) -> None:
    first = pulled_manifest(server, stock, repo, b"one")
    assert len(stock.asked("HEAD", manifest_path(repo)[6:])) == 0
    assert server.request("GET", manifest_path(repo))[2] == first
    assert len(stock.asked("HEAD", manifest_path(repo)[6:])) == 1
    second = stock.image(repo, "v1", b"two")
    assert server.request("GET", manifest_path(repo))[2] == second
    assert server.request("GET", manifest_path(repo, digest_of(first)))[2] == first


def test_nobody_pushes_where_an_upstream_is_mirrored(server: Server, stock: Stock, repo: str) -> None:
    for method, path, body in (
        ("POST", f"/v2/up/{repo}/blobs/uploads/", None),
        ("POST", f"/v2/up/{repo}/blobs/uploads/?digest={digest_of(b'x')}", b"x"),
        ("POST", f"/v2/up/{repo}/blobs/uploads/?mount={digest_of(b'x')}&from=local/x", None),
        ("PUT", manifest_path(repo), image()),
    ):
        status, _, answer = server.request(method, path, body, {"Content-Type": OCI})
        assert (method, path, status, code_of(answer)) == (method, path, 403, "DENIED")
    asked = len(stock.asked("", ""))
    Peer(server.url).push_image(f"private/{repo}", "v1", b"ours")
    assert server.request("GET", f"/v2/private/{repo}/manifests/v1")[2] == image(b"ours")
    assert len(stock.asked("", "")) == asked


def test_a_pull_may_say_whose_repository_it_means(server: Server, stock: Stock, repo: str) -> None:
    wanted = stock.image(repo, "v1", b"layer")
    path = f"/v2/{repo}/manifests/v1"
    assert server.request("GET", path)[0] == 404
    status, headers, manifest = server.request("GET", f"{path}?ns={stock.host}")
    assert (status, manifest, headers["oci-namespace"]) == (200, wanted, stock.host)
    status, _, layer = server.request("GET", f"/v2/{repo}/blobs/{digest_of(b'layer')}?ns={stock.host}")
    assert (status, layer) == (200, b"layer")


def test_within_the_check_interval_no_upstream_is_asked(tmp_path: Path, stock: Stock, repo: str) -> None:
    with mirroring(tmp_path, {"/up": [stock.url]}, manifestCheckInterval="1h") as server:
        manifest = pulled_manifest(server, stock, repo, b"layer")
        stock.image(repo, "v1", b"moved")
        for _ in range(5):
            status, headers, body = server.request("GET", manifest_path(repo))
            assert (status, body) == (200, manifest)
            assert "warning" not in headers
        assert len(stock.asked("", manifest_path(repo)[6:])) == 1


def test_what_is_stored_outlives_the_worker(tmp_path: Path, stock: Stock, repo: str) -> None:
    with mirroring(tmp_path, {"/up": [stock.url]}) as server:
        layer = secrets.token_bytes(1000)
        manifest = pulled_manifest(server, stock, repo, layer)
        assert server.request("GET", blob_path(repo, layer))[2] == layer
        wait_for("the worker to be done", lambda: "fetched a blob" in server.log.read_text())
        os.kill(server.child("syncworker"), signal.SIGSTOP)
        try:
            assert server.request("GET", blob_path(repo, layer))[2] == layer
            assert server.request("GET", manifest_path(repo, digest_of(manifest)))[2] == manifest
            status, headers, body = server.request("GET", manifest_path(repo))
            assert (status, body) == (200, manifest)
            assert headers["warning"].startswith("111 holdfast")
        finally:
            os.kill(server.child("syncworker"), signal.SIGCONT)


def test_a_root_level_name_of_docker_hub_is_served_where_the_hub_is_mirrored(tmp_path: Path, stock: Stock) -> None:
    with mirroring(tmp_path, {"/hub": [stock.url]}, namespaces=["docker.io"]) as server:
        wanted = stock.image("library/nginx", "v1", b"a layer")
        for path in (
            "/v2/library/nginx/manifests/v1",
            "/v2/nginx/manifests/v1?ns=docker.io",
            "/v2/hub/nginx/manifests/v1",
        ):
            assert server.request("GET", path)[::2] == (200, wanted), path
        Peer(server.url).push_image("library/ours", "v1", b"ours")
        assert server.request("GET", "/v2/library/ours/manifests/v1")[2] == image(b"ours")
        assert stock.asked("", "library/ours") == []


def test_a_blob_that_no_manifest_here_names_comes_if_the_repository_s_own_upstream_has_it(
    server: Server, stock: Stock, repo: str
) -> None:
    layer = os.urandom(1000)
    stock.image(repo, "v1", layer)
    status, _, body = server.request("GET", blob_path(repo, layer))
    assert (status, body) == (200, layer)
    assert len(stock.asked("GET", digest_of(layer))) == 1

    def what_is_said() -> tuple[int, str]:
        status, _, said = server.request("GET", blob_path(repo, b"nobody has it"))
        return status, code_of(said)

    # The bytes are passed on before they are linked, and the repository begins with its first link.
    wait_for("the repository to be there", lambda: what_is_said() != (404, "NAME_UNKNOWN"))
    assert what_is_said() == (404, "BLOB_UNKNOWN")
    assert server.request("GET", blob_path(f"{repo}/other", layer))[0] == 404


def test_a_blob_that_the_upstream_has_lost_is_unknown(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(1000)
    pulled_manifest(server, stock, repo, layer)
    del stock.blobs[f"{repo}/blobs/{digest_of(layer)}"]
    status, _, said = server.request("GET", blob_path(repo, layer))
    assert (status, code_of(said)) == (404, "BLOB_UNKNOWN")


def test_a_manifest_asked_for_by_digest_comes_too(server: Server, stock: Stock, repo: str) -> None:
    wanted = stock.image(repo, "v1", b"layer")
    status, headers, manifest = server.request("GET", manifest_path(repo, digest_of(wanted)))
    assert (status, manifest, headers["content-type"]) == (200, wanted, OCI)
    assert server.request("GET", manifest_path(repo, digest_of(b"nobody has it")))[0] == 404


def test_a_deleted_tag_comes_again(server: Server, stock: Stock, repo: str) -> None:
    manifest = pulled_manifest(server, stock, repo, b"layer")
    assert server.request("DELETE", manifest_path(repo, digest_of(manifest)))[0] == 202
    assert server.request("GET", manifest_path(repo))[2] == manifest


def test_a_tag_that_is_gone_upstream_is_kept(server: Server, stock: Stock, repo: str) -> None:
    manifest = pulled_manifest(server, stock, repo, b"layer")
    del stock.manifests[f"{repo}/manifests/v1"]
    assert server.request("GET", manifest_path(repo))[2] == manifest
    assert "a tag is gone upstream and kept here" in server.log.read_text()


def test_an_upstream_that_lies_about_a_length_breaks_the_pull(server: Server, stock: Stock, repo: str) -> None:
    layer = os.urandom(MIB)
    pulled_manifest(server, stock, repo, layer)
    stock.blobs[f"{repo}/blobs/{digest_of(layer)}"] = layer[:-1]
    pull = Pull(server, blob_path(repo, layer)).end()
    assert pull.status >= 500 or pull.broken is not None


def test_a_push_outranks_the_upstream_where_both_fill_a_repository(tmp_path: Path, stock: Stock, repo: str) -> None:
    with mirroring(tmp_path, {"/up": [stock.url]}, allowPush=True) as server:
        pulled_manifest(server, stock, repo, b"theirs")
        Peer(server.url).push_image(f"up/{repo}", "v1", b"ours")
        assert server.request("GET", manifest_path(repo))[2] == image(b"ours")
        assert len(stock.asked("", manifest_path(repo)[6:])) == 1
