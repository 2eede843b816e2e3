"""A proxy between us and the upstream: https goes through it by CONNECT, and our rules of where requests may lead hold."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from holdfast import names
from holdfast.errors import UpstreamUnavailableError, UpstreamWrongError
from syncworker.upstream import proxies
from tests.fakes.papers import Papers
from tests.sync.client import upstream_of
from tests.sync.hostile import Call, Hostile
from tests.sync.peers import OCI, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncworker.upstream.upstream import Upstream

REPOSITORY, TAG = names.repository("team/app"), names.tag("v1")
MANIFEST = image(b"layer")
# dTpw: u:p
LOGIN = "Basic dTpw"


class Tunnels(Hostile):
    """A proxy that leads every name to this machine. ``status`` is what it answers to CONNECT."""

    def __init__(self) -> None:
        self.status = 200
        super().__init__(self._connect)

    def _connect(self, call: Call) -> None:
        if call.method != "CONNECT" or self.status != 200:
            call.answer(self.status if call.method == "CONNECT" else 400)
            return
        port = int(call.target.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as there:
            call.raw(b"HTTP/1.1 200 Connection established\r\n\r\n")
            here = call.handler.connection
            back = threading.Thread(target=pump, args=(there, here))
            back.start()
            pump(here, there)
            back.join()
        call.handler.close_connection = True


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[Tunnels]:
    with Tunnels() as proxy:
        yield proxy


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Hostile]:
    """With a certificate for registry.example. ``registry.location`` is where it redirects to, if set."""

    def script(call: Call) -> None:
        if registry.location:
            call.answer(307, Location=registry.location)
        else:
            call.answer(200, MANIFEST, Content_Type=OCI)

    files = Papers(tmp_path / "papers").issue(hosts=["registry.example"])
    (tmp_path / "certs.d").mkdir()
    shutil.copy(files.authority, tmp_path / "certs.d" / "ca.crt")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.certificate, files.key)
    with Hostile(script, tls) as registry:
        registry.location = ""
        registry.cert_dir = str(tmp_path / "certs.d")
        yield registry


def unknown(_host: str, _port: int) -> list[str]:
    raise socket.gaierror("names are known to the proxy alone")


def through(proxy: Tunnels, registry: Hostile, no_proxy: str = "", resolver: object = unknown) -> Upstream:
    environment = {"HTTPS_PROXY": f"http://u:p@{proxy.host}", "NO_PROXY": no_proxy}
    return upstream_of(
        f"https://registry.example:{registry.port}",
        certDir=registry.cert_dir,
        proxies=proxies.of(environment),
        resolver=resolver,
    )


def test_an_upstream_whose_name_only_the_proxy_knows_is_reached_through_it(proxy: Tunnels, registry: Hostile) -> None:
    found = through(proxy, registry).manifest(REPOSITORY, TAG)
    assert found is not None
    assert found.data == MANIFEST
    ((method, target, headers),) = proxy.seen
    assert (method, target) == ("CONNECT", f"registry.example:{registry.port}")
    assert headers["proxy-authorization"] == LOGIN
    assert all("proxy-authorization" not in seen for seen in registry.asked())


def test_what_no_proxy_names_is_reached_directly(proxy: Tunnels, registry: Hostile) -> None:
    upstream = through(proxy, registry, "registry.example", lambda *_: ["127.0.0.1"])
    assert upstream.manifest(REPOSITORY, TAG) is not None
    assert proxy.seen == []


@pytest.mark.parametrize("location", ["https://169.254.169.254/x", "https://10.0.0.1/x", "http://registry.example/x"])
def test_a_redirect_inside_is_not_asked_of_the_proxy_either(proxy: Tunnels, registry: Hostile, location: str) -> None:
    def resolver(host: str, port: int) -> list[str]:
        return [host] if host[0].isdigit() else unknown(host, port)

    registry.location = location
    with pytest.raises(UpstreamWrongError):
        through(proxy, registry, resolver=resolver).manifest(REPOSITORY, TAG)
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_is_an_upstream_that_cannot_be_reached(
    proxy: Tunnels, registry: Hostile, status: int
) -> None:
    proxy.status = status
    with pytest.raises(UpstreamUnavailableError, match="cannot be reached"):
        through(proxy, registry).manifest(REPOSITORY, TAG)
    assert registry.seen == []
