"""The OCI distribution API as one client sees it (distribution-spec, "Endpoints"): one :class:`Client`, one connection.

Every call returns how long it took, or raises :class:`AnswerError` whose reason names verb and status. Redirected blobs
are followed, without credentials on another host. Uploads go as POST + PATCH with Content-Length + PUT, the way podman and
crane send them; an upload that fails half-way is cancelled so that the registry need not wait for its expiry.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from holdfast.errors import AnswerError
from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench.content import MANIFEST_TYPE, Blob, Manifest
from holdfast.ops.bench.http import Answer, Connection, FileBody, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from holdfast.ops.bench.auth import Authorizer
    from holdfast.ops.bench.endpoint import Dialer, Endpoint

ACCEPT: Final = ("Accept", f"{MANIFEST_TYPE}, application/vnd.docker.distribution.manifest.v2+json")
CATALOG_SCOPE: Final = "registry:catalog:*"
_REDIRECT: Final = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_FOLLOWED: Final = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one operation took, in whole and until the first byte of its answer."""

    seconds: float
    first_byte_seconds: float | None = None


def scope_of(repository: str) -> str:
    """What a token must be good for. Pull comes with push: one token serves a whole scenario."""
    return f"repository:{repository}:pull,push"


class Client:
    """One connection to the registry. Not shared between threads."""

    def __init__(self, endpoint: Endpoint, dialer: Dialer, authorizer: Authorizer) -> None:
        self._endpoint = endpoint
        self._dialer = dialer
        self._authorizer = authorizer
        self._connection = Connection(endpoint, dialer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def reconnects(self) -> int:
        return self._connection.reconnects

    def ping(self) -> None:
        """``GET /v2/``: is this a registry, and what login does it want?

        Raises:
            AnswerError: it is not one, cannot be reached, or refuses the login.
        """
        answer = self._send(Request("GET", "/v2/"), "")
        if answer.status != 200:
            raise _unexpected("GET /v2/", answer)

    def push_blob(self, repository: str, blob: Blob) -> Timing:
        """Upload; the time runs from the POST to the 201."""
        scope = scope_of(repository)
        opened = self._send(Request("POST", f"/v2/{repository}/blobs/uploads/"), scope)
        if opened.status != 202:
            raise _unexpected("POST upload", opened)
        place = self._location(opened)
        try:
            return self._upload(place, blob, scope, opened.seconds)
        except (AnswerError, KeyboardInterrupt):
            self._cancel(place, scope)
            raise

    def _upload(self, place: str, blob: Blob, scope: str, spent_seconds: float) -> Timing:
        body = FileBody(blob.path, blob.size_bytes) if blob.path else blob.data
        kind = (("Content-Type", "application/octet-stream"),)
        sent = self._send(Request("PATCH", place, kind, body), scope)
        if sent.status != 202:
            raise _unexpected("PATCH upload", sent)
        place = self._location(sent)
        closing = f"{place}{'&' if '?' in place else '?'}digest={blob.digest}"
        closed = self._send(Request("PUT", closing), scope)
        if closed.status != 201:
            raise _unexpected("PUT upload", closed)
        return Timing(spent_seconds + sent.seconds + closed.seconds)

    def _cancel(self, place: str, scope: str) -> None:
        try:
            self._send(Request("DELETE", place), scope)
        except AnswerError:
            # Cleaning up after a failure that is being reported already; the registry expires uploads by itself.
            return

    def pull_blob(self, repository: str, blob: Blob, *, verify: bool = False) -> Timing:
        """Download and count; with ``verify`` hash as well (which costs the generator a core at a GB/s)."""
        hasher = hashlib.sha256() if verify else None
        request = Request("GET", f"/v2/{repository}/blobs/{blob.digest}")
        answer = self._download(request, scope_of(repository), hasher.update if hasher else None)
        if answer.status != 200:
            raise _unexpected("GET blob", answer)
        if answer.body_bytes != blob.size_bytes:
            raise AnswerError(f"{blob.digest} has {answer.body_bytes} bytes", reason="GET blob wrong size")
        if hasher and hasher.hexdigest() != blob.digest.encoded:
            raise AnswerError(f"other bytes than {blob.digest} came back", reason="GET blob wrong bytes")
        return Timing(answer.seconds, answer.first_byte_seconds)

    def has_blob(self, repository: str, blob: Blob) -> tuple[bool, Timing]:
        answer = self._send(Request("HEAD", f"/v2/{repository}/blobs/{blob.digest}"), scope_of(repository))
        if answer.status not in {200, 404}:
            raise _unexpected("HEAD blob", answer)
        return answer.status == 200, Timing(answer.seconds, answer.first_byte_seconds)

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> Timing:
        request = Request(
            "PUT", f"/v2/{repository}/manifests/{reference}", (("Content-Type", MANIFEST_TYPE),), manifest.data
        )
        answer = self._send(request, scope_of(repository))
        if answer.status != 201:
            raise _unexpected("PUT manifest", answer)
        return Timing(answer.seconds, answer.first_byte_seconds)

    def get_manifest(self, repository: str, reference: str) -> Timing:
        answer = self._send(Request("GET", f"/v2/{repository}/manifests/{reference}", (ACCEPT,)), scope_of(repository))
        if answer.status != 200:
            raise _unexpected("GET manifest", answer)
        return Timing(answer.seconds, answer.first_byte_seconds)

    def probe(self, target: str, scope: str) -> int:
        """The status that a GET gets; for finding out what the registry offers."""
        return self._send(Request("GET", target), scope).status

    def delete(self, repository: str, what: str) -> int:
        """Delete ``manifests/...`` or ``blobs/...``; the answer is the status, whatever it is."""
        return self._send(Request("DELETE", f"/v2/{repository}/{what}"), scope_of(repository)).status

    def _send(self, request: Request, scope: str) -> Answer:
        return self._authorized(request, scope, self._connection.exchange)

    def _download(self, request: Request, scope: str, see: Callable[[memoryview], object] | None) -> Answer:
        answer = self._authorized(request, scope, lambda ready: self._connection.download(ready, see))
        seconds = 0.0
        at = f"{self._endpoint.url}{request.target}"
        for _ in range(_REDIRECTS_FOLLOWED):
            if answer.status not in _REDIRECT:
                break
            seconds += answer.seconds
            at = urljoin(at, answer.headers.get("location", ""))
            parts = urlsplit(at)
            target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
            # A connection for each: object stores hand out another host name whenever they like.
            with Connection(endpoints.parse(f"{parts.scheme}://{parts.netloc}"), self._dialer) as elsewhere:
                answer = elsewhere.download(Request("GET", target), see)
        return replace(answer, seconds=answer.seconds + seconds, first_byte_seconds=answer.first_byte_seconds + seconds)

    def _authorized(self, request: Request, scope: str, run: Callable[[Request], Answer]) -> Answer:
        answer = run(self._signed(request, scope))
        if answer.status == 401:
            self._authorizer.learn(answer, scope)
            answer = run(self._signed(request, scope))
        return answer

    def _signed(self, request: Request, scope: str) -> Request:
        header = self._authorizer.header(scope)
        return replace(request, headers=(*request.headers, ("Authorization", header))) if header else request

    def _location(self, answer: Answer) -> str:
        location = answer.headers.get("location", "")
        parts = urlsplit(location)
        if not parts.path.startswith("/"):
            raise AnswerError(f"an upload without a usable Location: {location[:80]!r}", reason="no Location")
        return f"{parts.path}{f'?{parts.query}' if parts.query else ''}"


def _unexpected(what: str, answer: Answer) -> AnswerError:
    return AnswerError(f"{what} answered {answer.status} {_code_of(answer.body)}".rstrip(), f"{what} {answer.status}")


def _code_of(body: bytes) -> str:
    """The first OCI error code of a body, for the message only."""
    try:
        return str(json.loads(body)["errors"][0]["code"])[:64]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
