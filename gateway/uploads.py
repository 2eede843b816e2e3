"""Uploads: a body becomes staged bytes on one node, staged bytes become a stored blob, a stored blob becomes a link.

The order of the last three steps is the promise (ARCHITECTURE 3b): the sweep fence is read before a node commits the bytes, the
node says that they are durable, and only then are they linked, in a transaction that fails if a sweep ran in between.

An upload belongs to the repository and principal that began it; the node checks that (CVE-2026-32589).

Never here: HTTP. Bodies come in as a :class:`Source`, which knows how to be streamed or written straight into a file.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, Protocol

from gateway.quotas import UNLIMITED, Quotas
from holdfast import digest as digests
from holdfast.errors import (
    HoldfastError,
    LayoutMovedError,
    NamespaceFullError,
    OffsetError,
    SweepMovedError,
    UnavailableError,
    UploadUnknownError,
)
from holdfast.rpc.node import StoredBlob, UploadKey, UploadState, Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.mirroring import Mirroring
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository
    from holdfast.replicas.read import ReplicaReader
    from holdfast.replicas.write import ReplicaWriter
    from holdfast.rpc.node import LocalAppend

_TRIES: Final = 5
# Up to here one message to the node is cheaper than opening the staging file and announcing offsets.
SMALL_BODY_BYTES: Final = 1024 * 1024


class Source(Protocol):
    """A request body."""

    @property
    def length_bytes(self) -> int | None:
        """None: not known before the end (chunked transfer coding)."""
        ...

    def read_all(self, limit_bytes: int) -> bytes:
        """The whole body; raises TooLargeError beyond the limit and SizeInvalidError when it ends early."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Pieces of about 1 MiB; raises SizeInvalidError when the body ends early."""
        ...

    def write_to(self, descriptor: int, offset_bytes: int, written: Callable[[int], None]) -> int:
        """Write the body into a file from ``offset_bytes``; ``written`` is told every few MiB how far the file goes.

        Returns how far it goes in the end. Raises SizeInvalidError when the body ended early; what came is in the file.
        """
        ...


