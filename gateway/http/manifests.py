"""Manifests over HTTP: GET, HEAD, PUT, DELETE (end-3, end-7a, end-7b, end-9).

``Accept`` is not looked at: what was pushed is what is returned, byte for byte and under its own type. Some clients send six
lines of it, some one, some none, and hiding a manifest from a client that did not name its type has only confused people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.http.body import WireBody
from gateway.http.headers import etag_of, matches, set_digest
from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast import names
from holdfast.access.actions import Action
from holdfast.errors import ManifestUnknownError, RequestInvalidError, TagInvalidError, TagTakenError, TooManyTagsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from falcon import Request, Response

    from gateway.access.gate import Gate
    from gateway.http.paths import Route
    from gateway.manifests import Manifests, Pushed
    from holdfast.digest import Digest
    from holdfast.meta.repos import ManifestRecord
    from holdfast.names import Repository, Tag

# distribution-spec wants at least 10; 46 of the longest tags are what a request line of 8 KiB has room for.
MAX_TAGS: Final = 46


class ManifestsResource:
    """One method a verb; raises the errors of :mod:`gateway.manifests`."""

    def __init__(self, store: Manifests, gate: Gate, pulled: Callable[[Repository, Digest], None]) -> None:
        self._manifests = store
        self._gate = gate
        self._pulled = pulled

    def head(self, req: Request, resp: Response, route: Route) -> None:
        record = self._manifests.find(route.repository, _wanted(route.argument))
        self._manifests.confirm(route.repository, record)
        # A client that has the image asks for no more than this, as often as it runs it.
        self._pulled(route.repository, record.digest)
        if not _unchanged(req, resp, record):
            resp.content_length = record.size_bytes

    def get(self, req: Request, resp: Response, route: Route) -> None:
        record = self._manifests.find(route.repository, _wanted(route.argument))
        self._pulled(route.repository, record.digest)
        if not _unchanged(req, resp, record):
            resp.data = self._manifests.bytes_of(route.repository, record)

    def put(self, req: Request, resp: Response, route: Route) -> None:
        reference = _reference(route.argument)
        tags = _tags(req, reference)
        data = WireBody(req.env).read_all(manifests.MAX_BYTES)
        digest = reference if isinstance(reference, digests.Digest) else None
        pushed = self._pushed(route, data, req.get_header("Content-Type"), digest, tags)
        resp.status = "201 Created"
        resp.content_length = 0
        resp.set_header("Location", f"/v2/{route.repository}/manifests/{pushed.digest}")
        set_digest(resp, pushed.digest)
        if pushed.subject is not None:
            resp.set_header("OCI-Subject", str(pushed.subject))
        if tags and digest is not None:
            resp.set_header("OCI-Tag", ", ".join(tags))

    def _pushed(
        self, route: Route, data: bytes, content_type: str | None, digest: Digest | None, tags: Sequence[Tag]
    ) -> Pushed:
        """Creating is allowed by now; whether a tag may be moved is another right (CVE-2026-31801)."""
        # Conditions may be about tags, and those of ``?tag=`` are set as well as one in the path.
        callers = [route.caller.about(tag) for tag in tags]
        for caller in callers:
            self._gate.require(caller, Action.CREATE, route.repository)
        may_move = all(self._gate.may(caller, Action.UPDATE, route.repository) for caller in callers)
        try:
            return self._manifests.push(route.repository, data, content_type, digest, tags, may_move=may_move)
        except TagTakenError:
            for caller in callers:
                self._gate.require(caller, Action.UPDATE, route.repository)
            raise

    def delete(self, _req: Request, resp: Response, route: Route) -> None:
        wanted = _wanted(route.argument)
        if self._gate.may(route.caller, Action.DETECT_COLLISION, route.repository):
            self._manifests.require_single_tag(route.repository, wanted)
        self._manifests.delete(route.repository, wanted)
        resp.status = "202 Accepted"
        resp.content_length = 0


def _reference(text: str) -> Tag | Digest:
    """Whatever has a colon is meant as a digest; a tag cannot have one."""
    return digests.parse_computable(text) if ":" in text else names.tag(text)


def _wanted(text: str) -> Tag | Digest:
    """A tag that breaks the grammar cannot exist: asked for, it is unknown rather than an error (conformance v1.1.1)."""
    try:
        return digests.parse(text) if ":" in text else names.tag(text)
    except TagInvalidError as error:
        raise ManifestUnknownError("the repository has no such tag", {"tag": text[:200]}) from error


def _tags(req: Request, reference: Tag | Digest) -> list[Tag]:
    """The tags to set: the one in the path, or those of ``?tag=`` (end-7b)."""
    asked = req.get_param_as_list("tag") or []
    if not isinstance(reference, digests.Digest):
        if asked:
            raise RequestInvalidError("tag parameters go with a digest in the path, not with a tag")
        return [reference]
    if len(asked) > MAX_TAGS:
        raise TooManyTagsError(f"at most {MAX_TAGS} tags can be set at once", {"asked": len(asked)})
    return list(dict.fromkeys(names.tag(text) for text in asked))


def _unchanged(req: Request, resp: Response, record: ManifestRecord) -> bool:
    """Set what GET, HEAD and 304 have in common; True when the client has this very content already."""
    tag = etag_of(record.digest)
    set_digest(resp, record.digest)
    resp.set_header("ETag", tag)
    resp.content_type = record.media_type
    if matches(req.get_header("If-None-Match"), tag):
        resp.status = "304 Not Modified"
        return True
    return False
