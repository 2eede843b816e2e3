"""Manifests without a name, and under which they come back: the last resort, when nodes know more than the metadata.

    recovered/<hex of the digest>     one repository for each manifest that no other of them names, with the tag ``recovered``
    recovered/<hex of the subject>    what is attached to something: signatures and the like

A storage node knows bytes by their digest: no repository, no tag. Who knows a name has to give it again.

Promises
  * A manifest comes back with everything that it needs, or not at all: then it is told as incomplete. Of an index that is
    incomplete, the images that are whole come back by themselves.
  * What has a name is not touched. Doing it twice does nothing the second time.
  * Only bytes that have their digest count as a manifest.

Never here: which copies have no name (``comparing.beyond``), and deletions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.digest import Digest
from holdfast.errors import (
    HoldfastError,
    LayoutMovedError,
    MissingError,
    RemovalsMovedError,
    SweepMovedError,
    UnavailableError,
)
from holdfast.manifest import INDEXES, MAX_BYTES, Manifest, parse
from holdfast.meta.repos import NewManifest
from holdfast.names import repository as named
from holdfast.names import tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    from holdfast.manifest import Reference
    from holdfast.meta.keeping.comparing import Beyond
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository

    Walk: TypeAlias = Callable[[], Iterable[Beyond]]
    Read: TypeAlias = Callable[[Digest, int], bytes]
    Has: TypeAlias = Callable[[Digest, int], bool]

TAG: Final = tag("recovered")
_PREFIX: Final = "recovered/"
_TRIES: Final = 5
# An index of indexes of images is deep; more is somebody's joke.
_DEPTH: Final = 8
_NAMED: Final = 1000
_MORE_THAN_SPACE: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Adopted:
    """``manifests``: how many came back under ``repository``."""

    repository: Repository
    digest: Digest
    manifests: int


@dataclass(slots=True)
class Recovery:
    """``incomplete``: manifests that lack something, the first of them by name."""

    adopted: int = 0
    manifests: int = 0
    blobs: int = 0
    incomplete: int = 0
    first: list[Adopted] = field(default_factory=list)
    lacking: list[Digest] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    digest: Digest
    size_bytes: int
    manifest: Manifest


class Adopting:
    """``walk`` gives copies without a name, each time anew; ``read`` and ``has`` ask the nodes. ``repos`` is the metadata."""

    def __init__(self, repos: Repositories, walk: Walk, read: Read, has: Has) -> None:
        self._repos = repos
        self._walk = walk
        self._read = read
        self._has = has

    def run(self, *, dry_run: bool = False) -> Recovery:
        """Raises MetadataUnavailableError, OutcomeUnknownError, UnavailableError: the same again goes on."""
        # Bytes are read twice rather than kept: manifests are small, and there may be millions of them.
        children = {child for found in self._manifests() for child in _children(found)}
        recovery, orphans = Recovery(), set[Digest]()
        for found in self._manifests():
            if found.digest not in children:
                self._adopt(found, recovery, orphans, dry_run=dry_run)
        for found in self._manifests() if orphans else ():
            if found.digest in orphans:
                self._adopt(found, recovery, set(), dry_run=dry_run)
        return recovery

    def _manifests(self) -> Iterator[_Found]:
        for beyond in self._walk():
            if beyond.size_bytes <= MAX_BYTES:
                found = self._parsed(beyond.digest, beyond.size_bytes)
                if found is not None:
                    yield found

    def _parsed(self, digest: Digest, size_bytes: int) -> _Found | None:
        try:
            data = self._read(digest, size_bytes)
            if not data.lstrip(_MORE_THAN_SPACE).startswith(b"{") or digests.of(data, digest.algorithm) != digest:
                return None
            return _Found(digest, size_bytes, parse(data, None))
        except UnavailableError:
            raise
        except HoldfastError:
            return None

    def _adopt(self, root: _Found, recovery: Recovery, orphans: set[Digest], *, dry_run: bool) -> None:
        """``orphans``: told the manifests of a root that lacks something."""
        whole = self._whole(root)
        if whole is None:
            recovery.incomplete += 1
            orphans.update(_children(root))
            if len(recovery.lacking) < _NAMED:
                recovery.lacking.append(root.digest)
            return
        found, blobs = whole
        home = named(_PREFIX + (root.manifest.subject or root.digest).encoded)
        if not dry_run:
            for digest, size_bytes in blobs.items():
                self._link(home, digest, size_bytes)
            for one in found:
                self._put(home, one, is_root=one is root and one.manifest.subject is None)
        recovery.adopted += 1
        recovery.manifests += len(found)
        recovery.blobs += len(blobs)
        if len(recovery.first) < _NAMED:
            recovery.first.append(Adopted(home, root.digest, len(found)))

    def _whole(self, root: _Found) -> tuple[list[_Found], dict[Digest, int]] | None:
        """Its manifests, children first, and its blobs. None: a part of it is nowhere, or it nests too deep."""
        found: dict[Digest, _Found] = {}
        blobs: dict[Digest, int] = {}

        def is_whole(one: _Found, depth: int) -> bool:
            for reference in one.manifest.references:
                if reference.digest in found or reference.digest in blobs:
                    continue
                child = self._child(reference)
                if child is not None:
                    if depth == _DEPTH or not is_whole(child, depth + 1):
                        return False
                elif self._has(reference.digest, reference.size_bytes):
                    blobs[reference.digest] = reference.size_bytes
                elif not reference.may_be_absent:
                    return False
            found[one.digest] = one
            return True

        return (list(found.values()), blobs) if is_whole(root, 0) else None

    def _child(self, reference: Reference) -> _Found | None:
        """None: it is no manifest, or not there."""
        if not reference.is_manifest or reference.size_bytes > MAX_BYTES:
            return None
        try:
            return self._parsed(reference.digest, reference.size_bytes)
        except MissingError:
            return None

    def _link(self, home: Repository, digest: Digest, size_bytes: int) -> None:
        for _ in range(_TRIES):
            fence = self._repos.fence(digest)
            if not self._has(digest, size_bytes):
                break
            try:
                self._repos.add_link(home, digest, size_bytes, fence)
            except (SweepMovedError, LayoutMovedError):
                continue
            return
        raise UnavailableError(f"{digest} was taken away while it was given a name; try again")

    def _put(self, home: Repository, one: _Found, *, is_root: bool) -> None:
        new = NewManifest(
            one.digest,
            one.manifest.media_type,
            one.size_bytes,
            one.manifest.references,
            one.manifest.subject,
            one.manifest.artifact_type or "",
        )
        for _ in range(_TRIES):
            fence, removals = self._repos.fence(one.digest), self._repos.removals(home)
            if not self._has(one.digest, one.size_bytes):
                break
            try:
                self._repos.put_manifest(home, new, [TAG] if is_root else [], fence, removals)
            except (SweepMovedError, LayoutMovedError, RemovalsMovedError):
                continue
            return
        raise UnavailableError(f"{one.digest} was taken away while it was given a name; try again")


def _children(found: _Found) -> Iterator[Digest]:
    """The manifests that an index names."""
    if found.manifest.media_type in INDEXES:
        yield from (reference.digest for reference in found.manifest.references if reference.is_manifest)
