"""What a client knows about its repository: every value that a name may have after all that was acknowledged.

A change that is sent adds its value to what may be; its acknowledgement leaves that value alone; an answer that never came, or a
5xx, leaves both. Looking settles it. One client changes one repository, so nothing else can be true.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes and their name."""

    data: bytes
    digest: str

    @classmethod
    def of(cls, data: bytes) -> Content:
        return cls(data, f"sha256:{hashlib.sha256(data).hexdigest()}")

    @classmethod
    def random(cls, seed: object, size_bytes: int) -> Content:
        return cls.of(random.Random(str(seed)).randbytes(size_bytes))


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest, the blobs that it names, and its subject."""

    content: Content
    blobs: tuple[str, ...]
    subject: str | None

    @classmethod
    def of(cls, blobs: list[Content], subject: Content | None) -> Image:
        described = [_descriptor("application/octet-stream", blob) for blob in blobs]
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": "application/vnd.holdfast.test",
            "config": described[0],
            "layers": described[1:] or described[:1],
        }
        if subject:
            document["subject"] = _descriptor(MANIFEST_TYPE, subject)
        content = Content.of(json.dumps(document).encode())
        return cls(content, tuple(blob.digest for blob in blobs), subject.digest if subject else None)


def _descriptor(media_type: str, content: Content) -> dict[str, object]:
    return {"mediaType": media_type, "digest": content.digest, "size": len(content.data)}


@dataclass(slots=True)
class OpenUpload:
    """An upload under way. ``acked_bytes`` came and were acknowledged, ``sent_bytes`` may have come."""

    location: str
    content: Content
    acked_bytes: int = 0
    sent_bytes: int = 0
    # A close or a cancel was sent and not answered: the upload may be gone.
    may_be_gone: bool = False


@dataclass
class Ledger:
    """One repository. Each value is the set of what may be true."""

    repository: str
    blobs: dict[str, set[bool]] = field(default_factory=dict)
    manifests: dict[str, set[bool]] = field(default_factory=dict)
    tags: dict[str, set[str | None]] = field(default_factory=dict)
    uploads: list[OpenUpload] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    contents: dict[str, Content] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    acknowledged: int = 0

    def keep(self, content: Content) -> None:
        self.contents[content.digest] = content

    def present(self, names: dict[str, set[bool]]) -> list[str]:
        """Those that are there for certain."""
        return sorted(name for name, may in names.items() if may == {True})

    def used(self, digest: str) -> bool:
        """Whether a manifest that may be there names this blob."""
        return any(digest in self.images[name].blobs for name, may in self.manifests.items() if True in may)

    def forget_absent(self) -> None:
        """What is gone for certain, and was looked for, need not be looked for ever again."""
        for names in (self.blobs, self.manifests):
            for name in [name for name, may in names.items() if may == {False}]:
                del names[name]
        for tag in [tag for tag, may in self.tags.items() if may == {None}]:
            del self.tags[tag]
        self.cancelled.clear()
        needed = set(self.blobs) | set(self.manifests)
        self.contents = {digest: content for digest, content in self.contents.items() if digest in needed}
        self.images = {digest: image for digest, image in self.images.items() if digest in needed}
