"""Blobs over HTTP: GET, HEAD, DELETE (end-2, end-10), with ranges and conditional requests."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Final

from gateway.http import ranges
from gateway.http.headers import etag_of, matches, set_digest
from gateway.http.ranges import Span
from gateway.http.send import FileBody, StreamBody
from gateway.local import open_blob
from holdfast import digest as digests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from falcon import Request, Response

    from gateway.blobs import BlobInfo, Blobs
    from gateway.http.paths import Route
    from gateway.lanes import Lanes
    from holdfast.digest import Digest
    from holdfast.names import Repository

_OCTETS: Final = "application/octet-stream"
# A body this small leaves the thread at once, for it fits into the socket's buffer; it needs no lane and no sendfile.
_SMALL_BYTES: Final = 64 * 1024
# Blobs never change under their name.
_FOREVER: Final = "max-age=31536000, immutable"


class BlobsResource:
    """One method a verb; raises the errors of :mod:`gateway.blobs`."""

    def __init__(self, blobs: Blobs, lanes: Lanes, pulled: Callable[[Repository, Digest], None]) -> None:
        self._blobs = blobs
        self._lanes = lanes
        self._pulled = pulled

    def head(self, _req: Request, resp: Response, route: Route) -> None:
        info = self._blobs.confirmed(route.repository, digests.parse(route.argument))
        # Who pushes asks before, and what was found should still be here when the manifest comes.
        self._pulled(route.repository, info.digest)
        _describe(resp, info)
        resp.content_type = _OCTETS
        resp.content_length = info.size_bytes

    def get(self, req: Request, resp: Response, route: Route) -> None:
        info = self._blobs.linked(route.repository, digests.parse(route.argument))
        if info.expected_in is None:  # what is only coming now gets a link, which tells as much
            self._pulled(route.repository, info.digest)
        tag = _describe(resp, info)
        if matches(req.get_header("If-None-Match"), tag):
            resp.status = "304 Not Modified"
            return
        spans: Sequence[Span] = ()
        wanted = req.get_header("Range")
        if wanted and ranges.still_valid(req.get_header("If-Range"), tag):
            spans = ranges.choose(wanted, info.size_bytes)
        resp.content_type = _OCTETS
        if spans:
            resp.status = "206 Partial Content"
        if len(spans) == 1:
            resp.set_header("Content-Range", spans[0].of(info.size_bytes))
        self._send(req, resp, info, spans)

    def delete(self, _req: Request, resp: Response, route: Route) -> None:
        self._blobs.unlink(route.repository, digests.parse(route.argument))
        resp.status = "202 Accepted"
        resp.content_length = 0

    def _send(self, req: Request, resp: Response, info: BlobInfo, spans: Sequence[Span]) -> None:
        local = self._blobs.open_local(info)
        descriptor = open_blob(local) if local is not None else None
        if descriptor is None:
            self._send_streamed(resp, info, spans)
            return
        parts = _parts(resp, info, spans)
        length = sum(len(p) if isinstance(p, bytes) else p.length_bytes for p in parts)
        resp.content_length = length
        if length <= _SMALL_BYTES:
            body = FileBody(descriptor, parts, {}, _nothing)
            try:
                resp.data = b"".join(body)
            finally:
                body.close()
            return
        try:
            leave = self._lanes.enter("pull")
        except BaseException:
            os.close(descriptor)
            raise
        resp.stream = FileBody(descriptor, parts, req.env, leave)

    def _send_streamed(self, resp: Response, info: BlobInfo, spans: Sequence[Span]) -> None:
        """Through a node's stream. Several ranges are answered with the whole: each part would be a call of its own."""
        whole = len(spans) != 1
        if spans and whole:
            resp.status = "200 OK"
        span = Span(0, info.size_bytes - 1) if whole else spans[0]
        resp.content_length = span.length_bytes
        leave = self._lanes.enter("pull")
        try:
            pieces = self._blobs.read(info, span.first, None if whole else span.length_bytes)
            resp.stream = StreamBody(pieces, span.length_bytes, leave)
        except BaseException:
            leave()
            raise


def _describe(resp: Response, info: BlobInfo) -> str:
    tag = etag_of(info.digest)
    set_digest(resp, info.digest)
    resp.set_header("ETag", tag)
    resp.set_header("Accept-Ranges", "bytes")
    resp.set_header("Cache-Control", _FOREVER)
    return tag


def _parts(resp: Response, info: BlobInfo, spans: Sequence[Span]) -> list[bytes | Span]:
    """The body as bytes and spans; several spans become multipart/byteranges (RFC 9110, section 14.6)."""
    if not spans:
        return [Span(0, info.size_bytes - 1)] if info.size_bytes else []
    if len(spans) == 1:
        return list(spans)
    boundary = secrets.token_hex(16)
    resp.content_type = f"multipart/byteranges; boundary={boundary}"
    parts: list[bytes | Span] = []
    for span in spans:
        head = f"\r\n--{boundary}\r\nContent-Type: {_OCTETS}\r\nContent-Range: {span.of(info.size_bytes)}\r\n\r\n"
        parts += [head.encode(), span]
    return [*parts, f"\r\n--{boundary}--\r\n".encode()]


def _nothing() -> None:
    """A small body holds no lane."""
