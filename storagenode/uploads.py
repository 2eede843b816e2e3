"""Uploads: who may write one, from where, and what it has come to. Rules only; no I/O.

    OPEN ──claim──▶ OPEN (written) ──claim to finish──▶ FINISHING ──▶ COMMITTED
      │                                                    │
      └──────────────── cancel, expiry ────────────────────┴─────────▶ DROPPED

- One writer at a time. Each gets a higher token; a newer one ends the older and waits until it has let go.
- A writer may bring a fence, which somebody else's order gave it: whoever brings a lower one than was seen before is refused, and
  disturbs nobody. The record carries the highest, so that it holds over a restart.
- A direct writer (the short-circuit write) is another process. It can be told that it is stale, but not stopped: whoever comes
  after one that has not closed must move the confirmed bytes to another file first (``Stage.is_lent`` remembers it).
- ``is_right`` once all bytes have been compared with the digest, before they are durable: enough for whoever only reads them.
- ``offset_bytes`` is confirmed: received in order, and never taken back while anybody follows.
- An upload of another repository or principal looks like none at all.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import OffsetError, OverloadedError, StaleWriterError, UploadUnknownError
from holdfast.rpc.node import OpenUpload, UploadKey, UploadState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest, Hasher
    from storagenode.store import Stage, UploadRecord

# An ended stream lets go within one write; a direct writer's announcement within the hashing of some MiB.
_TAKEOVER_SECONDS: Final = 30.0


class Phase(Enum):
    """Where an upload is in its life."""

    OPEN = "open"
    FINISHING = "finishing"
    COMMITTED = "committed"
    DROPPED = "dropped"


@dataclass(eq=False, slots=True)
class Writer:
    """Who writes an upload. ``busy``: a call of this writer is at work on the stage at this moment."""

    token: int
    is_direct: bool
    end: Callable[[], None]
    busy: bool = True
    stale: bool = False


@dataclass(slots=True)
class Hashing:
    """How far the bytes are hashed. Touched by the busy writer only."""

    algorithm: str
    hasher: Hasher = field(init=False)
    hashed_bytes: int = 0

    def __post_init__(self) -> None:
        self.hasher = digests.algorithm(self.algorithm).new()


class Upload:
    """One upload. ``changed`` guards everything and wakes whoever waits for bytes or for the end."""

    def __init__(self, record: UploadRecord, stage: Stage, offset_bytes: int, now: float) -> None:
        self.record = record
        self.stage = stage
        self.hashing = Hashing(record.algorithm)
        self.changed = threading.Condition()
        self.phase = Phase.OPEN
        self.offset_bytes = offset_bytes
        self.is_right = False
        self.digest: Digest | None = None
        self.last_used = now
        self._tokens = 0
        self._writer: Writer | None = None

    @property
    def upload_id(self) -> str:
        return self.record.upload_id

    def state(self) -> UploadState:
        with self.changed:
            return UploadState(self.upload_id, self.offset_bytes)

    def seen(self, now: float) -> OpenUpload:
        """As operators see it."""
        with self.changed:
            busy = self._writer is not None and self._writer.busy
            idle_seconds = 0.0 if busy else max(0.0, now - self.last_used)
            return OpenUpload(
                UploadKey(self.upload_id, self.record.repository, self.record.principal),
                self.offset_bytes,
                idle_seconds,
            )

    def belongs_to(self, key: UploadKey) -> bool:
        return (key.repository, key.principal) == (self.record.repository, self.record.principal)

    def claim(
        self,
        offset_bytes: int | None,
        end: Callable[[], None],
        *,
        direct: bool = False,
        closing: Phase | None = None,
        fence: int = 0,
    ) -> Writer:
        """Become the writer; ``end`` will be called once if a newer one comes. ``closing``: the phase this begins.

        ``fence`` 0: the writer brings none.

        Raises:
            OffsetError: nothing was changed. StaleWriterError: a newer writer came, or the upload is being finished.
            UploadUnknownError: it was dropped. OverloadedError: the older writer did not let go in time.
        """
        with self.changed:
            self._require_open()
            if fence:
                self._pass(fence)
            if offset_bytes is not None and offset_bytes < self.offset_bytes:
                self._refuse_offset()  # it only grows: no need to disturb anybody
            self._tokens += 1
            token = self._tokens
            self._displace(token)
            if offset_bytes is not None and offset_bytes != self.offset_bytes:
                self._refuse_offset()
            writer = self._writer = Writer(token, direct, end)
            if closing is not None:
                self.phase = closing
            return writer

    def _pass(self, fence: int) -> None:
        """Also counts when the claim then fails: whoever was first in that order has lost the upload in any case."""
        if fence < self.record.fence:
            raise StaleWriterError("whoever writes this upload now was given it later; stop writing")
        if fence > self.record.fence:
            self.record = replace(self.record, fence=fence)

    def _displace(self, token: int) -> None:
        while self._writer is not None:
            older = self._writer
            if older.token > token:
                raise StaleWriterError("a newer request has taken this upload over")
            if not older.stale:
                older.stale = True
                older.end()
            if not older.busy:
                self._writer = None
            elif not self._wait_for(older):
                raise OverloadedError("the request that wrote this upload before is still at it; try again in a moment")
            self._require_open()

    def _wait_for(self, older: Writer) -> bool:
        return self.changed.wait_for(lambda: self._writer is not older or not older.busy, _TAKEOVER_SECONDS)

    def _require_open(self) -> None:
        if self.phase is Phase.FINISHING:
            raise StaleWriterError("the upload is being finished")
        if self.phase is not Phase.OPEN:
            raise UploadUnknownError("no such upload; start another one")

    def _refuse_offset(self) -> None:
        raise OffsetError(f"the upload stands at byte {self.offset_bytes}; go on there", self.offset_bytes)

    def resume(self, token: int) -> Writer:
        """A direct writer calls again. Raises StaleWriterError if it is not the newest one."""
        with self.changed:
            writer = self._writer
            if writer is None or writer.stale or writer.token != token or not writer.is_direct:
                raise StaleWriterError("a newer request has taken this upload over; stop writing")
            if writer.busy:
                raise StaleWriterError("this writer's announcement before is not answered yet; announce one at a time")
            writer.busy = True
            return writer

    def confirm(self, writer: Writer, offset_bytes: int) -> None:
        """Bytes below are in the stage. Raises StaleWriterError for a writer that was displaced: it must stop."""
        with self.changed:
            if offset_bytes > self.offset_bytes:
                self.offset_bytes = offset_bytes
                self.changed.notify_all()
            if writer.stale:
                raise StaleWriterError("a newer request has taken this upload over")

    def pause(self, writer: Writer, now: float) -> None:
        """A direct writer's call is over; the writer stays."""
        with self.changed:
            writer.busy = False
            self.last_used = now
            self.changed.notify_all()

    def leave(self, writer: Writer, now: float) -> None:
        """The writer is done."""
        with self.changed:
            writer.busy = False
            if self._writer is writer:
                self._writer = None
            self.last_used = now
            self.changed.notify_all()

    def found_right(self) -> None:
        """In FINISHING: the bytes have the digest that was named."""
        with self.changed:
            self.is_right = True
            self.changed.notify_all()

    def become(self, phase: Phase, digest: Digest | None = None) -> None:
        """The end of FINISHING: COMMITTED with its digest, DROPPED, or OPEN again."""
        with self.changed:
            self.phase = phase
            self.digest = digest
            # Open again, it may become longer.
            self.is_right = self.is_right and phase is not Phase.OPEN
            self.changed.notify_all()

    def abandon(self, now: float, expiry_seconds: float) -> bool:
        """Drop it if nobody has used it for so long."""
        with self.changed:
            busy = self._writer is not None and self._writer.busy
            if busy or self.phase is not Phase.OPEN or now - self.last_used < expiry_seconds:
                return False
            if self._writer is not None:
                self._writer.stale = True
            self.phase = Phase.DROPPED
            self.changed.notify_all()
            return True


class Registry:
    """The uploads of a node, by id."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._uploads: dict[str, Upload] = {}

    def __len__(self) -> int:
        return len(self._uploads)

    def require_room(self) -> None:
        """Raises OverloadedError."""
        if len(self._uploads) >= self._limit:
            raise OverloadedError("too many uploads are open on this storage node; finish or cancel some")

    def add(self, upload: Upload) -> None:
        with self._lock:
            self._uploads[upload.upload_id] = upload

    def of(self, key: UploadKey) -> Upload:
        """Raises UploadUnknownError."""
        upload = self.by_id(key.upload_id)
        if not upload.belongs_to(key):
            raise _unknown()
        return upload

    def by_id(self, upload_id: str) -> Upload:
        """For followers, whose right to see it is checked elsewhere. Raises UploadUnknownError."""
        with self._lock:
            upload = self._uploads.get(upload_id)
        if upload is None:
            raise _unknown()
        return upload

    def remove(self, upload: Upload) -> None:
        with self._lock:
            self._uploads.pop(upload.upload_id, None)

    def __iter__(self) -> Iterator[Upload]:
        with self._lock:
            return iter(list(self._uploads.values()))


def _unknown() -> UploadUnknownError:
    return UploadUnknownError("no such upload; start another one")
