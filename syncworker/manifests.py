"""Manifests that came from an upstream: stored, recorded as such, and tagged, all at once.

Promises: what is stored has been compared with its digest and accepted by ``manifest.parse``. Its record says ``origin=upstream``:
what it references may be absent, and is fetched when somebody asks for it (ARCHITECTURE, promise 2).

Never: fetches what a manifest references.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from holdfast.errors import LayoutMovedError, RemovalsMovedError, SweepMovedError, UnavailableError
from holdfast.joined import Joined
from holdfast.meta.repos import NewManifest
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.digest import Digest
    from holdfast.meta.repos import ManifestRecord, Repositories
    from holdfast.names import Repository, Tag
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter
    from syncworker.sources import Sources
    from syncworker.upstream.values import Fetched

_log: Final = logging.getLogger("holdfast.sync")

_TRIES: Final = 5
_PATIENCE_SECONDS: Final = 60.0


class Manifests:
    """Shared by threads."""

    def __init__(self, repos: Repositories, reader: ReplicaReader, writer: ReplicaWriter, sources: Sources) -> None:
        self._repos = repos
        self._reader = reader
        self._writer = writer
        self._sources = sources
        self._joined: Joined[tuple[Repository, Digest], None] = Joined(_PATIENCE_SECONDS)

    def have(self, repository: Repository, digest: Digest) -> None:
        """See to it that the repository has the manifest, record and bytes.

        Raises:
            UpstreamError: it must be fetched, and cannot be. UnavailableError.
        """
        if not self._has(repository, digest):
            self._joined.run((repository, digest), lambda: self._fetch(repository, digest))

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
            fence = fence.placed_by(self._writer.put(new.digest, fetched.data).layout_revision)
            removals = self._repos.removals(repository)
            try:
                return self._repos.put_manifest(repository, new, tags, fence, removals)
            except LayoutMovedError:
                self._writer.misplaced(new.digest)
            except (SweepMovedError, RemovalsMovedError):
                continue
        raise UnavailableError("the repository kept changing while a manifest was stored; try again")

    def _has(self, repository: Repository, digest: Digest) -> bool:
        found = self._repos.manifests(repository, [digest]).get(digest)
        return found is not None and self._reader.stat([Want(digest, found.size_bytes)])[0] is not None

    def _fetch(self, repository: Repository, digest: Digest) -> None:
        fetched = self._sources.ask(repository, lambda upstream, name: upstream.manifest(name, digest))
        self.keep(repository, fetched, [])
        _log.info("fetched a manifest", extra={"repository": repository, "digest": str(digest)})
