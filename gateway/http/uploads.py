"""Uploads over HTTP: POST, GET, PATCH, PUT, DELETE (end-4, 5, 6, 11, 13, 14).

The Location of an upload never changes, so a client that retries on the one it was first given is as right as any. It is relative:
clients refuse to follow an absolute one to another host, port or scheme, and a proxy in front knows better what those are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.http import ranges
from gateway.http.body import WireBody
from gateway.http.headers import set_digest
from gateway.uploads import SMALL_BODY_BYTES
from holdfast import digest as digests
from holdfast import names
from holdfast.access.actions import Action
from holdfast.errors import (
    DigestInvalidError,
    HoldfastError,
    NameInvalidError,
    OffsetError,
    SizeInvalidError,
    StaleWriterError,
)
from holdfast.rpc.node import UploadKey

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.access.gate import Gate
    from gateway.blobs import Blobs
    from gateway.http.paths import Route
    from gateway.lanes import Lanes
    from gateway.uploads import Uploads
    from holdfast.digest import Digest
    from holdfast.names import Repository
    from holdfast.rpc.node import UploadState


class UploadsResource:
    """One method a verb; raises the errors of :mod:`gateway.uploads`."""

    def __init__(self, uploads: Uploads, blobs: Blobs, lanes: Lanes, gate: Gate) -> None:
        self._uploads = uploads
        self._blobs = blobs
        self._lanes = lanes
        self._gate = gate

    def post(self, req: Request, resp: Response, route: Route) -> None:
        """Begin (end-4a, 4c), mount (end-11), or push a whole blob (end-4b)."""
        repo = route.repository
        if self._mounted(req, resp, route):
            return
        body = WireBody(req.env)
        text = req.get_param("digest")
        if text:
            self._whole(resp, route, digests.parse_computable(text), body)
            return
        state = self._uploads.start(repo, _principal(route), req.get_param("digest-algorithm"))
        resp.status = "202 Accepted"
        _place(resp, repo, state)

    def get(self, _req: Request, resp: Response, route: Route) -> None:
        state = self._uploads.state(_key(route))
        resp.status = "204 No Content"
        _place(resp, route.repository, state)

    def patch(self, req: Request, resp: Response, route: Route) -> None:
        state = self._append(req, resp, route)
        resp.status = "202 Accepted"
        resp.content_length = 0
        _place(resp, route.repository, state)

    def put(self, req: Request, resp: Response, route: Route) -> None:
        """Close, with the last chunk, the whole body or nothing in it."""
        text = req.get_param("digest")
        if not text:
            raise DigestInvalidError("closing an upload needs ?digest=")
        digest = digests.parse_computable(text)
        if WireBody(req.env).length_bytes != 0:
            self._append(req, resp, route)
        self._uploads.finish(_key(route), digest)
        _created(resp, route.repository, digest)

    def delete(self, _req: Request, resp: Response, route: Route) -> None:
        self._uploads.cancel(_key(route))
        resp.status = "204 No Content"

    def _append(self, req: Request, resp: Response, route: Route) -> UploadState:
        body = WireBody(req.env)
        expected = ranges.content_range(req.get_header("Content-Range"))
        if expected and body.length_bytes is not None and body.length_bytes != expected[1] - expected[0] + 1:
            raise SizeInvalidError("Content-Range and Content-Length contradict each other")
        key = _key(route)
        small = body.length_bytes is not None and body.length_bytes <= SMALL_BODY_BYTES
        leave = None if small else self._lanes.enter("push")
        try:
            return self._uploads.append(key, expected, body)
        except (OffsetError, StaleWriterError):
            # With both headers on the 416 a client can go on without asking for the status first.
            _place(resp, route.repository, self._uploads.state(key))
            raise
        finally:
            if leave is not None:
                leave()

    def _whole(self, resp: Response, route: Route, digest: Digest, body: WireBody) -> None:
        repo, principal = route.repository, _principal(route)
        if body.length_bytes is not None and body.length_bytes <= SMALL_BODY_BYTES:
            self._uploads.put(repo, digest, body.read_all(SMALL_BODY_BYTES))
            _created(resp, repo, digest)
            return
        key = UploadKey(self._uploads.start(repo, principal, digest.algorithm).upload_id, repo, principal)
        leave = self._lanes.enter("push")
        try:
            self._uploads.append(key, None, body)
            self._uploads.finish(key, digest)
        except HoldfastError:
            self._drop(key)
            raise
        finally:
            leave()
        _created(resp, repo, digest)

    def _drop(self, key: UploadKey) -> None:
        """Nobody knows this upload's id, so nobody can go on with it. What cannot be dropped expires."""
        try:
            self._uploads.cancel(key)
        except HoldfastError:
            return

    def _mounted(self, req: Request, resp: Response, route: Route) -> bool:
        """Unable to mount is no error: the client gets a session and uploads (distribution-spec, "Mounting a blob").

        So it is with a source that the caller may not read: it looks like one that has no such blob.
        """
        text, repo = req.get_param("mount"), route.repository

        def may_read(source: Repository) -> bool:
            return self._gate.may(route.caller, Action.READ, source)

        if not text:
            return False
        try:
            digest = digests.parse(text)
            source = req.get_param("from")
            info = self._blobs.mount(repo, names.repository(source) if source else None, digest, may_read)
        except (DigestInvalidError, NameInvalidError):
            return False
        if info is None:
            return False
        _created(resp, repo, digest)
        return True


def _key(route: Route) -> UploadKey:
    return UploadKey(route.argument, route.repository, _principal(route))


def _principal(route: Route) -> str:
    """Whose an upload is: nobody else goes on with it, or learns that there is one (CVE-2026-32589)."""
    return route.caller.identity.name


def _place(resp: Response, repo: Repository, state: UploadState) -> None:
    """``Range`` is absolute from 0; an upload that has received nothing says 0-0, as clients expect."""
    resp.set_header("Location", f"/v2/{repo}/blobs/uploads/{state.upload_id}")
    resp.set_header("Range", f"0-{max(state.offset_bytes - 1, 0)}")
    resp.set_header("Docker-Upload-UUID", state.upload_id)


def _created(resp: Response, repo: Repository, digest: Digest) -> None:
    resp.status = "201 Created"
    resp.content_length = 0
    resp.set_header("Location", f"/v2/{repo}/blobs/{digest}")
    set_digest(resp, digest)
