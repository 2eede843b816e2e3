"""What a path below ``/v2/`` asks for: a pure parser, because names hold slashes and Falcon routes cannot.

A component of a repository name may itself be ``blobs``, ``manifests`` or ``tags``, so a path is read from the right: the last
keyword with the right number of arguments wins (distribution-spec, "Endpoints"). The answer is a :class:`Route` whose parts
are still text; the handlers make digests and tags of them, because what a bad one means differs between methods.

Raises NameInvalidError for a bad repository name. Never here: redirects, normalising of ``..`` or ``//``, and guesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.access.gate import NOBODY, Caller
from holdfast import names


class Kind(Enum):
    """The endpoints, by the distribution-spec's numbering where they have one."""

    BASE = "end-1"
    BLOB = "end-2, end-10"
    MANIFEST = "end-3, end-7, end-9"
    UPLOADS = "end-4, end-11"
    UPLOAD = "end-5, end-6, end-13, end-14"
    TAGS = "end-8"
    REFERRERS = "end-12"
    CATALOG = "_catalog"
    DISCOVER = "_oci/ext/discover"


@dataclass(frozen=True, slots=True)
class Route:
    """``argument`` is the digest, tag or upload id as it was written, "" where there is none. ``caller``: who asks."""

    kind: Kind
    repository: names.Repository
    argument: str = ""
    caller: Caller = NOBODY


_NONE: Final = names.Repository("")
_ROOTS: Final = {
    "": Route(Kind.BASE, _NONE),
    "_catalog": Route(Kind.CATALOG, _NONE),
    "_oci/ext/discover": Route(Kind.DISCOVER, _NONE),
}
_ONE_ARGUMENT: Final = {"manifests": Kind.MANIFEST, "blobs": Kind.BLOB, "referrers": Kind.REFERRERS}


def parse(rest: str) -> Route | None:
    """The route of ``/v2/<rest>``, or None when there is no such endpoint.

    Raises:
        NameInvalidError: the endpoint is clear, the repository name is not one.
    """
    root = _ROOTS.get(rest)
    if root is not None:
        return root
    head, slash, last = rest.rpartition("/")
    if not slash:
        return None
    name, _, keyword = head.rpartition("/")
    if keyword in _ONE_ARGUMENT and not (keyword == "blobs" and last == "uploads"):
        return Route(_ONE_ARGUMENT[keyword], names.repository(name), last)
    if keyword == "tags" and last == "list":
        return Route(Kind.TAGS, names.repository(name))
    return _upload(rest) or _discover(rest)


def _upload(rest: str) -> Route | None:
    """``<name>/blobs/uploads``, with a trailing slash or not, or with an id behind it."""
    head, _, last = rest.rpartition("/blobs/uploads")
    if not head or (last and last[0] != "/") or "/" in last[1:]:
        return None
    upload_id = last[1:]
    return Route(Kind.UPLOAD if upload_id else Kind.UPLOADS, names.repository(head), upload_id)


def _discover(rest: str) -> Route | None:
    name, found, tail = rest.rpartition("/_oci/ext/discover")
    return Route(Kind.DISCOVER, names.repository(name)) if found and not tail else None
