"""Blobs as a repository sees them: linked, confirmed on a node, readable.

A digest is no capability (ARCHITECTURE, promise 5): nothing here answers for a blob unless the repository links it. And existence
means bytes (promise 9): "is there" is said only after a node has confirmed a copy of the linked size.

Never here: HTTP, and bytes in memory.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from gateway.quotas import UNLIMITED, Quotas
from holdfast.errors import BlobUnknownError, RepositoryUnknownError, SweepMovedError
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.mirroring import Mirroring
    from gateway.renewal import Renewal
    from holdfast.digest import Digest
    from holdfast.meta.links import Link
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository
    from holdfast.replicas.read import ReplicaReader
    from holdfast.rpc.node import LocalBlob

    Piece = bytes | memoryview

# A sweep in between is rare; several in a row mean that something is wrong, and the client should come back later.
_TRIES: Final = 5
# How many repositories that link a digest are looked at when a mount names no source.
_HOLDERS: Final = 16


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob that the repository links and a node holds; or one that comes from upstream when ``expected_in`` is read from.

    ``again_in``: a linked one comes from upstream through this repository if no copy is left after all.
    """

    digest: Digest
    size_bytes: int
    expected_in: Repository | None = None
    again_in: Repository | None = None


class Blobs:
    """Reading, mounting and unlinking."""

    def __init__(
        self,
        repos: Repositories,
        reader: ReplicaReader,
        mirroring: Mirroring,
        renewal: Renewal,
        quotas: Quotas = UNLIMITED,
    ) -> None:
        self._repos = repos
        self._quotas = quotas
        self._reader = reader
        self._mirroring = mirroring
        self._renewal = renewal

    def linked(self, repo: Repository, digest: Digest) -> BlobInfo:
        """What the link says, or a mirrored manifest, or the repository's own upstream; no node is asked for the bytes.

        Raises:
            BlobUnknownError, RepositoryUnknownError. UpstreamError: of a mirrored repository, and nothing here names the blob.
        """
        found = self._linked(repo, digest)
        if found is not None:
            return found
        size_bytes = self._mirroring.asked_bytes(repo, digest)
        return self._refuse(repo, digest) if size_bytes is None else BlobInfo(digest, size_bytes, repo)

    def _linked(self, repo: Repository, digest: Digest) -> BlobInfo | None:
        link = self._repos.link(repo, digest)
        if link is None:
            return self._expected(repo, digest)
        return BlobInfo(digest, link.size_bytes, again_in=repo if self._mirroring.is_mirrored(repo) else None)

    def _expected(self, repo: Repository, digest: Digest) -> BlobInfo | None:
        size_bytes = self._mirroring.expected_bytes(repo, digest)
        return None if size_bytes is None else BlobInfo(digest, size_bytes, repo)

    def confirmed(self, repo: Repository, digest: Digest) -> BlobInfo:
        """Linked, and a node confirms the bytes; or expected from upstream, which nobody is asked for now.

        Raises:
            BlobUnknownError, RepositoryUnknownError; NodeUnreachableError when nobody has it and not all could be asked.
        """
        link = self._repos.link(repo, digest)
        if link is not None and self._is_stored(repo, link):
            return BlobInfo(digest, link.size_bytes, again_in=repo if self._mirroring.is_mirrored(repo) else None)
        expected = self._expected(repo, digest)
        if expected is not None:
            return expected
        if link is None:
            self._refuse(repo, digest)
        raise BlobUnknownError("no copy of this blob is left; push it again", {"digest": str(digest)})

    def _is_stored(self, repo: Repository, link: Link) -> bool:
        """A node confirms it, and whoever asked may rely on the link for a while. False also if the link went meanwhile."""
        want = Want(link.digest, link.size_bytes)
        for _ in range(_TRIES):
            fence = self._renewal.fence(repo, link)
            if fence is not None:
                self._reader.forget(link.digest)  # what is remembered is older than the fence
            if self._reader.stat([want])[0] is None:
                return False
            if fence is None:
                return True
            with contextlib.suppress(SweepMovedError):
                return self._renewal.renew(repo, link, fence)
        return False

    def open_local(self, info: BlobInfo) -> LocalBlob | None:
        """The short-circuit read, when an owner is on this host. Raises BlobUnknownError, CorruptError."""
        if info.expected_in is not None:
            return None
        try:
            return self._reader.open(Want(info.digest, info.size_bytes))
        except BlobUnknownError:
            if info.again_in is None:
                raise
            return None  # evicted since the link was read, or lost: reading fetches it

    def read(self, info: BlobInfo, offset_bytes: int, length_bytes: int | None) -> Iterator[Piece]:
        """The bytes by way of a node. Errors surface at the first step of the iterator or end it."""
        want = Want(info.digest, info.size_bytes)
        if info.expected_in is not None:
            return self._from_upstream(info.expected_in, want, offset_bytes, length_bytes)
        if info.again_in is not None:
            return self._or_again(info.again_in, want, offset_bytes, length_bytes)
        return self._reader.read(want, offset_bytes, length_bytes)

    def _or_again(self, repo: Repository, want: Want, offset_bytes: int, length_bytes: int | None) -> Iterator[Piece]:
        pieces = self._reader.read(want, offset_bytes, length_bytes)
        try:
            first = next(pieces, b"")
        except BlobUnknownError:
            yield from self._from_upstream(repo, want, offset_bytes, length_bytes)
            return
        yield first
        yield from pieces

    def _from_upstream(
        self, repo: Repository, want: Want, offset_bytes: int, length_bytes: int | None
    ) -> Iterator[Piece]:
        length = (want.size_bytes or 0) - offset_bytes if length_bytes is None else length_bytes
        return self._mirroring.read(repo, want, offset_bytes, length)

    def mount(
        self, target: Repository, source: Repository | None, digest: Digest, may_read: Callable[[Repository], bool]
    ) -> BlobInfo | None:
        """Link a blob that another repository links; None when that cannot be done and the client should upload.

        Without ``source`` any repository that links it and that the caller may read will do ("automatic content discovery").

        Raises:
            NamespaceFullError, TooManyRepositoriesError: an upload would fail in the same way.
        """
        self._mirroring.require_pushable(target)
        sources = [source] if source else self._repos.holders(digest, _HOLDERS)
        for candidate in filter(may_read, sources):
            info = self._mount_from(target, candidate, digest)
            if info is not None:
                return info
        return None

    def _mount_from(self, target: Repository, source: Repository, digest: Digest) -> BlobInfo | None:
        for _ in range(_TRIES):
            fence = self._repos.fence(digest)
            link = self._repos.link(source, digest)
            if link is None or self._reader.stat([Want(digest, link.size_bytes)])[0] is None:
                return None
            try:
                with self._quotas.room(target, digest, link.size_bytes):
                    self._repos.mount(source, target, digest, fence)
            except SweepMovedError:
                self._reader.forget(digest)
            except BlobUnknownError:
                return None
            else:
                return BlobInfo(digest, link.size_bytes)
        return None

    def unlink(self, repo: Repository, digest: Digest) -> None:
        """Take the blob out of the repository. The bytes stay until nothing links them.

        Raises:
            BlobUnknownError, RepositoryUnknownError; StillReferencedError: a manifest of the repository names it.
        """
        self._repos.delete_blob(repo, digest)

    def _refuse(self, repo: Repository, digest: Digest) -> NoReturn:
        if not self._repos.exists(repo):
            raise RepositoryUnknownError("the repository is not known here", {"name": repo})
        raise BlobUnknownError("the repository has no such blob", {"digest": str(digest)})
