"""What to fetch for a manifest, in which order: instructions, carried out elsewhere.

Promises: a plan names each digest once, says nothing of what is stored, leaves out what an upstream never gives (non-distributable
layers, anything with ``urls``) and children of platforms that nobody wants. A manifest is recorded after what it references in
a whole copy, so that nothing half is ever named; with ``Depth.MANIFESTS`` and ``Depth.IMAGE`` before it, because a client waits
for the manifest first (mirrored manifests may reference what is absent). Referrers come last.

How to use it: carry out the plan; when it fetched a manifest, add its bytes to ``held`` and plan again, until a plan fetches
no manifest. Carrying out the same plan twice does no harm.

Invariants: the bytes in ``held`` were compared with their digests and accepted by ``manifest.parse``.

Never: I/O; asks what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from holdfast import manifest as manifests
from holdfast.config.sync import EVERYTHING, IMAGES, NOTHING
from holdfast.manifest import INDEXES
from holdfast.mirrors.children import selected
from holdfast.mirrors.selection import attached_tags

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from holdfast.digest import Digest
    from holdfast.manifest import Manifest
    from holdfast.names import Tag
    from holdfast.patterns.platforms import Platform


class Depth(Enum):
    """How far a plan goes ahead of clients; the words of ``prefetch``, and a periodic mirror's whole copy."""

    MANIFESTS = NOTHING
    IMAGE = IMAGES
    ALL = EVERYTHING
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class FetchManifest:
    """Get a manifest; its size is None where only its digest is known."""

    digest: Digest
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FetchBlob:
    """Get a config or a layer."""

    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Record:
    """Make a manifest visible."""

    digest: Digest
    media_type: str


@dataclass(frozen=True, slots=True)
class FetchReferrers:
    """Ask for what refers to a manifest, and plan for each of it; ``tags`` are cosign's, where they are wanted."""

    subject: Digest
    tags: tuple[Tag, ...] = ()


Instruction = FetchManifest | FetchBlob | Record | FetchReferrers


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants of an image. ``platform``: the one that a client asked for, where that is known."""

    depth: Depth = Depth.MANIFESTS
    platforms: tuple[Platform, ...] = ()
    platform: Platform | None = None
    referrers: bool = True
    cosign_tags: bool = True

    @property
    def chosen(self) -> tuple[Platform, ...]:
        return self.platforms if self.platform is None else (self.platform,)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is here already: ``held`` the bytes of manifests, ``blobs`` and ``recorded`` the digests."""

    held: Mapping[Digest, bytes] = field(default_factory=dict)
    blobs: Collection[Digest] = frozenset()
    recorded: Collection[Digest] = frozenset()


def plan(root: Digest, wanted: Wanted, stored: Stored) -> tuple[Instruction, ...]:
    """What is left to do for the manifest ``root``."""
    walk = _Walk(wanted, stored)
    walk.visit(root, None)
    return tuple(walk.steps) + (tuple(walk.referrers) if walk.is_complete else ())


class _Walk:
    """One walk down from a root. ``steps`` and ``referrers`` grow meanwhile."""

    def __init__(self, wanted: Wanted, stored: Stored) -> None:
        self.steps: list[Instruction] = []
        self.referrers: list[FetchReferrers] = []
        self._wanted = wanted
        self._stored = stored
        self._seen: set[Digest] = set()

    @property
    def is_complete(self) -> bool:
        return not any(isinstance(step, FetchManifest) for step in self.steps)

    def visit(self, digest: Digest, size_bytes: int | None) -> None:
        if digest in self._seen:
            return
        self._seen.add(digest)
        data = self._stored.held.get(digest)
        if data is None:
            self.steps.append(FetchManifest(digest, size_bytes))
            return
        manifest = manifests.parse(data, None)
        record = [Record(digest, manifest.media_type)] if digest not in self._stored.recorded else []
        if self._wanted.depth is not Depth.COPY:
            self.steps += record
        self._below(data, manifest)
        # Whole copies: a manifest whose children are still to be read is recorded by a later plan.
        if self._wanted.depth is Depth.COPY and self.is_complete:
            self.steps += record
        if self._wanted.referrers:
            # What refers to something is referred to as well (a signed bill of material), but cosign tags images only.
            tags = attached_tags(digest) if self._wanted.cosign_tags and manifest.subject is None else ()
            self.referrers.append(FetchReferrers(digest, tags))

    def _below(self, data: bytes, manifest: Manifest) -> None:
        if manifest.media_type in INDEXES:
            if self._wanted.depth in {Depth.ALL, Depth.COPY} or self._wanted.platform is not None:
                self._children(data)
        elif self._wanted.depth is not Depth.MANIFESTS:
            for reference in manifest.references:
                if not reference.may_be_absent:
                    self._blob(reference.digest, reference.size_bytes)

    def _children(self, index: bytes) -> None:
        for child in selected(index, self._wanted.chosen):
            if child.is_manifest:
                self.visit(child.digest, child.size_bytes)
            elif self._wanted.depth is not Depth.MANIFESTS:
                self._blob(child.digest, child.size_bytes)

    def _blob(self, digest: Digest, size_bytes: int) -> None:
        if digest not in self._seen and digest not in self._stored.blobs:
            self.steps.append(FetchBlob(digest, size_bytes))
        self._seen.add(digest)
