"""One blob to another registry: in one request when it is small, else as a stream that is taken up again where it broke off.

    start ──mounted──▶ there
      │ small: PUT with the bytes ──▶ there
      ▼
    PATCH with all that is missing ◀──┐
      │                               │ broken off: how much has arrived?
      ▼                               │ (an upload that cannot be asked for is begun anew)
    PUT without bytes ──▶ there ──────┘

Promises: no more than one message is held, but of small blobs, which are held whole. Tries without progress are bounded; progress
is counted over all uploads of the blob, so that a registry that always breaks off at the same place does not keep us for ever.

Never: leaves an upload that failed for good, if the registry can still be told.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import CorruptError, UpstreamError, UpstreamMissingError, UpstreamUnavailableError
from syncworker.upstream.exchange import detail
from syncworker.upstream.upstream import told_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.digest import Digest
    from holdfast.names import Repository
    from syncworker.upstream.pace import Retry, Time
    from syncworker.upstream.writing import Session, Writing

WHOLE_BYTES: Final = 1 << 20
# Of one write to a socket, for which there is a time limit: slower than 6 KiB a second counts as silence.
_PIECE_BYTES: Final = 64 << 10
_PROGRESS_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A blob to send; ``read`` gives its bytes from an offset on, any number of times."""

    digest: Digest
    size_bytes: int
    read: Callable[[int], Iterable[bytes | memoryview]]

    def whole(self) -> bytes:
        """All of it; for small ones. Raises CorruptError."""
        return b"".join(self.pieces(0))

    def pieces(self, offset_bytes: int) -> Iterator[bytes]:
        """The bytes from there on in small pieces, exactly as many as there must be.

        Raises:
            CorruptError: there are more or fewer. Whatever ``read`` raises.
        """
        left_bytes = self.size_bytes - offset_bytes
        for message in self.read(offset_bytes):
            left_bytes -= len(message)
            if left_bytes < 0:
                break
            view = memoryview(message)
            for start in range(0, len(view), _PIECE_BYTES):
                yield bytes(view[start : start + _PIECE_BYTES])
        if left_bytes:
            raise CorruptError("a blob has other bytes than its size says", {"digest": str(self.digest)})


class Upload:
    """Of one blob into one repository. ``begin`` opens a session, tried again as requests are. For one thread."""

    def __init__(
        self, writing: Writing, repository: Repository, blob: Outgoing, begin: Callable[[], Session | None],
        retry: Retry, time: Time,
    ) -> None:  # fmt: skip
        self._writing = writing
        self._repository = repository
        self._blob = blob
        self._begin = begin
        self._retry = retry
        self._time = time
        self._failures = 0
        self._furthest_bytes = 0

    def run(self, session: Session) -> None:
        """To its end.

        Raises:
            UpstreamError: it is not there; nothing of it is visible. Whatever reading the blob raises.
        """
        current: Session | None = session
        while current is not None:
            current = self._step(current)

    def _step(self, session: Session) -> Session | None:
        try:
            return self._advance(session)
        except (UpstreamUnavailableError, UpstreamMissingError) as error:
            # Missing is an upload that the registry has dropped, which some do with what broke off.
            return self._again(session, error)
        except BaseException:
            self._give_up(session)
            raise

    def _advance(self, session: Session) -> Session | None:
        """One request further; None: it is there."""
        blob = self._blob
        if session.offset_bytes < blob.size_bytes:
            after = self._writing.append(session, blob.size_bytes, blob.pieces)
            if after.offset_bytes != blob.size_bytes:
                home = self._writing.home
                raise UpstreamUnavailableError(f"{home.authority} took another part than was sent", detail(home))
            return after
        self._writing.close_upload(session, blob.digest)
        return None

    def _again(self, session: Session, error: UpstreamError) -> Session | None:
        """After a pause, where it stands now; None: it is there.

        Raises:
            UpstreamError: the tries are used up.
        """
        self._failures += 1
        pause_seconds = self._retry.next_pause_seconds(self._failures, told_seconds(error), self._time.die)
        if pause_seconds is None:
            self._give_up(session)
            raise error
        self._time.pause(pause_seconds)
        try:
            stands = self._writing.status(session)
        except UpstreamUnavailableError as further:
            return self._again(session, further)
        except UpstreamError:
            # No such upload: it was closed by a request whose answer was lost, or the registry cannot tell.
            if self._writing.has_blob(self._repository, self._blob.digest, self._blob.size_bytes):
                return None
            return self._begin()
        if stands.offset_bytes > self._blob.size_bytes:
            self._give_up(stands)
            return self._begin()
        self._progressed(stands.offset_bytes)
        return stands

    def _progressed(self, offset_bytes: int) -> None:
        if offset_bytes - self._furthest_bytes >= _PROGRESS_BYTES:
            self._failures = 0
        self._furthest_bytes = max(self._furthest_bytes, offset_bytes)

    def _give_up(self, session: Session) -> None:
        # The registry drops what nobody closes by itself, later.
        with contextlib.suppress(UpstreamError):
            self._writing.cancel(session)
