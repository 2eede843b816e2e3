"""The proxies for which sample configurations are shipped, started with exactly those files.

Promises: only addresses and paths are exchanged, and only where the sample has them: a sample that lost a line fails the test.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.clients.programs import daemon, need
from tests.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES: Final = Path(__file__).parents[2] / "compose" / "proxies"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for 127.0.0.1 that signs itself, in a directory as clients want it."""

    chain: Path
    key: Path
    # Only ca.crt lies in it: with a key beside it clients would look for a client certificate.
    trust: Path

    @property
    def ca(self) -> Path:
        return self.trust / "ca.crt"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy: where it listens, and the certificate it shows."""

    port: int
    certificate: Certificate

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connect(self) -> ssl.SSLSocket:
        """A TLS connection that trusts only this proxy's certificate."""
        context = ssl.create_default_context(cafile=str(self.certificate.ca))
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")


def certificate(directory: Path) -> Certificate:
    (directory / "trust").mkdir(parents=True)
    made = Certificate(directory / "server.crt", directory / "server.key", directory / "trust")
    words = [
        need("openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(made.key), "-out", str(made.chain)]
    subprocess.run([*words, *names, *files], check=True, capture_output=True, timeout=60)
    made.ca.write_bytes(made.chain.read_bytes())
    return made


@contextlib.contextmanager
def nginx(root: Path, gateway: str) -> Iterator[Proxy]:
    """nginx with the shipped sample in front of ``gateway`` (host:port)."""
    program, port, made = need("nginx"), free_port(), certificate(root)
    text = (SAMPLES / "nginx.conf").read_text(encoding="utf-8")
    for sample, ours in {
        "server 127.0.0.1:5000;": f"server {gateway};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/holdfast/tls/server.crt": str(made.chain),
        "/etc/holdfast/tls/server.key": str(made.key),
        # Nothing is buffered, yet nginx makes the folders for it at start: not in the system's.
        "access_log off;": f"access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxied;",
    }.items():
        assert text.count(sample) == 1, f"the sample should contain {sample!r} once"
        text = text.replace(sample, ours)
    (root / "nginx.conf").write_text(text, encoding="utf-8")
    own = f"daemon off; pid {root}/pid; error_log stderr;"
    argv = [program, "-e", "stderr", "-p", str(root), "-c", str(root / "nginx.conf"), "-g", own]
    proxy = Proxy(port, made)
    with daemon(argv, root / "log", lambda: passes(proxy), {}):
        yield proxy


@contextlib.contextmanager
def haproxy(root: Path, gateway: str) -> Iterator[Proxy]:
    """HAProxy with the shipped sample in front of ``gateway`` (host:port)."""
    program, port, made = need("haproxy"), free_port(), certificate(root)
    both = root / "server.pem"
    both.write_bytes(made.chain.read_bytes() + made.key.read_bytes())
    settings = {
        "HOLDFAST_LISTEN": f"127.0.0.1:{port}",
        "HOLDFAST_CERTIFICATE": str(both),
        "HOLDFAST_GATEWAY": gateway,
    }
    argv = [program, "-db", "-f", str(SAMPLES / "haproxy.cfg")]
    proxy = Proxy(port, made)
    with daemon(argv, root / "log", lambda: passes(proxy), settings):
        yield proxy


def passes(proxy: Proxy) -> bool:
    """The gateway behind the proxy says, through it, that it is ready."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return ask(proxy, "GET", "/readyz").status == 200
    return False


def ask(proxy: Proxy, method: str, path: str) -> http.client.HTTPResponse:
    """One request with an empty body, and its answer, of which the body has been read."""
    with proxy.connect() as connection:
        head = f"{method} {path} HTTP/1.1\r\nHost: {proxy.host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        answer.read()
        return answer
