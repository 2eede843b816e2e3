"""An index's children with the platforms they are for (image-spec image-index.md, "manifests").

Promises: the children in the index's order, one for each descriptor. What BuildKit attaches to an image (attestations: platform
``unknown/unknown``, annotated with the digest they are about) has no platform of its own, and follows that image.

Never: raises on bytes that ``manifest.parse`` has accepted as an index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import DigestInvalidError
from holdfast.manifest import ACCEPTED
from holdfast.mirrors.selection import wanted
from holdfast.patterns.platforms import Platform, normal

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdfast.digest import Digest

_UNKNOWN: Final = "unknown"
_ABOUT: Final = "vnd.docker.reference.digest"


@dataclass(frozen=True, slots=True)
class Child:
    """One descriptor of an index. ``about``: the sibling that it follows."""

    digest: Digest
    size_bytes: int
    media_type: str
    platform: Platform | None = None
    about: Digest | None = None

    @property
    def is_manifest(self) -> bool:
        """Old BuildKit caches list blobs in an index."""
        return self.media_type in ACCEPTED


def children(index: bytes) -> tuple[Child, ...]:
    """The children of an index that ``manifest.parse`` has accepted."""
    return tuple(_child(entry) for entry in json.loads(index)["manifests"])


def selected(index: bytes, platforms: Collection[Platform]) -> tuple[Child, ...]:
    """The children that are meant, each digest once; all of them when no platform is named."""
    found = children(index)
    meant = {child.digest for child in found if child.about is None and wanted(child.platform, platforms)}
    chosen = {
        child.digest: child
        for child in found
        if child.digest in meant or (child.about is not None and (not platforms or child.about in meant))
    }
    return tuple(chosen.values())


def _child(entry: dict[str, object]) -> Child:
    about = _about(entry.get("annotations"))
    return Child(
        digest=digests.parse(str(entry["digest"])),
        size_bytes=int(str(entry["size"])),
        media_type=str(entry["mediaType"]),
        platform=None if about else _platform(entry.get("platform")),
        about=about,
    )


def _platform(value: object) -> Platform | None:
    if not isinstance(value, dict):
        return None
    parts = [value.get(key, "") for key in ("os", "architecture", "variant")]
    texts = [part if isinstance(part, str) else "" for part in parts]
    return normal(*texts) if texts[0] and texts[1] and texts[0] != _UNKNOWN else None


def _about(value: object) -> Digest | None:
    text = value.get(_ABOUT) if isinstance(value, dict) else None
    try:
        return digests.parse(text) if isinstance(text, str) else None
    except DigestInvalidError:
        return None
