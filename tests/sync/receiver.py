"""A registry in memory that images are pushed to, and that fails as it is told.

with Receiver().serving() as target:
    target.cuts = [5000, 7000]           the next uploads break off after so many bytes of a PATCH
    target.resumes = False               an upload that broke off cannot be asked for
    target.throttles = 2                 the next two writes are answered 429
    target.has_referrers = False         no referrers API, no OCI-Subject
    target.misnames = True               a PUT of a manifest is answered with another digest
    target.sends_to = "http://..."       where uploads are said to go on
    target.asked("PUT", "/blobs/")       as of Hostile
"""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.sync.hostile import Hostile
from tests.sync.peers import OCI_INDEX, described, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sync.hostile import Call

_UPLOADS = "/blobs/uploads/"


@dataclass
class Receiver:
    # By repository and name: the digest, and for manifests the tags.
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    resumes: bool = True
    throttles: int = 0
    has_referrers: bool = True
    misnames: bool = False
    sends_to: str = ""
    received_bytes: int = 0
    # The ports that requests came from.
    connections: set[int] = field(default_factory=set)
    server: Hostile | None = None

    @contextlib.contextmanager
    def serving(self) -> Iterator[Receiver]:
        self._count = itertools.count(1)
        with Hostile(self._answer, reads_bodies=False) as self.server:
            yield self

    @property
    def running(self) -> Hostile:
        assert self.server is not None
        return self.server

    @property
    def url(self) -> str:
        return self.running.url

    def asked(self, method: str = "", part: str = "") -> list[dict[str, str]]:
        return self.running.asked(method, part)

    def methods(self) -> list[str]:
        """What was asked since the last time."""
        found = [method for method, _, _ in self.running.seen]
        self.running.seen.clear()
        return found

    def _answer(self, call: Call) -> None:
        self.connections.add(call.handler.client_address[1])
        self._route(call)

    def _route(self, call: Call) -> None:
        path = call.path.removeprefix("/v2/")
        if self.throttles and call.method in {"POST", "PATCH", "PUT"}:
            self.throttles -= 1
            call.read_body()
            call.answer(429, Retry_After="1")
        elif _UPLOADS in path:
            repository, _, upload = path.partition(_UPLOADS)
            self._upload(call, repository, upload)
        elif "/manifests/" in path:
            repository, _, name = path.partition("/manifests/")
            self._manifest(call, repository, name)
        elif "/referrers/" in path and self.has_referrers:
            repository, _, subject = path.partition("/referrers/")
            call.answer(200, self._list(repository, subject), Content_Type=OCI_INDEX)
        else:
            repository, _, digest = path.partition("/blobs/")
            data = self.blobs.get((repository, digest))
            call.answer(404) if data is None else call.answer(200, data)

    def _upload(self, call: Call, repository: str, upload: str) -> None:
        query = parse_qs(urlsplit(call.target).query)
        here = f"{self.sends_to}/v2/{repository}{_UPLOADS}{upload}?state=1"
        if call.method == "POST":
            self._begin(call, repository, query)
        elif upload not in self.uploads or (call.method == "GET" and not self.resumes):
            call.read_body()
            call.answer(404)
        elif call.method == "PATCH":
            self._append(call, here, self.uploads[upload])
        elif call.method == "GET":
            call.answer(204, Location=here, Range=_range(self.uploads[upload]))
        elif call.method == "DELETE":
            del self.uploads[upload]
            call.answer(204)
        else:
            self._close(call, repository, query["digest"][0], bytes(self.uploads.pop(upload)) + call.read_body())

    def _begin(self, call: Call, repository: str, query: dict[str, list[str]]) -> None:
        digest = query.get("mount", [""])[0]
        source = self.blobs.get((query.get("from", [""])[0], digest))
        if source is not None:
            self.blobs[repository, digest] = source
            call.answer(201, Location=f"/v2/{repository}/blobs/{digest}", Docker_Content_Digest=digest)
            return
        upload = str(next(self._count))
        self.uploads[upload] = bytearray()
        where = f"{self.sends_to}/v2/{repository}{_UPLOADS}{upload}?state=1"
        call.answer(202, Location=where, Range="0-0")

    def _append(self, call: Call, here: str, held: bytearray) -> None:
        start = int(call.headers.get("content-range", "0-").partition("-")[0])
        if start != len(held):
            call.read_body()
            call.answer(416, Location=here, Range=_range(held))
            return
        cut = self.cuts.pop(0) if self.cuts else None
        data = call.read_body(cut)
        held += data
        self.received_bytes += len(data)
        if cut is not None:
            call.hang_up()
        else:
            call.answer(202, Location=here, Range=_range(held))

    def _close(self, call: Call, repository: str, digest: str, data: bytes) -> None:
        if digest_of(data) != digest:
            call.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
            return
        self.blobs[repository, digest] = data
        self.order.append(digest)
        call.answer(201, Location=f"/v2/{repository}/blobs/{digest}", Docker_Content_Digest=digest)

    def _manifest(self, call: Call, repository: str, name: str) -> None:
        if call.method != "PUT":
            kind, data = self.manifests.get((repository, name), ("", b""))
            if kind:
                call.answer(200, data, Content_Type=kind, Docker_Content_Digest=digest_of(data))
            else:
                call.answer(404)
            return
        data = call.read_body()
        record = json.loads(data)
        missing = [one for one in _named(record) if (repository, one) not in {**self.blobs, **self.manifests}]
        if missing:
            call.answer(400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}')
            return
        for one in (name, digest_of(data)):
            self.manifests[repository, one] = (call.headers["content-type"], data)
        self.order.append(name)
        more = {}
        if self.has_referrers and "subject" in record:
            more["OCI_Subject"] = record["subject"]["digest"]
        said = digest_of(b"something else" if self.misnames else data)
        call.answer(201, Location=call.path, Docker_Content_Digest=said, **more)

    def _list(self, repository: str, subject: str) -> bytes:
        found = []
        for (where, name), (kind, data) in self.manifests.items():
            record: dict[str, Any] = json.loads(data)
            if where == repository and name == digest_of(data) and record.get("subject", {}).get("digest") == subject:
                found.append(described(data, kind))
        return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}).encode()


def _named(record: dict[str, Any]) -> list[str]:
    parts = [*record.get("layers", []), *record.get("manifests", []), *filter(None, [record.get("config")])]
    return [part["digest"] for part in parts]


def _range(held: bytearray) -> str:
    return f"0-{max(0, len(held) - 1)}"
