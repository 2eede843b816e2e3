"""A client that sends what the official conformance programs send, and remembers what every answer must look like.

Requests have the shape Go's ``net/http`` gives them: one kept-alive connection, ``Accept-Encoding: gzip`` on plain GETs, a query
that is re-encoded in key order, ``Content-Length: 0`` on a POST, PUT or PATCH without a body, no length at all on a GET, HEAD or
DELETE, and chunked transfer coding wherever the official program sets a body without its length.

:meth:`Client.send` checks what holds for every answer (:func:`check_form`). It never retries and follows no redirect: a registry
that drops a kept-alive connection, or sends clients elsewhere, fails the test.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OCTETS: Final = "application/octet-stream"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
# Two lines, as the official program sends them.
ACCEPT: Final = (("Accept", OCI_INDEX), ("Accept", OCI_MANIFEST))
# distribution-spec, "Error Codes", and the codes that clients know from the Docker API besides.
ERROR_CODES: Final = frozenset(
    {
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED",
        "TOOMANYREQUESTS",
        "UNKNOWN",
        "UNAVAILABLE",
        "RANGE_INVALID",
        "TAG_INVALID",
        "MANIFEST_UNVERIFIED",
        "PAGINATION_NUMBER_INVALID",
    }
)
_PIECE_BYTES: Final = 32 * 1024
_USUALLY_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``target`` is what was asked for, so that a relative Location can be resolved."""

    method: str
    target: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name: str) -> str | None:
        found = self.values(name)
        return found[0] if found else None

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        """Path and query of the Location, whether it was relative or absolute."""
        text = self.header("Location")
        assert text, f"{self} has no Location"
        parts = urlsplit(urljoin(self.target, text))
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def error_code(self) -> str:
        return str(self.json()["errors"][0]["code"])

    def __str__(self) -> str:
        return f"{self.method} {self.target} -> {self.status} {dict(self.headers)} {self.body[:300]!r}"


class Client:
    """One connection to one registry, opened when needed."""

    def __init__(self, host: str, *, strict: bool = True) -> None:
        """``strict=False`` leaves out :func:`check_form`, for registries other than ours."""
        self._connection = http.client.HTTPConnection(host, timeout=60)
        self._strict = strict

    def close(self) -> None:
        self._connection.close()

    def send(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None = None,
        *,
        length: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Answer:
        """One request. A ``body`` without ``length`` goes out chunked, an empty one as an empty chunked body."""
        connection = self._connection
        connection.putrequest(method, target, skip_accept_encoding=True)
        connection.putheader("User-Agent", "Go-http-client/1.1")
        for name, value in headers:
            connection.putheader(name, value)
        if method != "HEAD" and not any(name in ("Range", "Accept-Encoding") for name, _ in headers):
            connection.putheader("Accept-Encoding", "gzip")
        if body is None:
            if method in _USUALLY_WITH_BODY:
                connection.putheader("Content-Length", "0")
        elif length is not None:
            connection.putheader("Content-Length", str(length))
        else:
            connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        # A registry may refuse before it has read everything: what it says then is still to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in _pieces(body):
                connection.send(piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
            if body is not None and length is None:
                connection.send(b"0\r\n\r\n")
        response = connection.getresponse()
        data = response.read()
        headers_got = tuple((name.lower(), value) for name, value in response.getheaders())
        answer = Answer(method, target, response.status, headers_got, data)
        if self._strict:
            check_form(answer)
        return answer

    def expect(self, status: int, method: str, target: str, *args: Any, **options: Any) -> Answer:
        answer = self.send(method, target, *args, **options)
        assert answer.status == status, f"wanted {status}: {answer}"
        return answer

    # The requests that every suite needs, as the official program makes them.

    def get_blob(self, repo: str, digest: str) -> Answer:
        return self.send("GET", f"/v2/{repo}/blobs/{digest}")

    def head_blob(self, repo: str, digest: str) -> Answer:
        return self.send("HEAD", f"/v2/{repo}/blobs/{digest}")

    def get_manifest(self, repo: str, reference: str) -> Answer:
        return self.send("GET", f"/v2/{repo}/manifests/{reference}", headers=ACCEPT)

    def head_manifest(self, repo: str, reference: str) -> Answer:
        return self.send("HEAD", f"/v2/{repo}/manifests/{reference}", headers=ACCEPT)

    def put_manifest(self, repo: str, reference: str, data: bytes, media_type: str = OCI_MANIFEST) -> Answer:
        return self.send("PUT", f"/v2/{repo}/manifests/{reference}", data, headers=[("Content-Type", media_type)])

    def start_upload(self, repo: str) -> Answer:
        """POST for a session: 202 with a Location."""
        return self.expect(202, "POST", f"/v2/{repo}/blobs/uploads/")

    def push_blob(self, repo: str, digest: str, data: bytes) -> Answer:
        """POST and PUT, where a test needs a blob and does not care how it came."""
        target = with_query(self.start_upload(repo).location, digest=digest)
        return self.expect(201, "PUT", target, data, length=len(data), headers=[("Content-Type", OCTETS)])


def with_query(target: str, **more: str) -> str:
    """``target`` with parameters set, the whole query re-encoded in key order as Go's ``url.Values`` does."""
    path, _, query = target.partition("?")
    pairs = [(k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k not in more]
    return f"{path}?{urlencode(sorted([*pairs, *more.items()]))}"


def check_form(answer: Answer) -> None:
    """What must be true of every answer of the API (distribution-spec, "Error Codes"; Docker API header; no content coding)."""
    assert not answer.values("Content-Encoding"), f"compressed: {answer}"
    assert answer.header("Docker-Distribution-Api-Version") == "registry/2.0", str(answer)
    assert not 300 <= answer.status < 400 or answer.status == 304, f"redirected: {answer}"
    assert answer.status < 500, str(answer)
    if answer.method == "HEAD" or answer.status in (204, 304):
        assert answer.body == b"", str(answer)
    else:
        assert answer.header("Content-Length") == str(len(answer.body)), str(answer)
    if answer.status >= 400 and answer.method != "HEAD":
        assert answer.header("Content-Type") == "application/json", str(answer)
        errors = answer.json()["errors"]
        assert errors, str(answer)
        assert all(e["code"] in ERROR_CODES and isinstance(e["message"], str) for e in errors), str(answer)


def _pieces(body: bytes | Iterable[bytes] | None) -> Iterable[bytes]:
    if body is None:
        return ()
    if not isinstance(body, bytes):
        return (piece for piece in body if piece)
    return (body[at : at + _PIECE_BYTES] for at in range(0, len(body), _PIECE_BYTES))
