"""Debian's docker-registry and distribution 3 as upstreams: anonymous, with htpasswd, with a token service of ours, with TLS.

Each is started on an empty directory below loopback, filled over its own API, and stopped by its pid.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import bcrypt

from tests.clients.programs import daemon, need
from tests.serving import free_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

LOGIN = "Basic " + base64.b64encode(b"alice:s3cret").decode()
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def image(*layers: bytes, config: bytes = b"{}", **members: Any) -> bytes:
    """A manifest of these blobs."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": described(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [described(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
            **members,
        }
    ).encode()


def described(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


@dataclass
class Peer:
    """A running registry. ``write`` is what goes into Authorization for a push into a repository."""

    url: str
    context: ssl.SSLContext | None = None
    writer: Any = field(default=lambda repository: None)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def request(self, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, Message, bytes]:
        """One request on a connection of its own."""
        if self.context:
            connection: Any = http.client.HTTPSConnection(self.host, timeout=30, context=self.context)
        else:
            connection = http.client.HTTPConnection(self.host, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def push_blob(self, repository: str, data: bytes) -> str:
        authorization = self._authorization(repository)
        status, headers, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/", **authorization)
        assert status == 202, status
        parts = urlsplit(headers["Location"])
        target = f"{parts.path}?{parts.query}&digest={digest_of(data)}"
        kind = {"Content-Type": "application/octet-stream"}
        status, _, said = self.request("PUT", target, data, **kind, **authorization)
        assert status == 201, said
        return digest_of(data)

    def push_manifest(self, repository: str, reference: str, data: bytes, media_type: str = OCI) -> str:
        kind = {"Content-Type": media_type}
        target = f"/v2/{repository}/manifests/{reference}"
        status, _, said = self.request("PUT", target, data, **kind, **self._authorization(repository))
        assert status == 201, said
        return digest_of(data)

    def push_image(self, repository: str, tag: str, *layers: bytes) -> str:
        for blob in (*layers, b"{}"):
            self.push_blob(repository, blob)
        return self.push_manifest(repository, tag, image(*layers))

    def _authorization(self, repository: str) -> dict[str, str]:
        value = self.writer(repository)
        return {"Authorization": value} if value else {}


@contextlib.contextmanager
def docker_registry(directory: Path, port: int = 0, program: str = "docker-registry", **sections: Any) -> Iterator[str]:
    """Started with these sections in its configuration (``auth``, and ``tls`` inside ``http``): its host and port.

    ``program`` is ``registry`` for distribution 3.
    """
    program = need(program)
    directory.mkdir(parents=True)
    port = port or free_port()
    record = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "tests", **sections.pop("http", {})},
        **sections,
    }
    config = directory / "config.yml"
    config.write_text(json.dumps(record))

    # Without this distribution 3 looks for a collector of traces with every request.
    quiet = {"OTEL_TRACES_EXPORTER": "none"}

    def answers() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/v2/")
                return connection.getresponse().status > 0
        return False

    with daemon([program, "serve", str(config)], directory / "log", answers, quiet):
        yield f"127.0.0.1:{port}"


def htpasswd(path: Path) -> Path:
    path.write_bytes(b"alice:" + bcrypt.hashpw(b"s3cret", bcrypt.gensalt(5)).replace(b"$2b$", b"$2y$") + b"\n")
    return path
