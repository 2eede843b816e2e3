"""Manifests: pushed only when all they name is there, read from the record on every request, served from memory.

A push follows ARCHITECTURE 3b step by step: fence, bytes on nodes, ``removals``, links of everything referenced, confirmation that
nodes hold them, and one transaction that fails if links were removed or a sweep ran in between; then it starts over.

Never here: HTTP. The bytes are never re-encoded.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.quotas import UNLIMITED, Quotas
from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast.errors import (
    CorruptError,
    DigestInvalidError,
    LayoutMovedError,
    ManifestUnknownError,
    MissingError,
    ReferencesMissingError,
    RemovalsMovedError,
    SweepMovedError,
    TagMovedError,
    TagsShareError,
    TagTakenError,
    UnavailableError,
)
from holdfast.meta.repos import NewManifest
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.cache import ManifestCache
    from gateway.mirroring import Mirroring
    from holdfast.digest import Digest
    from holdfast.meta.repos import Fence, ManifestRecord, Repositories
    from holdfast.names import Repository, Tag
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter

_TRIES: Final = 5
# A check that fails has seen something else go, and a collector that goes over a repository takes link after link.
_CHECKS: Final = 100
# How many missing digests an error names; a manifest may have thousands.
_NAMED: Final = 20
# How many copies may be damaged before nobody is asked any more.
_COPIES: Final = 4


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push has stored."""

    digest: Digest
    subject: Digest | None


