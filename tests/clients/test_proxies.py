"""Behind nginx and HAProxy with TLS, as the shipped samples set them up."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.clients import images, proxies
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.clients.engines import Containers
    from tests.clients.images import Image
    from tests.clients.proxies import Proxy
    from tests.serving import Server

LAYER_BYTES = 256 * images.MIB
STARTERS = {"nginx": proxies.nginx, "haproxy": proxies.haproxy}


@pytest.fixture(params=sorted(STARTERS))
def proxy(request: pytest.FixtureRequest, registry: Server, tmp_path: Path) -> Iterator[Proxy]:
    with STARTERS[request.param](tmp_path / request.param, registry.host) as started:
        yield started


def test_large_layer_is_pushed_and_pulled_with_tls(
    proxy: Proxy, containers: Containers, image: Callable[..., Image], repository: str, tmp_path: Path
) -> None:
    made, name = image(layers=1, layer_bytes=LAYER_BYTES), f"{proxy.host}/{repository}:v1"
    trust = ("--cert-dir", str(proxy.certificate.trust), "--tls-verify=true")
    dest, source = [[f"--{side}-cert-dir", trust[1], f"--{side}-tls-verify=true"] for side in ("dest", "src")]
    containers.skopeo("copy", *dest, made.oci, f"docker://{name}")
    containers.skopeo("copy", *source, f"docker://{name}", f"dir:{tmp_path}/out")
    assert (tmp_path / "out" / made.layers[0].digest.removeprefix("sha256:")).stat().st_size == made.layers[
        0
    ].size_bytes
    containers.podman("pull", *trust, name)
    containers.podman("push", *trust, name, f"docker://{proxy.host}/{repository}/again:v1")


def test_locations_and_links_are_relative(
    proxy: Proxy, containers: Containers, image: Callable[..., Image], repository: str
) -> None:
    for tag in ("a", "b"):
        target = f"docker://{proxy.host}/{repository}:{tag}"
        containers.skopeo("copy", "--dest-cert-dir", str(proxy.certificate.trust), image().oci, target)
    answer = proxies.ask(proxy, "POST", f"/v2/{repository}/blobs/uploads/")
    assert answer.status == 202
    assert (answer.headers["Location"] or "").startswith(f"/v2/{repository}/blobs/uploads/")
    assert proxies.ask(proxy, "DELETE", answer.headers["Location"]).status == 204
    page = proxies.ask(proxy, "GET", f"/v2/{repository}/tags/list?n=1")
    assert re.match(rf'</v2/{repository}/tags/list\?[^>]*>; *rel="?next"?', page.headers["Link"] or "")


class Gateway:
    """Stands where the registry stands and keeps what it is sent, as it arrives: for asking when that is."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.received = bytearray()
        self.go_on = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self.go_on.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        head = connection.recv(65536)
        if not head.startswith(b"PATCH"):
            # A health check, or a probe of the port.
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.received += head
        while b"the end" not in self.received:
            piece = connection.recv(65536)
            if not piece:
                return
            self.received += piece
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nfirst,")
        self.go_on.wait(30)
        connection.sendall(b"second")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.close()


@pytest.mark.parametrize("kind", sorted(STARTERS))
def test_bodies_pass_while_they_are_sent(kind: str, gateway: Gateway, tmp_path: Path) -> None:
    with STARTERS[kind](tmp_path / kind, gateway.host) as proxy, proxy.connect() as connection:
        head = f"PATCH /v2/a/blobs/uploads/b HTTP/1.1\r\nHost: {proxy.host}\r\nContent-Length: 16\r\n\r\n"
        connection.sendall(head.encode() + b"beginning")
        wait_for("the first half at the registry", lambda: b"\r\n\r\nbeginning" in gateway.received)
        forwarded = bytes(gateway.received).lower()
        assert f"host: {proxy.host}".encode() in forwarded
        assert b"x-forwarded-proto: https" in forwarded
        assert b"x-forwarded-for: 127.0.0.1" in forwarded
        connection.sendall(b"the end")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.read(6) == b"first,"
        gateway.go_on.set()
        assert answer.read() == b"second"
