"""Repositories as the metadata store knows them: the one door to links, manifest records, tags and referrers.

Promises
  * Each mutation is one transaction of at most ``MAX_OPS`` operations, however many layers an image has; what does not fit is
    written before it (harmless without it) or cleaned after it (ignored by every reader).
  * No live manifest record without the links that it needs (ARCHITECTURE 3b): deletions bump ``removals/<repository>``, pushes
    compare it; links compare ``sweep/<partition>``, sweeps bump it.
  * OutcomeUnknownError leaves only when reading back could not settle what happened.

Never here: bytes, storage nodes, HTTP, and no decision by wall clock.

How a writer uses it: ``fence`` first; then ask the nodes for the bytes, or send them; then ``add_link``. For a manifest:
``removals``, ``links`` of everything it references, ``fence`` of its own digest, store its bytes, ``put_manifest``. On
SweepMovedError take a new fence and stat the copies again; on RemovalsMovedError read ``removals`` and ``links`` again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.meta.ceilings import unlimited
from holdfast.meta.links import Fence, Link, Links
from holdfast.meta.listing import Listing
from holdfast.meta.loosened import Words
from holdfast.meta.manifests import Manifests, NewManifest
from holdfast.meta.records import ManifestRecord
from holdfast.meta.removals import Removals
from holdfast.meta.sweeps import Sweeps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.manifest import Reference
    from holdfast.meta.ceilings import Room
    from holdfast.meta.records import Origin
    from holdfast.meta.store import Store
    from holdfast.names import Repository, Tag

__all__ = ["Fence", "Link", "ManifestRecord", "NewManifest", "Repositories"]


class Repositories:
    """Every method may raise MetadataUnavailableError, mutations OutcomeUnknownError as well. ``new_id`` gives 16 random bytes.

    ``room`` is asked before a repository is made: by its first link, mount or manifest, which raise TooManyRepositoriesError then.
    """

    def __init__(self, store: Store, new_id: Callable[[], bytes], clock: Clock, room: Room = unlimited) -> None:
        self._links = Links(store, new_id, clock, room)
        self._manifests = Manifests(store, new_id, clock, room)
        self._removals = Removals(store, new_id, Words(store, clock).ops)
        self._listing = Listing(store)
        self._sweeps = Sweeps(store, new_id)

    def fence(self, digest: Digest) -> Fence:
        """Take it BEFORE asking nodes for a copy or sending them bytes."""
        return self._links.fence(digest)

    def fences(self, digests: Iterable[Digest]) -> dict[Digest, Fence]:
        return self._links.fences(digests)

    def link(self, repository: Repository, digest: Digest) -> Link | None:
        return self._links.link(repository, digest)

    def links(self, repository: Repository, digests: Iterable[Digest]) -> dict[Digest, Link]:
        """Those of them that the repository links."""
        return self._links.links(repository, digests)

    def holders(self, digest: Digest, limit: int) -> list[Repository]:
        """Repositories that link it, in byte order."""
        return self._links.holders(digest, limit)

    def add_link(
        self, repository: Repository, digest: Digest, size_bytes: int, fence: Fence, origin: Origin = "pushed"
    ) -> None:
        """Link it, or renew the link.

        Raises:
            SweepMovedError: stat the copies again under a new fence.
            LayoutMovedError: mark the partition dirty, and take a new one.
        """
        self._links.add(repository, digest, size_bytes, fence, origin)

    def renew_link(self, repository: Repository, digest: Digest, fence: Fence) -> bool:
        """False: the repository does not link it any more. Raises SweepMovedError, LayoutMovedError."""
        return self._links.renew(repository, digest, fence)

    def mount(self, source: Repository, target: Repository, digest: Digest, fence: Fence) -> Link:
        """Link what ``source`` links. Raises SweepMovedError; BlobUnknownError: the source does not link it (any more)."""
        return self._links.mount(source, target, digest, fence)

    def removals(self, repository: Repository) -> int:
        """Read it before the links that a manifest needs, hand it to put_manifest."""
        return self._removals.revision(repository)

    def put_manifest(
        self,
        repository: Repository,
        new: NewManifest,
        tags: Sequence[Tag] | Mapping[Tag, int],
        fence: Fence,
        removals_revision: int,
    ) -> ManifestRecord:
        """Record, tags, referrer entry and the manifest's own link, at once.

        Tags with revisions (of ``tag_revision``) are moved only if nobody has set them since.

        Raises:
            SweepMovedError, LayoutMovedError, RemovalsMovedError, TagMovedError.
            ManifestInvalidError: more than 10,000 references. TooManyTagsError: more than 100.
        """
        return self._manifests.put(repository, new, tags, fence, removals_revision)

    def tags_of(self, repository: Repository, digest: Digest, limit: int) -> list[Tag]:
        """At most ``limit`` living tags that name a manifest; reads all tags of the repository."""
        return self._listing.tags_of(repository, digest, limit)

    def manifest(self, repository: Repository, digest: Digest) -> ManifestRecord:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        return self._manifests.by_digest(repository, digest)

    def manifest_by_tag(self, repository: Repository, tag: Tag) -> ManifestRecord:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        return self._manifests.by_tag(repository, tag)

    def tag_revision(self, repository: Repository, tag: Tag) -> int:
        """Read it before what the tag stands for, hand it to put_manifest. 0: there is no such tag."""
        return self._manifests.tag_revision(repository, tag)

    def manifests(self, repository: Repository, digests: Iterable[Digest]) -> dict[Digest, ManifestRecord]:
        """Those of them that are there."""
        return self._manifests.many(repository, digests)

    def naming(self, repository: Repository, child: Digest) -> Iterator[ManifestRecord]:
        """The manifests of the repository that reference a digest, found one after the other."""
        return self._manifests.naming(repository, child)

    def reference(self, repository: Repository, child: Digest) -> Reference | None:
        """What a manifest of the repository says of a digest; None: none names it."""
        return self._manifests.reference(repository, child)

    def exists(self, repository: Repository) -> bool:
        return self._listing.exists(repository)

    def tags(self, repository: Repository, after: str, limit: int) -> tuple[list[Tag], bool]:
        """At most ``limit`` tags that sort (bytewise) after ``after``, and whether there are more. ``after`` is any text."""
        return self._listing.tags(repository, after, limit)

    def repositories(self, after: str, limit: int) -> tuple[list[Repository], bool]:
        return self._listing.repositories(after, limit)

    def referrers(self, repository: Repository, subject: Digest) -> list[Digest]:
        """Manifests whose ``subject`` this is, in byte order; the subject need not exist."""
        return self._listing.referrers(repository, subject)

    def delete_tag(self, repository: Repository, tag: Tag) -> None:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        self._removals.tag(repository, tag)

    def delete_manifest(self, repository: Repository, digest: Digest) -> None:
        """The record, its tags and its link. Raises ManifestUnknownError, RepositoryUnknownError, StillReferencedError."""
        self._removals.manifest(repository, digest)

    def delete_blob(self, repository: Repository, digest: Digest) -> None:
        """The link. Raises BlobUnknownError, RepositoryUnknownError, StillReferencedError."""
        self._removals.blob(repository, digest)

    def begin_sweep(self, digests: Sequence[Digest]) -> list[Digest]:
        """Those of them that nothing links; every fence of their partitions taken before is void now."""
        return self._sweeps.begin(digests)

    def held(self, digests: Sequence[Digest]) -> list[Digest]:
        """Those of them that anything links."""
        return self._sweeps.held(digests)
