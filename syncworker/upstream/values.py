"""What an upstream's answers become.

Invariants: digests and names have passed their strict constructors. A :class:`Fetched` holds bytes that were compared with its
digest. Values are frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast import manifest as manifests
from holdfast.names import tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.digest import Digest
    from holdfast.manifest import Manifest
    from holdfast.names import Tag

ACCEPT: Final = f"{manifests.OCI_MANIFEST}, {manifests.OCI_INDEX}, {manifests.DOCKER_MANIFEST}, {manifests.DOCKER_LIST}"
_ALGORITHM_CHARACTERS: Final = 32
_ENCODED_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a HEAD tells, or an index of its children: type, name and size, not yet the bytes."""

    media_type: str
    digest: Digest
    size_bytes: int
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest whose bytes have the digest. ``manifest`` is what they say."""

    data: bytes = field(repr=False)
    digest: Digest
    manifest: Manifest

    @property
    def media_type(self) -> str:
        return self.manifest.media_type

    @property
    def descriptor(self) -> Descriptor:
        """What a HEAD would have told, and no more, so that the two can be compared."""
        return Descriptor(self.media_type, self.digest, len(self.data))


def fallback_tag(subject: Digest) -> Tag:
    """Where referrers are listed by registries without the API (distribution-spec, "Referrers Tag Schema")."""
    text = f"{subject.algorithm[:_ALGORITHM_CHARACTERS]}-{subject.encoded[:_ENCODED_CHARACTERS]}"
    return tag("".join(c if c.isalnum() or c in "._-" else "-" for c in text))
