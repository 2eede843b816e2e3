"""Headers that several endpoints share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon import Response

    from holdfast.digest import Digest


def etag_of(digest: Digest) -> str:
    """The strong entity tag of content that is named by its digest."""
    return f'"{digest}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110, section 13.1.2: any of the tags, compared weakly, or ``*``."""
    if not if_none_match:
        return False
    return any(one.strip().removeprefix("W/") in (etag, "*") for one in if_none_match.split(","))


def set_digest(resp: Response, digest: Digest) -> None:
    """distribution-spec: GET and HEAD of manifests and blobs must carry it; docker classic cannot push without it."""
    resp.set_header("Docker-Content-Digest", str(digest))
