"""Bytes of a blob that an upstream is still sending: read from the upload in which they grow.

Promises
    * The first piece comes as soon as the upstream's first byte is at a storage node.
    * However many read, a worker is asked once at a time for a repository and digest, and a node for one stream of the upload.
    * A break is no end: the worker is asked again, and reading goes on at the same offset, from the upload or from what it became.
      So it is when a worker or a node died, and when nothing has come for a while: asking sees to it that somebody fetches.
    * Bytes of an upload that was dropped are never completed by others: the iteration ends in an error (ARCHITECTURE, promise 4).
      Those of one that was lost with its node are completed only by what begins with the same (``gateway.joint``).
      Where none were passed on, others are asked for.
    * A blob that only trickles ends in an error, too, however patient the client is.

Never: asks an upstream, or whether the repository may have the blob.
"""

from __future__ import annotations

from contextlib import closing
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
from holdfast.joined import Joined
from holdfast.rpc.sync import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from gateway.sharing import Sharing
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.names import Repository
    from holdfast.replicas.directory import NodeDirectory
    from holdfast.replicas.read import ReplicaReader
    from holdfast.rpc.node import Want
    from holdfast.rpc.sync import SyncClient, Underway

    Piece = bytes | memoryview

# After so much silence the worker is asked whether anybody is still fetching.
_SILENCE_SECONDS: Final = 5.0
# With less than so much in so long, the time not counted that the client itself takes, it is let go; it comes back with a Range.
_STANDSTILL_SECONDS: Final = 60.0
_PROGRESS_BYTES: Final = 64 << 10
_PAUSE_SECONDS: Final = 0.25
_AGAIN_SECONDS: Final = 10.0


class Following:
    """Shared by threads. ``pause`` waits for so many seconds. ``sharing`` is this process's own."""

    def __init__(
        self,
        workers: SyncClient,
        nodes: NodeDirectory,
        reader: ReplicaReader,
        clock: Clock,
        pause: Callable[[float], object],
        sharing: Sharing,
    ) -> None:
        self._workers = workers
        self._nodes = nodes
        self._reader = reader
        self._clock = clock
        self._pause = pause
        self._sharing = sharing
        self._asking: Joined[tuple[Repository, Digest], Underway | None] = Joined(PATIENCE_SECONDS)

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
            except (UploadUnknownError, UnavailableError, CorruptError) as error:
                is_spoilt = isinstance(error, CorruptError) and trail.at_bytes > trail.first_bytes
                if is_spoilt or trail.is_stuck(self._clock.monotonic()):
                    raise
                trail.is_lost = isinstance(error, NodeUnreachableError) and not isinstance(error, NodeSilentError)
                self._pause(_PAUSE_SECONDS)
            else:
                return

    def _go_on(self, repository: Repository, want: Want, trail: _Trail) -> Iterator[Piece]:
        # An upstream that has answered before is not waited for again: a worker that is silent now hangs itself.
        patience = PATIENCE_SECONDS if not trail.upload_id else _AGAIN_SECONDS
        underway = self._asked(repository, want.digest, patience)
        trail.come_to(underway.upload_id if underway is not None else "")
        start_bytes = trail.joint.start_bytes
        if underway is None:
            is_whole = start_bytes == 0 and want.size_bytes == trail.end_bytes
            length_bytes = None if is_whole else trail.end_bytes - start_bytes
            stored = trail.joint.behind(self._reader.read(want, start_bytes, length_bytes))
            yield from _passed_on(trail, stored, self._clock)
        else:
            with closing(self._followed(underway.upload_id, start_bytes)) as stream:
                yield from _passed_on(trail, trail.joint.behind(stream), self._clock)
        if trail.left_bytes:
            raise CorruptError("the upload ended before the blob that the manifest names")

    def _asked(self, repository: Repository, digest: Digest, patience_seconds: float) -> Underway | None:
        try:
            return self._asking.run(
                (repository, digest), lambda: self._workers.fetch_blob(repository, digest, patience_seconds)
            )
        except UpstreamMissingError as error:
            raise BlobUnknownError(error.message, {"digest": str(digest)}) from error

    def _followed(self, upload_id: str, offset_bytes: int) -> Generator[Piece, None, None]:
        node = self._nodes.by_upload(upload_id)
        return self._sharing.read(
            upload_id, offset_bytes, lambda at_bytes: node.follow_upload(upload_id, at_bytes, _SILENCE_SECONDS)
        )


def _passed_on(trail: _Trail, messages: Iterator[Piece], clock: Clock) -> Iterator[Piece]:
    """What is wanted of them, noted on the trail."""
    for message in messages:
        piece = message[: trail.left_bytes]
        trail.joint.passed(piece)
        trail.came(len(piece), clock.monotonic())
        yield piece
        trail.passed_on(clock.monotonic())
        if not trail.left_bytes:
            return


@dataclass(slots=True)
class _Trail:
    """How far one reader has come. ``is_lost``: the node that it read from is gone, and what that had with it.

    ``since``: when it last had moved on by so much, the time not counted that its client took; ``moved_bytes`` since then.
    """

    first_bytes: int
    end_bytes: int
    since: float
    at_bytes: int = field(init=False)
    joint: Joint = field(init=False)
    upload_id: str = ""
    is_lost: bool = False
    moved_bytes: int = 0
    came_at: float = 0.0

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

    def came(self, count_bytes: int, now: float) -> None:
        """Raises UnavailableError: too few bytes come."""
        self.moved_bytes += count_bytes
        if self.at_bytes == self.first_bytes or self.moved_bytes >= _PROGRESS_BYTES or count_bytes == self.left_bytes:
            self.since, self.moved_bytes = now, 0
        elif self.is_stuck(now):
            raise UnavailableError("the upstream sends too slowly; try again later")
        self.at_bytes += count_bytes
        self.came_at = now

    def passed_on(self, now: float) -> None:
        """The client has taken what came."""
        self.since += now - self.came_at

    def is_stuck(self, now: float) -> bool:
        return now - self.since > _STANDSTILL_SECONDS
