"""A sync worker: what ``holdfast.rpc.sync.SyncClient`` promises and operators ask, carried out, without any transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from holdfast.rpc.sync import Listed, Resolved, Underway
    from holdfast.rpc.syncstatus import WorkerStatus
    from syncworker.ahead import Ahead
    from syncworker.fetching import Fetching
    from syncworker.looking import Looking
    from syncworker.manifests import Manifests
    from syncworker.referrers import Referrers
    from syncworker.refused import Refused
    from syncworker.tags import Tags


class SyncWorker:
    """Shared by threads. ``refused``: of blobs."""

    def __init__(
        self,
        tags: Tags,
        manifests: Manifests,
        referrers: Referrers,
        fetching: Fetching,
        refused: Refused,
        ahead: Ahead,
        looking: Looking,
    ) -> None:
        self._tags = tags
        self._manifests = manifests
        self._referrers = referrers
        self._fetching = fetching
        self._refused = refused
        self._ahead = ahead
        self._looking = looking

    def resolve(self, repository: Repository, tag: Tag) -> Resolved:
        found = self._tags.resolve(repository, tag)
        self._ahead.consider(repository, found.digest)
        return found

    def fetch_manifest(self, repository: Repository, digest: Digest) -> None:
        self._manifests.have(repository, digest)
        self._ahead.consider(repository, digest)

    def fetch_referrers(self, repository: Repository, subject: Digest) -> Listed:
        return self._referrers.have(repository, subject)

    def fetch_blob(self, repository: Repository, digest: Digest) -> Underway | None:
        with self._refused.remembering(repository, digest):
            return self._fetching.fetch(repository, digest)

    def status(self) -> WorkerStatus:
        return self._looking.status()
