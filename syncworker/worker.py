"""A sync worker: what ``holdfast.rpc.sync.SyncClient`` promises and operators ask, carried out, without any transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from holdfast.rpc.sync import Resolved, Underway
    from holdfast.rpc.syncstatus import WorkerStatus
    from syncworker.fetching import Fetching
    from syncworker.looking import Looking
    from syncworker.manifests import Manifests
    from syncworker.tags import Tags


class SyncWorker:
    """Shared by threads."""

    def __init__(self, tags: Tags, manifests: Manifests, fetching: Fetching, looking: Looking) -> None:
        self._tags = tags
        self._manifests = manifests
        self._fetching = fetching
        self._looking = looking

    def resolve(self, repository: Repository, tag: Tag) -> Resolved:
        return self._tags.resolve(repository, tag)

    def fetch_manifest(self, repository: Repository, digest: Digest) -> None:
        self._manifests.have(repository, digest)

    def fetch_blob(self, repository: Repository, digest: Digest) -> Underway | None:
        return self._fetching.fetch(repository, digest)

    def status(self) -> WorkerStatus:
        return self._looking.status()
