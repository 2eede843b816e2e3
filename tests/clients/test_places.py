"""U26: only some networks may push. Two machines with addresses of their own, and skopeo and podman on each; and what clients do
that are told to come back later.
"""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import engines
from tests.clients.programs import Program, need
from tests.clients.test_docker import load
from tests.probe.hosts import Bridge
from tests.serving import serving, start, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.engines import Docker
    from tests.clients.images import Image
    from tests.probe.hosts import Host
    from tests.serving import Server


@dataclass(frozen=True)
class Networks:
    """A registry that takes pushes from ``office`` alone."""

    server: Server
    registry: str
    office: Host
    elsewhere: Host

    def pushes(self, address: str) -> list[tuple[str, int]]:
        """What was asked from an address with a method that changes something: method and status. "-" is a TLS hello."""
        lines = [json.loads(line) for line in self.server.log.read_text().splitlines() if line.startswith("{")]
        requests = [line for line in lines if line.get("event") == "request" and line["client"] == address]
        return [(line["method"], line["status"]) for line in requests if line["method"] not in {"GET", "HEAD", "-"}]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    root = tmp_path_factory.mktemp("networks")
    bridge = Bridge(root)
    with contextlib.closing(bridge):
        office, elsewhere = bridge.place("office"), bridge.place("elsewhere")
        http = {"address": bridge.hub, "allow": {"create": [office.address], "delete": [office.address]}}
        server = start(root / "registry", wait=False, http=http)
        try:
            wait_for("the registry to be ready", lambda: answers(bridge.hub, server.port))
            yield Networks(server, f"{bridge.hub}:{server.port}", office, elsewhere)
        finally:
            code = server.stop()
        assert code == 0


def answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 10) as sock:
        sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n")
        return sock.recv(12) == b"HTTP/1.1 200"
    return False


def on(host: Host, program: Program) -> Program:
    """The same program on another machine."""
    first, *rest = host.words
    return replace(program, path=need(first), always=(*rest, program.path, *program.always))


def test_skopeo_pushes_from_the_office_and_pulls_from_everywhere(
    networks: Networks, skopeo: Program, image: Callable[..., Image], tmp_path: Any
) -> None:
    made, name = image(), f"docker://{networks.registry}/team/app:v1"
    refused = on(networks.elsewhere, skopeo).try_("copy", "--dest-tls-verify=false", made.oci, name)
    assert refused.code != 0
    assert "denied" in refused.err or "403" in refused.err
    on(networks.office, skopeo)("copy", "--dest-tls-verify=false", made.oci, name)
    on(networks.elsewhere, skopeo)("copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/out")
    asked = networks.pushes(networks.elsewhere.address)
    assert set(asked) == {("POST", 403)}, "an upload must not have begun"
    assert ("PUT", 201) in networks.pushes(networks.office.address)


def test_podman_is_refused_from_elsewhere_and_pushes_from_the_office(
    networks: Networks, image: Callable[..., Image]
) -> None:
    with engines.containers(networks.registry) as containers:
        containers.podman("pull", image().oci)
        loaded = containers.podman("images", "--quiet", "--no-trunc").split()[0]
        push = ("push", "--tls-verify=false", loaded, f"docker://{networks.registry}/team/pod:v1")
        refused = on(networks.elsewhere, containers.podman).try_(*push)
        assert refused.code != 0
        assert "denied" in refused.err or "403" in refused.err
        on(networks.office, containers.podman)(*push)


def test_docker_is_refused_where_it_is_and_told_so(
    docker: Docker, skopeo: Program, image: Callable[..., Image], tmp_path: Any
) -> None:
    with serving(tmp_path / "registry", http={"allow": {"create": ["192.0.2.0/24"]}}) as server:
        refused = docker.call.try_("push", load(skopeo, docker, image(), f"{server.host}/team/app:v1"))
        assert refused.code != 0
        assert "denied" in refused.err


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limit = {"methods": [{"method": "GET", "rate": 3, "burst": 3}]}
    with serving(tmp_path_factory.mktemp("slow"), http={"ratelimit": limit}) as server:
        yield server


def refusals(server: Server) -> int:
    return server.log.read_text().count('"status": 429')


def test_skopeo_comes_back_when_it_is_told_to_and_docker_says_when(
    slow: Server, docker: Docker, skopeo: Program, image: Callable[..., Image], tmp_path: Any
) -> None:
    made, name = image(layers=4), f"{slow.host}/team/app:v1"
    skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{name}")
    before = refusals(slow)
    skopeo("copy", "--src-tls-verify=false", f"docker://{name}", f"dir:{tmp_path}/out")
    assert refusals(slow) > before, "nothing was refused, so nothing was shown"
    before = refusals(slow)
    pulled = docker.call.try_("pull", name)
    assert refusals(slow) > before
    # It tries again for layers, not for a manifest.
    assert pulled.code == 0 or "toomanyrequests: too many requests; the next one is taken in" in pulled.err
