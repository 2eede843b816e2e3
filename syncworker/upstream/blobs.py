"""A blob on its way: chunks as they arrive, taken up again where an upstream broke off, never complete when wrong.

Promises
    * The chunk that completes the blob is withheld until length and, where it is checked here, digest are right. Whoever has
      seen the iteration end has all bytes; whoever has not, has an error.
    * Bytes of different answers are joined only if offset and total length agree. A 200 to a ranged request is read again up to
      the offset and used from there on.
    * The first bytes are passed on the moment they arrive; later ones are gathered for a hundredth of a second, up to 1 MiB.

Never: holds more than one chunk; goes on after tries without progress are used up, of which one that only trickles is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import UpstreamUnavailableError, UpstreamWrongError
from syncworker.upstream.pace import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from holdfast.digest import Digest, Hasher
    from syncworker.upstream.ledger import Ledger
    from syncworker.upstream.pace import Retry, Time
    from syncworker.upstream.parts import Part
    from syncworker.upstream.place import Origin

CHUNK_BYTES: Final = 1 << 20
_GATHERED_SECONDS: Final = 0.01
# Less than this between two breaks is no progress: an upstream that gives a byte each time does not keep us for ever.
_PROGRESS_BYTES: Final = 64 << 10
# In so much time spent waiting it must be as much, too: one kilobyte a second is a trickle, not a slow line.
_PROGRESS_SECONDS: Final = 60.0


class Resumption:
    """How a broken stream goes on: ``reopen`` gives the part from an offset on, between pauses, ``retry`` says how often."""

    def __init__(self, reopen: Callable[[int], Part], retry: Retry, time: Time) -> None:
        self.reopen = reopen
        self._retry = retry
        self.time = time
        self._failures = 0
        self._last_break_bytes = 0

    def again(self, error: UpstreamUnavailableError, at_bytes: int) -> Part:
        """After ``error`` with ``at_bytes`` received.

        Raises:
            UpstreamError: the tries are used up, or the upstream answers so.
        """
        if at_bytes - self._last_break_bytes >= _PROGRESS_BYTES:
            self._failures = 0
        self._last_break_bytes = at_bytes
        self._failures += 1
        if self._failures > self._retry.retries:
            raise error
        self.time.pause(self._retry.pause_seconds(self._failures, self.time.die))
        return self.reopen(at_bytes)


class BlobStream:
    """Iterate once; close it, or leave its block, whatever was read of it. For one thread."""

    def __init__(
        self, digest: Digest, part: Part, offset_bytes: int, total_bytes: int | None, hasher: Hasher | None,
        resumption: Resumption,
    ) -> None:  # fmt: skip
        self.digest = digest
        self.offset_bytes = offset_bytes
        self.total_bytes = total_bytes
        self._part = part
        self._hasher = hasher
        self._resumption = resumption
        self._position = offset_bytes
        self._skip = 0
        self._broken: UpstreamUnavailableError | None = None
        # Who has given something of it.
        self.homes: set[Origin] = set()
        self._progress = Progress(_PROGRESS_BYTES, _PROGRESS_SECONDS)
        try:
            self._take(part)
        except BaseException:
            part.answer.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def status(self) -> int:
        """Of the answer that is being read: 200, 206, or 416 where nothing was left to read."""
        return self._part.answer.status

    @property
    def ledger(self) -> Ledger:
        """Of the URL whose answer is being read."""
        return self._part.answer.ledger

    @property
    def position_bytes(self) -> int:
        """The offset behind the last byte received, the withheld chunk included."""
        return self._position

    @property
    def is_checked(self) -> bool:
        """Whether the digest is compared here. Where not, the receiver must: length alone proves nothing."""
        return self._hasher is not None

    def close(self) -> None:
        """Give the connection back; a body that was not read to its end costs it."""
        self._part.answer.close()

    def __iter__(self) -> Iterator[bytes]:
        """Chunks of 1 byte to 1 MiB.

        Raises:
            UpstreamUnavailableError: it broke off more often than is put up with.
            UpstreamWrongError: other bytes, more, or fewer than the digest and the lengths say.
        """
        # Of unknown length only the end of the body shows which chunk was the last: then one is held back.
        held = b""
        while chunk := self._next():
            if held:
                yield held
                held = b""
            if self._position == self.total_bytes:
                self._confirm()
                yield chunk
                return
            if self.total_bytes is None:
                held = chunk
            else:
                yield chunk
        self._confirm()
        if held:
            yield held

    def _next(self) -> bytes:
        """The next chunk; empty at the end of the blob."""
        while True:
            try:
                return self._gather()
            except UpstreamUnavailableError as error:
                self._part.answer.close()
                self.ledger.failed(error.message)
                self._take(self._resumption.again(error, self._position))

    def _take(self, part: Part) -> None:
        """Go on with another answer."""
        self._part = part
        self.homes.add(part.answer.home)
        self._broken = None
        self._progress.begin()
        self._skip = self._position - part.start
        if self.total_bytes is None:
            self.total_bytes = part.total_bytes
        elif part.total_bytes is not None and part.total_bytes != self.total_bytes:
            raise part.answer.wrong(
                f"{self.digest} has {part.total_bytes} bytes, where {self.total_bytes} were announced"
            )
        if self.total_bytes is not None and self._position > self.total_bytes:
            raise part.answer.wrong(f"{self.digest} has {self.total_bytes} bytes, fewer than have come before")
        if self.total_bytes is None and self._hasher is None and not part.answer.is_framed:
            raise part.answer.wrong(f"{self.digest} comes without any sign of its length")

    def _gather(self) -> bytes:
        """What arrives within a hundredth of a second after the first of it; empty at the end of the body."""
        if self._part.is_empty or self._position == self.total_bytes:
            return b""
        if self._broken:
            raise self._broken
        clock = self._resumption.time.clock
        pieces: list[bytes] = []
        size_bytes, until = 0, 0.0
        while size_bytes < CHUNK_BYTES:
            try:
                piece = self._piece(self._wanted(size_bytes))
            except UpstreamUnavailableError as error:
                if not pieces:
                    raise
                # What has come is good, and is passed on first. Without its frames: one of them holds this stream.
                self._broken = error.with_traceback(None)
                break
            if not piece:
                break
            pieces.append(piece)
            size_bytes += len(piece)
            until = until or clock.monotonic() + _GATHERED_SECONDS
            if self._is_enough(size_bytes, until):
                break
        if not pieces and self.total_bytes is not None:
            raise UpstreamUnavailableError(
                f"the upstream sent {self._position} of {self.total_bytes} bytes of {self.digest}"
            )
        return self._accept(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _is_enough(self, held_bytes: int, until: float) -> bool:
        """Whoever reads along is not kept waiting for what has come by what has not."""
        left_seconds = until - self._resumption.time.clock.monotonic()
        if self._position == self.offset_bytes or self._position + held_bytes == self.total_bytes or left_seconds <= 0:
            return True
        return not self._part.answer.has_more(left_seconds)

    def _wanted(self, held_bytes: int) -> int:
        """How much more goes into a chunk. What an upstream sends behind the end is left on the connection, which is closed."""
        wanted = CHUNK_BYTES - held_bytes
        return wanted if self.total_bytes is None else min(wanted, self.total_bytes - self._position - held_bytes)

    def _piece(self, limit_bytes: int) -> bytes:
        while self._skip:
            passed = self._some(min(self._skip, CHUNK_BYTES))
            if not passed:
                raise UpstreamUnavailableError(f"the upstream ended before the part of {self.digest} that is wanted")
            self._skip -= len(passed)
        return self._some(limit_bytes)

    def _some(self, limit_bytes: int) -> bytes:
        clock = self._resumption.time.clock
        began = clock.monotonic()
        came = self._part.answer.some(limit_bytes)
        if not self._progress.is_enough(len(came), clock.monotonic() - began):
            # What came last is so little that it may as well be asked for again.
            raise UpstreamUnavailableError(f"{self._part.answer.place.origin} only trickles")
        return came

    def _accept(self, chunk: bytes) -> bytes:
        self._position += len(chunk)
        if self._hasher is not None:
            self._hasher.update(chunk)
        return chunk

    def _confirm(self) -> None:
        if self._hasher is not None and self._hasher.hexdigest() != self.digest.encoded:
            raise UpstreamWrongError(
                f"{self._part.answer.place.origin} sent {self._position} bytes that do not have the digest {self.digest}",
                {"digest": str(self.digest), "size": self._position},
            )
