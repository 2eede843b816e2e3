"""One manifest and all below it on its way to the target: children first, the manifest last, each exactly as it is stored.

Promises: a manifest is sent after everything it references is there. One that the target has is not walked again; only its tag
is set, where one is wanted.

Never: changes a manifest. An index of which only some platforms are meant is sent as it is, without the other children; a target
that insists on all of them refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import ManifestInvalidError
from holdfast.manifest import INDEXES, Reference
from holdfast.mirrors.children import selected

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from holdfast.digest import Digest
    from holdfast.names import Repository
    from holdfast.patterns.platforms import Platform
    from syncworker.pushing.blobs import Blobs
    from syncworker.pushing.holdings import Held, Holdings
    from syncworker.pushing.meter import Meter
    from syncworker.upstream.registry import Reference as Name
    from syncworker.upstream.target import Target

# Indexes within indexes; each level holds one manifest in memory.
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Trip:
    """From a repository here to one at the target. ``platforms``: those that are meant of an index; none: all."""

    source: Repository
    name: Repository
    platforms: tuple[Platform, ...]
    meter: Meter


class Images:
    """For one target. Shared by threads."""

    def __init__(self, here: Holdings, target: Target, blobs: Blobs) -> None:
        self._here = here
        self._target = target
        self._blobs = blobs

    def root(self, trip: Trip, digest: Digest) -> Digest:
        """What is sent for a tag: the manifest itself, or the one image of an index that ``platforms`` leave of it."""
        if trip.platforms:
            held = self._here.manifest(trip.source, digest)
            if held.media_type in INDEXES:
                images = [child for child in selected(held.data, trip.platforms) if child.is_manifest]
                meant = [child.digest for child in images if child.about is None]
                if len(meant) == 1:
                    return meant[0]
        return digest

    def family(self, trip: Trip, digest: Digest) -> Iterator[Digest]:
        """The manifest and the manifests below it that are meant, children first, as far as they are known here."""
        seen: set[Digest] = set()
        yield from self._below(trip, digest, seen, 0)

    def bring(self, trip: Trip, digest: Digest, name: Name) -> bool:
        """See to it that the target has the manifest as ``name``: a tag, or its own digest. True: it has noted a ``subject``.

        Raises:
            MissingError: something is not here. UpstreamError: the target does not take it. HoldfastError: by the meter.
        """
        return self._bring(trip, digest, name, set(), 0)

    def _bring(self, trip: Trip, digest: Digest, name: Name, seen: set[Digest], depth: int) -> bool:
        seen.add(digest)
        trip.meter.moved(0)
        is_there = self._target.head(trip.name, digest) is not None
        if is_there and name == digest:
            return False
        held = self._here.manifest(trip.source, digest)
        if not is_there:
            self._contents(trip, held, seen, depth)
        trip.meter.moved(len(held.data))
        return self._target.put_manifest(trip.name, name, held.data, held.media_type, digest)

    def _contents(self, trip: Trip, held: Held, seen: set[Digest], depth: int) -> None:
        _require_shallow(depth)
        blobs = [reference for reference in held.parsed.references if not reference.may_be_absent]
        if held.media_type in INDEXES:
            # Old BuildKit caches list blobs in an index.
            chosen = selected(held.data, trip.platforms)
            for child in chosen:
                if child.is_manifest and child.digest not in seen:
                    self._bring(trip, child.digest, child.digest, seen, depth + 1)
            blobs = [Reference(child.digest, child.size_bytes) for child in chosen if not child.is_manifest]
        self._blobs.bring(trip.source, trip.name, blobs, trip.meter)

    def _below(self, trip: Trip, digest: Digest, seen: set[Digest], depth: int) -> Iterator[Digest]:
        _require_shallow(depth)
        seen.add(digest)
        for child in self._children(trip, digest):
            if child not in seen:
                yield from self._below(trip, child, seen, depth + 1)
        yield digest

    def _children(self, trip: Trip, digest: Digest) -> Collection[Digest]:
        known = [one.digest for one in self._here.children(trip.source, digest) if one.is_manifest]
        if not known or not trip.platforms:
            return known
        return [child.digest for child in selected(self._here.manifest(trip.source, digest).data, trip.platforms)]


def _require_shallow(depth: int) -> None:
    if depth > _DEEPEST:
        raise ManifestInvalidError(f"indexes are nested deeper than {_DEEPEST}")
