"""Manifests that came from an upstream: stored, recorded as such, and tagged, all at once.

Promises: what is stored has been compared with its digest and accepted by ``manifest.parse``. Its record says ``origin=upstream``:
what it references may be absent, and is fetched when somebody asks for it (ARCHITECTURE, promise 2). What upstreams
have just refused is not asked for again (``refused``).

Never: fetches what a manifest references.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import (
    CorruptError,
    LayoutMovedError,
    MissingError,
    RemovalsMovedError,
    SweepMovedError,
    UnavailableError,
)
from holdfast.joined import Joined
from holdfast.meta.repos import NewManifest
from holdfast.rpc.node import Want
from syncworker.linking import report_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.repos import ManifestRecord, Repositories
    from holdfast.names import Repository, Tag
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter
    from syncworker.refused import Refused
    from syncworker.signatures import Signatures
    from syncworker.sources import Source, Sources
    from syncworker.upstream.values import Fetched

_log: Final = logging.getLogger("holdfast.sync")

_TRIES: Final = 5
_PATIENCE_SECONDS: Final = 60.0
# How many copies may be damaged before nobody is asked any more.
_COPIES: Final = 4


class Manifests:
    """Shared by threads."""

    def __init__(
        self,
        repos: Repositories,
        reader: ReplicaReader,
        writer: ReplicaWriter,
        sources: Sources,
        signatures: Signatures,
        refused: Refused,
    ) -> None:
        self._repos = repos
        self._reader = reader
        self._writer = writer
        self._sources = sources
        self._signatures = signatures
        self._refused = refused
        self._joined: Joined[tuple[Repository, Digest, str], None] = Joined(_PATIENCE_SECONDS)

    def have(self, repository: Repository, digest: Digest) -> None:
        """See to it that the repository has the manifest, record and bytes, if it may (``signatures``).

        Raises:
            UpstreamError: it must be fetched, and cannot be. UnavailableError.
        """

        def admitted(source: Source) -> Fetched | None:
            fetched = source.upstream.manifest(source.name, digest)
            return fetched and self._signatures.admit(source, repository, fetched)

        def fetch() -> None:
            with self._refused.remembering(repository, digest):
                self._fetch(repository, digest, admitted)

        if not self._has(repository, digest):
            self._joined.run((repository, digest, "asked for"), fetch)

    def is_pushed(self, repository: Repository, digest: Digest) -> bool:
        """Whether it is there, and by a push."""
        found = self._repos.manifests(repository, [digest]).get(digest)
        return found is not None and found.origin == "pushed"

    def attach(self, repository: Repository, digest: Digest) -> None:
        """As ``have``, for what an upstream lists as belonging to a manifest, and nobody signs."""

        def fetch() -> None:
            self._fetch(repository, digest, lambda source: source.upstream.manifest(source.name, digest))

        if not self._has(repository, digest):
            self._joined.run((repository, digest, "attached"), fetch)

    def read(self, repository: Repository, digest: Digest) -> bytes:
        """The bytes of one that is stored, compared with its digest.

        Raises:
            MissingError: it is not stored, or no good copy is left. UnavailableError.
        """
        want = Want(digest, self._repos.manifest(repository, digest).size_bytes)
        for _ in range(_COPIES):
            try:
                data = b"".join(self._reader.read(want, 0, None))
            except CorruptError:
                continue  # that copy is in quarantine now
            if digests.of(data, digest.algorithm) == digest:
                return data
        raise MissingError("the stored manifest is damaged", {"digest": str(digest)})

    def keep(self, repository: Repository, fetched: Fetched, tags: Sequence[Tag]) -> ManifestRecord:
        """Store it and point ``tags`` at it.

        Raises:
            StorageFullError, MetadataUnavailableError: nothing has become visible.
        """
        new = NewManifest(
            digest=fetched.digest,
            media_type=fetched.media_type,
            size_bytes=len(fetched.data),
            references=fetched.manifest.references,
            subject=fetched.manifest.subject,
            artifact_type=fetched.manifest.artifact_type or "",
            origin="upstream",
        )
        for _ in range(_TRIES):
            fence = self._repos.fence(new.digest)
            fence = fence.placed_by(self._writer.put(new.digest, fetched.data, repository).layout_revision)
            removals = self._repos.removals(repository)
            try:
                record = self._repos.put_manifest(repository, new, tags, fence, removals)
            except LayoutMovedError:
                self._writer.misplaced(new.digest)
            except (SweepMovedError, RemovalsMovedError):
                continue
            # Of a new tag over layers that are all here, no blob will be asked for.
            with contextlib.suppress(UnavailableError):
                report_image(self._repos, repository, record)
            return record
        raise UnavailableError("the repository kept changing while a manifest was stored; try again")

    def _has(self, repository: Repository, digest: Digest) -> bool:
        found = self._repos.manifests(repository, [digest]).get(digest)
        return found is not None and self._reader.stat([Want(digest, found.size_bytes)])[0] is not None

    def _fetch(self, repository: Repository, digest: Digest, question: Callable[[Source], Fetched | None]) -> None:
        fetched = self._sources.ask_each(repository, question)
        self.keep(repository, fetched, [])
        _log.info("fetched a manifest", extra={"repository": repository, "digest": str(digest)})
