"""An upstream that counts what it gives, and stops in the middle of a blob until it is told to go on.

with Stock().serving() as stock:
    stock.image("team/app", "v1", layer)
    gate = stock.hold(layer, after_bytes=1000)     # each answer stops there until gate.set(), or at the next one
    stock.given[digest_of(layer)]                  # bytes of it that were written so far
    stock.asked("GET", "/blobs/")                  # as of Hostile
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.sync.hostile import Hostile
from tests.sync.peers import digest_of, image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sync.hostile import Call

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Gate:
    after_bytes: int
    opened: threading.Event


@dataclass
class Stock:
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    given: Counter[str] = field(default_factory=Counter)
    # Digests that are claimed of whatever is given for them.
    liars: set[str] = field(default_factory=set)
    # Answered to everything, in place of what is asked for.
    failing: int = 0
    # Each answer for a blob breaks off after so many bytes.
    cut_bytes: int | None = None
    server: Hostile | None = None

    @contextlib.contextmanager
    def serving(self) -> Iterator[Stock]:
        with Hostile(self._answer) as self.server:
            try:
                yield self
            finally:
                for gate in self.gates.values():
                    gate.opened.set()

    @property
    def url(self) -> str:
        return self._running.url

    @property
    def host(self) -> str:
        return self._running.host

    @property
    def _running(self) -> Hostile:
        assert self.server is not None
        return self.server

    @property
    def connected(self) -> set[int]:
        return self._running.connected

    def asked(self, method: str, part: str) -> list[dict[str, str]]:
        return self._running.asked(method, part)

    def image(self, repository: str, tag: str, *layers: bytes) -> bytes:
        """Have an image, and its manifest's bytes."""
        return self.manifest(repository, tag, image(*layers), *layers)

    def manifest(self, repository: str, tag: str, manifest: bytes, *layers: bytes) -> bytes:
        """Have a manifest, and the blobs that it names."""
        for blob in (*layers, b"{}"):
            self.blobs[f"{repository}/blobs/{digest_of(blob)}"] = blob
        for reference in (tag, digest_of(manifest)):
            self.manifests[f"{repository}/manifests/{reference}"] = manifest
        return manifest

    def hold(self, blob: bytes, after_bytes: int) -> threading.Event:
        gate = Gate(after_bytes, threading.Event())
        self.gates[digest_of(blob)] = gate
        return gate.opened

    def spoil(self, repository: str, blob: bytes) -> None:
        """Give as many other bytes for it from now on."""
        self.blobs[f"{repository}/blobs/{digest_of(blob)}"] = blob[:-1] + bytes([blob[-1] ^ 1])

    def _answer(self, call: Call) -> None:
        name = call.path.removeprefix("/v2/")
        if self.failing:
            call.answer(self.failing)
        elif name in self.manifests:
            data = self.manifests[name]
            kind = json.loads(data)["mediaType"]
            said = name.rpartition("/")[2]
            digest = said if said in self.liars else digest_of(data)
            call.answer(200, data, Content_Type=kind, Docker_Content_Digest=digest)
        elif name in self.blobs:
            self._give(call, name.rpartition("/")[2], self.blobs[name])
        else:
            call.answer(404)

    def _give(self, call: Call, digest: str, data: bytes) -> None:
        start = int(call.headers.get("range", "bytes=0-")[6:-1])
        ranged = f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}\r\n" if start else ""
        call.raw(f"HTTP/1.1 {206 if start else 200} X\r\nContent-Length: {len(data) - start}\r\n{ranged}\r\n".encode())
        if call.method == "HEAD":
            return
        at_bytes = start
        end_bytes = len(data) if self.cut_bytes is None else min(len(data), start + self.cut_bytes)
        while at_bytes < end_bytes:
            stop, gate = at_bytes + _PIECE_BYTES, self.gates.get(digest)
            if gate is not None and not gate.opened.is_set():
                if at_bytes >= gate.after_bytes:
                    gate.opened.wait(120)
                    continue
                stop = min(stop, gate.after_bytes)
            piece = data[at_bytes : min(stop, end_bytes)]
            if not call.try_raw(piece):
                return
            at_bytes += len(piece)
            self.given[digest] += len(piece)
        if end_bytes < len(data):
            call.hang_up()