class Manifests:
    """Push, look up, read, delete. ``sparse``: manifests may name content that the repository does not hold."""

    def __init__(
        self,
        repos: Repositories,
        reader: ReplicaReader,
        writer: ReplicaWriter,
        cache: ManifestCache,
        mirroring: Mirroring,
        quotas: Quotas = UNLIMITED,
        *,
        sparse: bool,
    ) -> None:
        self._mirroring = mirroring
        self._quotas = quotas
        self._repos = repos
        self._reader = reader
        self._writer = writer
        self._cache = cache
        self._sparse = sparse

    def push(
        self,
        repo: Repository,
        data: bytes,
        content_type: str | None,
        digest: Digest | None,
        tags: Sequence[Tag],
        *,
        may_move: bool = True,
    ) -> Pushed:
        """Store a manifest and point ``tags`` at it, all or nothing. ``may_move``: tags that name something else as well.

        Raises:
            TagTakenError: one of them does, and may not be moved.
            PushRefusedError: the repository is filled from an upstream.
            ManifestInvalidError, TooLargeError; DigestInvalidError: the body is not what ``digest`` names.
            ReferencesMissingError: it names content that the repository does not hold.
            NamespaceFullError, TooManyRepositoriesError, StorageFullError, MetadataUnavailableError: nothing has become visible.
        """
        self._mirroring.require_pushable(repo)
        parsed = manifests.parse(data, content_type)
        actual = digests.of(data, digest.algorithm if digest else "sha256")
        if digest is not None and actual != digest:
            raise DigestInvalidError("the manifest is not what the digest names", {"digest": str(digest)})
        new = NewManifest(
            digest=actual,
            media_type=parsed.media_type,
            size_bytes=len(data),
            references=parsed.references,
            subject=parsed.subject,
            artifact_type=parsed.artifact_type or "",
        )
        with self._quotas.room(repo, actual, len(data)):
            self._commit(repo, new, data, tags, may_move=may_move)
        self._cache.put(repo, actual, data)
        return Pushed(actual, parsed.subject)

    def _commit(self, repo: Repository, new: NewManifest, data: bytes, tags: Sequence[Tag], *, may_move: bool) -> None:
        for _ in range(_TRIES):
            fence = self._repos.fence(new.digest)
            fence = fence.placed_by(self._writer.put(new.digest, data, repo).layout_revision)
            try:
                self._check_and_commit(repo, new, tags, fence, may_move=may_move)
            except SweepMovedError:
                continue
            except LayoutMovedError:
                self._writer.misplaced(new.digest)
            else:
                return
        raise UnavailableError("sweeps or layouts kept changing while the manifest was stored; push it again")

    def _check_and_commit(
        self, repo: Repository, new: NewManifest, tags: Sequence[Tag], fence: Fence, *, may_move: bool
    ) -> None:
        """Raises SweepMovedError, LayoutMovedError: under a new fence, then."""
        for _ in range(_CHECKS):
            removals = self._repos.removals(repo)
            self._require_references(repo, new.references)
            places = tags if may_move else self._unmoved(repo, new.digest, tags)
            with contextlib.suppress(RemovalsMovedError, TagMovedError):
                self._repos.put_manifest(repo, new, places, fence, removals)
                return
        raise UnavailableError("the repository kept changing while the manifest was checked; push it again")

    def _unmoved(self, repo: Repository, digest: Digest, tags: Sequence[Tag]) -> dict[Tag, int]:
        """From where the tags are set: nowhere, or from this digest. Raises TagTakenError: one names something else."""
        revisions = {tag: self._repos.tag_revision(repo, tag) for tag in tags}
        for tag in tags:
            with contextlib.suppress(MissingError):
                found = self._repos.manifest_by_tag(repo, tag)
                if found.digest != digest:
                    raise TagTakenError("the tag exists, and may not be moved", {"tag": tag})
        return revisions

    def _require_references(self, repo: Repository, references: Sequence[manifests.Reference]) -> None:
        if self._sparse:
            return
        needed = [r.digest for r in references if not r.may_be_absent]
        missing = self._missing(repo, needed)
        if missing:
            # In a repository that is a cache as well, the client may have been told that these are there.
            self._mirroring.complete(repo, missing)
            missing = self._missing(repo, needed)
        if missing:
            raise ReferencesMissingError(
                f"{len(missing)} of the digests that the manifest names are not in the repository; push them first",
                [{"digest": str(digest)} for digest in missing[:_NAMED]],
            )
        self._claim(repo, needed)

    def _missing(self, repo: Repository, needed: Sequence[Digest]) -> list[Digest]:
        """Those that the repository does not link, or of which no node has a copy."""
        links = self._repos.links(repo, needed)
        linked = [Want(digest, link.size_bytes) for digest, link in links.items()]
        found = self._reader.stat(linked) if linked else []
        gone = [want.digest for want, blob in zip(linked, found, strict=True) if blob is None]
        return [digest for digest in needed if digest not in links] + gone

    def _claim(self, repo: Repository, needed: Sequence[Digest]) -> None:
        """What a push names is pushed, also where an upstream gave it: a cache lets go of what only came from there.

        Raises:
            SweepMovedError: look at the copies again.
        """
        if not self._mirroring.is_mirrored(repo):
            return
        fences = self._repos.fences(needed)
        cached = [link for link in self._repos.links(repo, needed).values() if link.origin == "upstream"]
        found = self._reader.stat([Want(link.digest, link.size_bytes) for link in cached]) if cached else []
        for link, blob in zip(cached, found, strict=True):
            if blob is not None:
                self._repos.add_link(repo, link.digest, link.size_bytes, fences[link.digest])

    def find(self, repo: Repository, reference: Tag | Digest) -> ManifestRecord:
        """The record as it stands now, here or upstream.

        Raises:
            ManifestUnknownError, RepositoryUnknownError. UpstreamError: of a mirrored repository that has no such manifest here.
        """
        if isinstance(reference, digests.Digest):
            return self._by_digest(repo, reference)
        relied = self._mirroring.refresh(repo, reference)
        try:
            return self._repos.manifest_by_tag(repo, reference)
        except MissingError:
            if not relied:
                raise
        # Deleted here since the upstream was asked: asked again it comes again.
        self._mirroring.refresh(repo, reference, anew=True)
        return self._repos.manifest_by_tag(repo, reference)

    def _by_digest(self, repo: Repository, digest: Digest) -> ManifestRecord:
        try:
            return self._repos.manifest(repo, digest)
        except MissingError:
            if not self._mirroring.bring_manifest(repo, digest):
                raise
        return self._repos.manifest(repo, digest)

    def confirm(self, repo: Repository, record: ManifestRecord) -> None:
        """Say "exists" only if a node holds the bytes (ARCHITECTURE, promise 9). Raises ManifestUnknownError."""
        if self._reader.stat([Want(record.digest, record.size_bytes)])[0] is None:
            if self._mirroring.bring_manifest(repo, record.digest):
                return
            raise ManifestUnknownError(
                "no copy of this manifest is left; push it again", {"digest": str(record.digest)}
            )

    def bytes_of(self, repo: Repository, record: ManifestRecord) -> bytes:
        """The manifest exactly as pushed. Raises ManifestUnknownError when no good copy is left."""
        data = self._cache.get(repo, record.digest)
        if data is None:
            try:
                data = self._read(record)
            except ManifestUnknownError:
                if not self._mirroring.bring_manifest(repo, record.digest):
                    raise
                data = self._read(record)
            self._cache.put(repo, record.digest, data)
        return data

    def _read(self, record: ManifestRecord) -> bytes:
        """From whoever has it, compared with its digest here: a stream may have changed copies on its way."""
        for _ in range(_COPIES):
            try:
                data = b"".join(self._reader.read(Want(record.digest, record.size_bytes), 0, None))
            except CorruptError:
                continue  # that copy is in quarantine now
            except MissingError:
                break
            if digests.of(data, record.digest.algorithm) == record.digest:
                return data
        raise ManifestUnknownError("the stored manifest is damaged; push it again", {"digest": str(record.digest)})

    def require_single_tag(self, repo: Repository, reference: Tag | Digest) -> None:
        """Raises TagsShareError: several tags name the digest that would be deleted (zot's detectManifestCollision)."""
        if not isinstance(reference, digests.Digest):
            return
        tags = self._repos.tags_of(repo, reference, 2)
        if len(tags) > 1:
            raise TagsShareError("several tags name this manifest; delete them one by one", {"tags": tags})

    def delete(self, repo: Repository, reference: Tag | Digest) -> None:
        """By tag: only the tag. By digest: the manifest, and with it all its tags.

        Raises:
            ManifestUnknownError, RepositoryUnknownError; StillReferencedError: an index in the repository names it.
        """
        if isinstance(reference, digests.Digest):
            self._repos.delete_manifest(repo, reference)
        else:
            self._repos.delete_tag(repo, reference)