class Uploads:
    """Start, append, look, finish, cancel."""

    def __init__(
        self,
        repos: Repositories,
        reader: ReplicaReader,
        writer: ReplicaWriter,
        open_staging: Callable[[LocalAppend], int | None],
        mirroring: Mirroring,
        quotas: Quotas = UNLIMITED,
    ) -> None:
        """``open_staging`` opens an offered staging file if it is the right one, else answers None."""
        self._mirroring = mirroring
        self._quotas = quotas
        self._repos = repos
        self._reader = reader
        self._writer = writer
        self._open_staging = open_staging

    def start(self, repo: Repository, principal: str, algorithm: str | None) -> UploadState:
        """Begin an upload.

        Raises:
            DigestInvalidError: an algorithm that cannot be computed. PushRefusedError, StorageFullError, NamespaceFullError.
        """
        self._mirroring.require_pushable(repo)
        self._quotas.require(repo)
        if algorithm is not None:
            digests.algorithm(algorithm)
        return self._writer.start(repo, principal, algorithm)

    def state(self, key: UploadKey) -> UploadState:
        """Raises UploadUnknownError."""
        return self._writer.state(key)

    def append(self, key: UploadKey, expected: tuple[int, int] | None, body: Source) -> UploadState:
        """Append a body. ``expected`` is the chunk's first and last byte where the client said so.

        Raises:
            OffsetError: the chunk does not begin where the upload stands; nothing was taken.
            SizeInvalidError: the body ended early; what came in order is kept.
            UploadUnknownError, StaleWriterError, StorageFullError.
            NamespaceFullError: the body says that it has more bytes than fit; nothing was taken.
        """
        if body.length_bytes:
            self._quotas.require(_repository(key), body.length_bytes)
        offset = expected[0] if expected else None
        if body.length_bytes == 0:
            state = self._writer.state(key)
            if offset is not None and offset != state.offset_bytes:
                raise OffsetError("the chunk does not begin where the upload stands", state.offset_bytes)
            return state
        if body.length_bytes is not None and body.length_bytes <= SMALL_BODY_BYTES:
            return self._writer.append(key, offset, body.chunks())
        local = self._writer.open_append(key, offset)
        descriptor = self._open_staging(local) if local is not None else None
        if local is None or descriptor is None:
            return self._writer.append(key, offset, body.chunks())
        return _write_through(local, descriptor, body)

    def finish(self, key: UploadKey, digest: Digest) -> StoredBlob:
        """Commit what was uploaded under its digest and link it.

        A repeated call joins the first. If the node no longer knows the upload but the blob is linked and stored, the first try
        had come through, and this one has too.

        Raises:
            DigestInvalidError: other bytes than named; the upload is gone. UploadUnknownError, StorageFullError.
            NamespaceFullError: it does not fit, and is gone. TooManyRepositoriesError.
        """
        repo = _repository(key)
        size_bytes = self._size_bytes(key) if self._quotas.applies(repo) else None
        if size_bytes is None:
            return self._finish(key, digest)
        try:
            with self._quotas.room(repo, digest, size_bytes):
                return self._finish(key, digest)
        except NamespaceFullError:
            with contextlib.suppress(HoldfastError):  # what cannot be dropped expires
                self._writer.cancel(key)
            raise

    def _size_bytes(self, key: UploadKey) -> int | None:
        """None: it is finished already, or was never there."""
        try:
            return self._writer.state(key).offset_bytes
        except UploadUnknownError:
            return None

    def _finish(self, key: UploadKey, digest: Digest) -> StoredBlob:
        repo = _repository(key)
        fence = self._repos.fence(digest)
        try:
            stored = self._writer.finish(key, digest)
        except UploadUnknownError:
            known = self._stored_before(repo, digest)
            if known is None:
                raise
            return known
        layout_revision = stored.layout_revision
        for _ in range(_TRIES):
            try:
                self._repos.add_link(repo, digest, stored.size_bytes, fence.placed_by(layout_revision))
            except LayoutMovedError:
                layout_revision = self._writer.misplaced(digest)
            except SweepMovedError:
                fence = self._repos.fence(digest)
                stored = self._again(key, digest)
                layout_revision = stored.layout_revision
            else:
                return stored
        raise UnavailableError("sweeps or layouts kept changing while this blob was linked; push it again")

    def put(self, repo: Repository, digest: Digest, data: bytes) -> StoredBlob:
        """A small blob in one step: stored and linked.

        Raises:
            DigestInvalidError, PushRefusedError, StorageFullError, NamespaceFullError, TooManyRepositoriesError.
        """
        self._mirroring.require_pushable(repo)
        with self._quotas.room(repo, digest, len(data)):
            return self._put(repo, digest, data)

    def _put(self, repo: Repository, digest: Digest, data: bytes) -> StoredBlob:
        for _ in range(_TRIES):
            fence = self._repos.fence(digest)
            stored = self._writer.put(digest, data, repo)
            try:
                self._repos.add_link(repo, digest, stored.size_bytes, fence.placed_by(stored.layout_revision))
            except SweepMovedError:
                continue
            except LayoutMovedError:
                self._writer.misplaced(digest)
                continue
            return stored
        raise UnavailableError("sweeps or layouts kept changing while this blob was linked; push it again")

    def cancel(self, key: UploadKey) -> None:
        """Raises UploadUnknownError."""
        self._writer.cancel(key)

    def _stored_before(self, repo: Repository, digest: Digest) -> StoredBlob | None:
        link = self._repos.link(repo, digest)
        return self._reader.stat([Want(digest, link.size_bytes)])[0] if link else None

    def _again(self, key: UploadKey, digest: Digest) -> StoredBlob:
        """A sweep may have taken some of the copies: the upload's node sees to it that as many as a write needs are there."""
        self._reader.forget(digest)
        try:
            return self._writer.finish(key, digest)
        except UploadUnknownError as error:
            raise UnavailableError("the blob was swept while it was being linked; push it again") from error


def _repository(key: UploadKey) -> Repository:
    return key.repository  # type: ignore[return-value]  # the key was made of a checked name at the edge


def _write_through(local: LocalAppend, descriptor: int, body: Source) -> UploadState:
    """The short-circuit write: the node must hear that the file is closed, also when the body broke off.

    The descriptor is closed before the node is told, because a descriptor that may still write is what keeps the node from
    committing the file as it is.
    """
    reached = local.file.offset_bytes

    def written(offset_bytes: int) -> None:
        nonlocal reached
        reached = offset_bytes
        local.advance(offset_bytes)

    try:
        reached = body.write_to(descriptor, reached, written)
    except BaseException:
        os.close(descriptor)
        local.close(reached)
        raise
    os.close(descriptor)
    return local.close(reached)
