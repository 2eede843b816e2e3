"""The upstream of cache.py: images of any shape, served from memory at a rate that is told, with every byte of a blob counted.

    python tests/bench/upstream.py PORT
    GET /v2/bench/5x100/whatever/manifests/v1     an image of five layers of 100 MB, another one under each name
    PUT /rate/10000000                            from here on so many bytes a second over all connections; 0: as fast as it goes
    GET /given                                    how many bytes of blobs have been sent, in all

A process of its own, so that it competes for nothing with the clients that measure.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MEGABYTE = 1_000_000
_PIECE_BYTES = 64 << 10
OCI = "application/vnd.oci.image.manifest.v1+json"
# All layers have the same bytes but for a head of their own: what they hold is not what is measured.
_BODY = os.urandom(MEGABYTE)


class Rate:
    """A line that all connections share. Shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._bytes_per_second = 0

    def set(self, bytes_per_second: int) -> None:
        with self._lock:
            self._bytes_per_second, self._free_at = bytes_per_second, 0.0

    def wait(self, count_bytes: int) -> None:
        with self._lock:
            if not self._bytes_per_second:
                return
            now = time.monotonic()
            # The first pieces go at once; what was not used for long is not made up for.
            self._free_at = max(self._free_at, now) + count_bytes / self._bytes_per_second
            left_seconds = self._free_at - now - count_bytes / self._bytes_per_second
        if left_seconds > 0:
            time.sleep(left_seconds)


class Shelf:
    """Blobs by digest: head and length. Shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: dict[str, tuple[bytes, int]] = {}
        self.given_bytes = 0

    def manifest(self, repository: str) -> bytes:
        layers, megabytes = map(int, repository.split("/")[1].split("x"))
        config = self._blob(f"{repository} config", 200)
        made = [self._blob(f"{repository} {number}", megabytes * MEGABYTE) for number in range(layers)]
        record = {
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer} for layer in made],
        }
        return json.dumps(record).encode()

    def _blob(self, name: str, size_bytes: int) -> dict[str, Any]:
        head = hashlib.sha256(name.encode()).digest()
        hasher = hashlib.sha256()
        for piece in pieces(head, 0, size_bytes):
            hasher.update(piece)
        digest = f"sha256:{hasher.hexdigest()}"
        with self._lock:
            self._blobs[digest] = (head, size_bytes)
        return {"digest": digest, "size": size_bytes}

    def blob(self, digest: str) -> tuple[bytes, int] | None:
        with self._lock:
            return self._blobs.get(digest)

    def gave(self, count_bytes: int) -> None:
        with self._lock:
            self.given_bytes += count_bytes


def pieces(head: bytes, start: int, size_bytes: int) -> Any:
    """The bytes of a blob from an offset on."""
    body = memoryview(_BODY)
    while start < size_bytes:
        if start < len(head):
            piece = memoryview(head)[start:size_bytes]
        else:
            at = start % len(body)
            piece = body[at : at + min(_PIECE_BYTES, size_bytes - start)]
        yield piece
        start += len(piece)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    disable_nagle_algorithm = True
    shelf = Shelf()
    rate = Rate()

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_PUT(self) -> None:
        self.rate.set(int(self.path.rpartition("/")[2]))
        self._answer(b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        repository, _, reference = self.path.removeprefix("/v2/").rpartition("/")
        if self.path == "/v2/":
            self._answer(b"{}")
        elif self.path == "/given":
            self._answer(str(self.shelf.given_bytes).encode())
        elif repository.endswith("/manifests"):
            data = self.shelf.manifest(repository.removesuffix("/manifests"))
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            self._answer(data, ("Content-Type", OCI), ("Docker-Content-Digest", digest))
        else:
            self._give(reference)

    def _answer(self, data: bytes, *headers: tuple[str, str], status: int = 200) -> None:
        self._head(status, ("Content-Length", str(len(data))), *headers)
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def _give(self, digest: str) -> None:
        found = self.shelf.blob(digest)
        if found is None:
            self._answer(b"", status=404)
            return
        head, size_bytes = found
        start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        ranged = [("Content-Range", f"bytes {start}-{size_bytes - 1}/{size_bytes}")] if start else []
        self._head(
            206 if start else 200,
            ("Content-Length", str(size_bytes - start)),
            ("Content-Type", "application/octet-stream"),
            ("Docker-Content-Digest", digest),
            *ranged,
        )
        if self.command == "HEAD":
            return
        for piece in pieces(head, start, size_bytes):
            self.rate.wait(len(piece))
            try:
                self.connection.sendall(piece)
            except OSError:
                self.close_connection = True
                return
            self.shelf.gave(len(piece))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news."""


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
