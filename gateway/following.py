"""Bytes of a blob that an upstream is still sending: read from the upload in which they grow.

Promises
    * The first piece comes as soon as the upstream's first byte is at a storage node.
    * A break is no end: the worker is asked again, and reading goes on at the same offset, from the upload or from what it became.
      So it is when a worker or a node died, and when nothing has come for a while: asking sees to it that somebody fetches.
    * Bytes of an upload that was dropped are never completed by others: the iteration ends in an error (ARCHITECTURE, promise 4).
      Those of one that was lost with its node are completed only by what begins with the same (``gateway.joint``).

Never: asks an upstream, or whether the repository may have the blob.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.joint import Joint
from holdfast.errors import (
    BlobUnknownError,
    CorruptError,
    NodeSilentError,
    NodeUnreachableError,
    UnavailableError,
    UploadUnknownError,
    UpstreamMissingError,
)
from holdfast.rpc.sync import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.names import Repository
    from holdfast.replicas.directory import NodeDirectory
    from holdfast.replicas.read import ReplicaReader
    from holdfast.rpc.node import Want
    from holdfast.rpc.sync import SyncClient

    Piece = bytes | memoryview

# After so much silence the worker is asked whether anybody is still fetching.
_SILENCE_SECONDS: Final = 5.0
# Without a byte for so long the client is let go; it comes back with a Range.
_STANDSTILL_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.25
_AGAIN_SECONDS: Final = 10.0


class Following:
    """Shared by threads. ``pause`` waits for so many seconds."""

    def __init__(
        self,
        workers: SyncClient,
        nodes: NodeDirectory,
        reader: ReplicaReader,
        clock: Clock,
        pause: Callable[[float], object],
    ) -> None:
        self._workers = workers
        self._nodes = nodes
        self._reader = reader
        self._clock = clock
        self._pause = pause

    def read(self, repository: Repository, want: Want, offset_bytes: int, length_bytes: int) -> Iterator[Piece]:
        """``length_bytes`` from ``offset_bytes`` on, as they come.

        Raises:
            BlobUnknownError: no upstream has it. UpstreamError: it cannot be fetched.
            CorruptError: what was passed on may be wrong. UnavailableError.
        """
        trail = _Trail(offset_bytes, offset_bytes + length_bytes, self._clock.monotonic())
        while True:
            try:
                yield from self._go_on(repository, want, trail)
            except (UploadUnknownError, UnavailableError) as error:
                if self._clock.monotonic() - trail.moved_at > _STANDSTILL_SECONDS:
                    raise
                trail.is_lost = isinstance(error, NodeUnreachableError) and not isinstance(error, NodeSilentError)
                self._pause(_PAUSE_SECONDS)
            else:
                return

    def until_whole(self, repository: Repository, digests: Iterable[Digest], patience_seconds: float) -> list[Digest]:
        """Wait for blobs to be stored and linked; those that are still on their way after so long, and go on without us.

        Raises:
            UpstreamError, UnavailableError: they cannot be fetched. One that no upstream has is on no way.
        """
        until = self._clock.monotonic() + patience_seconds
        coming = list(digests)
        while True:
            coming = [digest for digest in coming if self._is_coming(repository, digest)]
            if not coming or self._clock.monotonic() >= until:
                return coming
            self._pause(_PAUSE_SECONDS)

    def _is_coming(self, repository: Repository, digest: Digest) -> bool:
        try:
            return self._workers.fetch_blob(repository, digest) is not None
        except UpstreamMissingError:
            return False

    def _go_on(self, repository: Repository, want: Want, trail: _Trail) -> Iterator[Piece]:
        # An upstream that has answered before is not waited for again: a worker that is silent now hangs itself.
        patience = PATIENCE_SECONDS if not trail.upload_id else _AGAIN_SECONDS
        try:
            underway = self._workers.fetch_blob(repository, want.digest, patience)
        except UpstreamMissingError as error:
            raise BlobUnknownError(error.message, {"digest": str(want.digest)}) from error
        trail.come_to(underway.upload_id if underway is not None else "")
        start_bytes = trail.joint.start_bytes
        if underway is None:
            is_whole = start_bytes == 0 and want.size_bytes == trail.end_bytes
            length_bytes = None if is_whole else trail.end_bytes - start_bytes
            yield from trail.joint.behind(self._reader.read(want, start_bytes, length_bytes))
            return
        stream = self._nodes.by_upload(underway.upload_id).follow_upload(
            underway.upload_id, start_bytes, _SILENCE_SECONDS
        )
        for message in trail.joint.behind(stream):
            piece = message[: trail.left_bytes]
            trail.joint.passed(piece)
            trail.at_bytes += len(piece)
            yield piece
            trail.moved_at = self._clock.monotonic()
            if not trail.left_bytes:
                return  # closing the generator ends the call
        if trail.left_bytes:
            raise CorruptError("the upload ended before the blob that the manifest names")


@dataclass(slots=True)
class _Trail:
    """How far one reader has come. ``is_lost``: the node that it read from is gone, and what that had with it."""

    first_bytes: int
    end_bytes: int
    moved_at: float
    at_bytes: int = field(init=False)
    joint: Joint = field(init=False)
    upload_id: str = ""
    is_lost: bool = False

    def __post_init__(self) -> None:
        self.at_bytes = self.first_bytes
        self.joint = Joint(self.first_bytes)

    @property
    def left_bytes(self) -> int:
        return self.end_bytes - self.at_bytes

    def come_to(self, upload_id: str) -> None:
        """Read from this upload from here on; "": from the blob itself.

        Raises:
            CorruptError: what was read before came from one that was dropped, and may be wrong.
        """
        if self.upload_id != upload_id:
            self.joint.changed()
            if self.joint.is_doubtful and upload_id and not self.is_lost:
                raise CorruptError("the upload that was followed has been dropped; its bytes are not complete")
        self.upload_id, self.is_lost = upload_id, False
