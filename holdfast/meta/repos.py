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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.manifest import Reference
    from holdfast.meta.store import Store
    from holdfast.names import Repository, Tag

Origin: TypeAlias = Literal["pushed", "upstream"]


@dataclass(frozen=True, slots=True)
class Fence:
    """``sweep/<partition>`` as it stood before the nodes were asked."""

    partition: int
    revision: int


@dataclass(frozen=True, slots=True)
class Link:
    """A repository may see a blob."""

    digest: Digest
    size_bytes: int
    renewed_seconds: float


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest about to become visible."""

    digest: Digest
    media_type: str
    size_bytes: int
    references: tuple[Reference, ...] = ()
    subject: Digest | None = None
    artifact_type: str = ""
    origin: Origin = "pushed"


@dataclass(frozen=True, slots=True)
class ManifestRecord:
    """A live manifest. ``references`` is a property that decodes when asked."""

    digest: Digest
    media_type: str
    size_bytes: int
    subject: Digest | None
    artifact_type: str
    origin: Origin
    incarnation: bytes
    operation_id: bytes
    created_seconds: float

    @property
    def references(self) -> tuple[Reference, ...]:
        raise NotImplementedError


class Repositories:
    """Every method may raise MetadataUnavailableError, mutations OutcomeUnknownError as well. ``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, new_id: Callable[[], bytes], clock: Clock) -> None:
        raise NotImplementedError

    def fence(self, digest: Digest) -> Fence:
        """Take it BEFORE asking nodes for a copy or sending them bytes."""
        raise NotImplementedError

    def fences(self, digests: Iterable[Digest]) -> dict[Digest, Fence]:
        raise NotImplementedError

    def link(self, repository: Repository, digest: Digest) -> Link | None:
        raise NotImplementedError

    def links(self, repository: Repository, digests: Iterable[Digest]) -> dict[Digest, Link]:
        """Those of them that the repository links."""
        raise NotImplementedError

    def holders(self, digest: Digest, limit: int) -> list[Repository]:
        """Repositories that link it, in byte order."""
        raise NotImplementedError

    def add_link(self, repository: Repository, digest: Digest, size_bytes: int, fence: Fence) -> None:
        """Link it, or renew the link. Raises SweepMovedError: stat the copies again under a new fence."""
        raise NotImplementedError

    def mount(self, source: Repository, target: Repository, digest: Digest, fence: Fence) -> Link:
        """Link what ``source`` links. Raises SweepMovedError; BlobUnknownError: the source does not link it (any more)."""
        raise NotImplementedError

    def removals(self, repository: Repository) -> int:
        """Read it before the links that a manifest needs, hand it to put_manifest."""
        raise NotImplementedError

    def put_manifest(
        self, repository: Repository, new: NewManifest, tags: Sequence[Tag], fence: Fence, removals_revision: int
    ) -> ManifestRecord:
        """Record, tags, referrer entry and the manifest's own link, at once.

        Raises:
            SweepMovedError, RemovalsMovedError; ManifestInvalidError: more than 10,000 references.
        """
        raise NotImplementedError

    def manifest(self, repository: Repository, digest: Digest) -> ManifestRecord:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        raise NotImplementedError

    def manifest_by_tag(self, repository: Repository, tag: Tag) -> ManifestRecord:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        raise NotImplementedError

    def manifests(self, repository: Repository, digests: Iterable[Digest]) -> dict[Digest, ManifestRecord]:
        """Those of them that are there."""
        raise NotImplementedError

    def exists(self, repository: Repository) -> bool:
        raise NotImplementedError

    def tags(self, repository: Repository, after: str, limit: int) -> tuple[list[Tag], bool]:
        """At most ``limit`` tags that sort (bytewise) after ``after``, and whether there are more. ``after`` is any text."""
        raise NotImplementedError

    def repositories(self, after: str, limit: int) -> tuple[list[Repository], bool]:
        raise NotImplementedError

    def referrers(self, repository: Repository, subject: Digest) -> list[Digest]:
        """Manifests whose ``subject`` this is, in byte order; the subject need not exist."""
        raise NotImplementedError

    def delete_tag(self, repository: Repository, tag: Tag) -> None:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        raise NotImplementedError

    def delete_manifest(self, repository: Repository, digest: Digest) -> None:
        """The record, its tags and its link. Raises ManifestUnknownError, RepositoryUnknownError, StillReferencedError."""
        raise NotImplementedError

    def delete_blob(self, repository: Repository, digest: Digest) -> None:
        """The link. Raises BlobUnknownError, RepositoryUnknownError, StillReferencedError."""
        raise NotImplementedError

    def begin_sweep(self, partition: int, digests: Sequence[Digest]) -> list[Digest]:
        """Those of them that nothing links; every fence of the partition taken before is void now."""
        raise NotImplementedError
