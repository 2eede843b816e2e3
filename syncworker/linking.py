"""A stored blob becomes a repository's, by the rules of ARCHITECTURE 3b: fence, bytes, link.

Promises: a link is made only over bytes that a node has confirmed since the fence was read, and says that they came from upstream.

Never: decides whether a repository may have a blob.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Final

from holdfast.errors import LayoutMovedError, NodeUnreachableError, SweepMovedError, UnavailableError
from holdfast.manifest import IMAGES
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.digest import Digest
    from holdfast.meta.repos import Fence, ManifestRecord, Repositories
    from holdfast.names import Repository
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter
    from holdfast.rpc.node import StoredBlob

_log: Final = logging.getLogger("holdfast.sync")

_TRIES: Final = 5
# A base image's layer is in thousands of images.
_REPORTED: Final = 4


class Linking:
    """Shared by threads. ``linked`` is told how many bytes have become whose."""

    def __init__(
        self,
        repos: Repositories,
        reader: ReplicaReader,
        writer: ReplicaWriter,
        linked: Callable[[Repository, int], None],
    ) -> None:
        self._repos = repos
        self._reader = reader
        self._writer = writer
        self._linked = linked

    def adopt(self, repository: Repository, want: Want) -> bool:
        """Link what some node holds; False: nobody who could be asked has it, so it is to be fetched.

        The size is what a manifest says, which anybody can write: a node that is told it would take a good copy for a wrong one.
        """
        for _ in range(_TRIES):
            fence = self._repos.fence(want.digest)
            self._reader.forget(want.digest)
            try:
                stored = self._reader.stat([Want(want.digest)])[0]
            except NodeUnreachableError:
                # Fetching again what a node has that is away costs bytes; refusing would cost the client its pull.
                return False
            if stored is None or want.size_bytes not in (None, stored.size_bytes):
                return False
            try:
                self._repos.add_link(repository, want.digest, stored.size_bytes, fence, "upstream")
            except SweepMovedError:
                continue
            self._linked(repository, stored.size_bytes)
            self.report(repository, want.digest)
            return True
        return False

    def link(self, repositories: Iterable[Repository], stored: StoredBlob, fence: Fence) -> None:
        """Link what was just stored; ``fence`` was read before that.

        Raises:
            UnavailableError: the bytes stay; whoever asks next for them adopts them.
        """
        revision = stored.layout_revision
        for repository in repositories:
            for _ in range(_TRIES):
                try:
                    self._repos.add_link(
                        repository, stored.digest, stored.size_bytes, fence.placed_by(revision), "upstream"
                    )
                except LayoutMovedError:
                    revision = self._writer.misplaced(stored.digest)
                except SweepMovedError:
                    if self.adopt(repository, Want(stored.digest, stored.size_bytes)):
                        break
                    raise UnavailableError("a sweep took the blob before it was linked; ask again") from None
                else:
                    break
            else:
                raise UnavailableError("layouts kept changing while a blob was linked; ask again")
            self._linked(repository, stored.size_bytes)
            self.report(repository, stored.digest)

    def report(self, repository: Repository, digest: Digest) -> None:
        """Say which images are whole now that they have this blob."""
        for record in itertools.islice(self._repos.naming(repository, digest), _REPORTED):
            report_image(self._repos, repository, record)


def report_image(repos: Repositories, repository: Repository, record: ManifestRecord) -> None:
    """Say that it is whole, if it is: of an index its parts say so."""
    needed = {reference.digest for reference in record.references if not reference.may_be_absent}
    if record.media_type in IMAGES and len(repos.links(repository, needed)) == len(needed):
        _log.info("successfully synced image", extra={"repository": repository, "digest": str(record.digest)})
