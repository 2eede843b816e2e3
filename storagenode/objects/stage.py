"""The staged bytes of one upload whose blob goes to an object store. Implements ``storagenode.store.Stage``.

The bytes are in a local file as well, until the upload has become a blob: readers follow that file, the gateway may write it
itself, and after a restart it says what had come. While they are written, or hashed behind another writer, the same bytes go on
to the object store in parts, without being read again. What goes wrong there meanwhile is nobody's concern before the commit:
then whatever is missing is sent from the local file, all of it if need be.

Promises

    * A key is used for one sequence of bytes: what was begun and given up is never gone on with.
    * Only confirmed bytes go on: those that were written through here in order, or hashed.
    * No more than a few uploads have parts in memory at a time (``Senders``); the others send at their commit.
    * An object store takes so many parts of one object and no more. What becomes longer than they are together is sent anew at the
      commit, when its length is known, in parts as large as need be, one such upload at a time.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from holdfast.errors import TooLargeError, UnavailableError
from storagenode.objects import bucket as buckets
from storagenode.objects import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from storagenode.disk.space import Space
    from storagenode.disk.stage import DiskStage
    from storagenode.objects.bucket import Bucket, Writing
    from storagenode.store import LentFile

_LOG: Final = logging.getLogger("holdfast.node")

_BUFFER_BYTES: Final = 1 << 20
# Each has at most four parts in memory.
_MOST_SENDERS: Final = 12
# A writer that is at work is heard of every few megabytes. One that is only slow sends the rest at its commit.
_SILENT_SECONDS: Final = 60.0


class Senders:
    """Which uploads are sending before their commit. One that pauses, or whose writer is not heard of, makes way for another.

    A gateway that writes the file itself says nothing when it is killed.
    """

    def __init__(self, clock: Clock, most: int = _MOST_SENDERS) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._sending: OrderedDict[Outgoing, float] = OrderedDict()  # when it sent last; long ago: it pauses
        self.long = threading.Lock()  # held by the one whose parts are large

    def admit(self, outgoing: Outgoing) -> bool:
        """Whether it may send now."""
        now = self._clock.monotonic()
        idle = None
        with self._lock:
            if outgoing not in self._sending and len(self._sending) >= self._most:
                idle = next((one for one, at in self._sending.items() if now - at >= _SILENT_SECONDS), None)
                if idle is None:
                    return False
                del self._sending[idle]
            self._sending[outgoing] = now
        if idle is not None:
            idle.give_way()
        return True

    def pause(self, outgoing: Outgoing) -> None:
        with self._lock:
            if outgoing in self._sending:
                self._sending[outgoing] = float("-inf")

    def leave(self, outgoing: Outgoing) -> None:
        with self._lock:
            self._sending.pop(outgoing, None)


class Outgoing:
    """The object that an upload's bytes become. For the upload's writer; ``give_way`` for anybody."""

    def __init__(
        self, bucket: Bucket, senders: Senders, begun: Callable[[str], None], given_up: Callable[[str], None]
    ) -> None:
        """``begun`` is told which bytes may be in the object store from now on, ``given_up`` which nobody will name any more."""
        self._bucket = bucket
        self._senders = senders
        self._begun = begun
        self._given_up = given_up
        self._lock = threading.Lock()
        self._writing: Writing | None = None
        self._is_complete = False
        self._size_bytes = 0
        self.unique = ""
        self.sent_bytes = 0

    def follow(self, data: bytes | memoryview, offset_bytes: int) -> None:
        """Send these as well, if they come next and there is room. Never fails: the commit makes up for it."""
        if offset_bytes != self.sent_bytes or not data:
            return
        if self._bucket.is_long(offset_bytes + len(data)):
            self._grew_long()
            return
        if not self._senders.admit(self):
            self.give_way()
            return
        with self._lock, contextlib.suppress(UnavailableError):
            if self._is_complete or offset_bytes != self.sent_bytes:
                return
            self._send(data)

    def _grew_long(self) -> None:
        """How long it becomes, and so how large its parts must be, is known at the commit."""
        with self._lock:
            if self._writing is not None and not self._is_complete:
                self._give_up()
        self._senders.leave(self)

    def _send(self, data: bytes | memoryview) -> None:
        if self._writing is None:
            self.unique = secrets.token_hex(16)
            self._begun(self.unique)
            self._writing = self._bucket.writing(keys.data(self.unique), self._size_bytes)
        try:
            self._writing.write(data)
        except UnavailableError as error:
            _LOG.warning("an upload is not getting on in the object store", extra={"reason": error.message})
            self._give_up()
            raise
        self.sent_bytes += len(data)

    def complete(self, size_bytes: int, read_into: Callable[[memoryview, int], int]) -> str:
        """All bytes up to there are one object; which. Raises UnavailableError: asking again begins anew, or goes on."""
        with self._lock:
            if self._is_complete and self.sent_bytes == size_bytes:
                return self.unique
            is_long = self._bucket.is_long(size_bytes)
            if self._is_complete or self.sent_bytes > size_bytes or is_long:
                self._give_up()
            self._size_bytes = size_bytes
            try:
                with self._senders.long if is_long else contextlib.nullcontext():
                    self._finish(size_bytes, read_into)
            except BaseException:
                self._give_up()
                raise
        self._senders.leave(self)
        return self.unique

    def _finish(self, size_bytes: int, read_into: Callable[[memoryview, int], int]) -> None:
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        while self.sent_bytes < size_bytes:
            count = read_into(buffer[: size_bytes - self.sent_bytes], self.sent_bytes)
            if not count:
                raise UnavailableError("the staged bytes are shorter than they were")
            self._send(buffer[:count])
        if self._writing is None:  # not one byte
            self.unique = secrets.token_hex(16)
            self._begun(self.unique)
            self._bucket.put(keys.data(self.unique), b"")
        else:
            self._writing.finish()
        self._writing, self._is_complete = None, True

    def give_way(self) -> None:
        """Somebody else needs the memory. One that has gone to work again meanwhile goes on."""
        if self._lock.acquire(blocking=False):
            try:
                if self._writing is not None:
                    self._give_up()
            finally:
                self._lock.release()

    def written_again(self, offset_bytes: int) -> None:
        """Other bytes may be there from now on: what was sent of them is of no use."""
        with self._lock:
            if offset_bytes < self.sent_bytes:
                self._give_up()

    def pause(self) -> None:
        self._senders.pause(self)

    def drop(self) -> str:
        """Nobody wants it any more; which bytes may be in the object store all the same."""
        with self._lock:
            unique = self.unique if self._is_complete else ""
            self._give_up()
        self._senders.leave(self)
        return unique

    def _give_up(self) -> None:
        writing, self._writing = self._writing, None
        unique, self.unique = self.unique, ""
        self._is_complete, self.sent_bytes = False, 0
        if writing is not None:
            writing.abort()
        if unique:
            self._given_up(unique)


class ObjectStage:
    """A local file, and the object that its bytes go on to."""

    def __init__(self, local: DiskStage, outgoing: Outgoing, dropped: Callable[[str], None]) -> None:
        """``dropped`` is told of bytes in the object store that belong to nothing."""
        self.local = local
        self.outgoing = outgoing
        self._dropped = dropped
        self.is_named = False

    @property
    def space(self) -> Space:
        return self.local.space

    @property
    def generation(self) -> int:
        return self.local.generation

    @property
    def is_lent(self) -> bool:
        return self.local.is_lent

    def size(self) -> int:
        return self.local.size()

    def write(self, data: bytes, offset_bytes: int) -> None:
        """Raises TooLargeError: no object may be so long."""
        _require_fit(offset_bytes + len(data))
        self.outgoing.written_again(offset_bytes)
        self.local.write(data, offset_bytes)
        self.outgoing.follow(data, offset_bytes)

    def read_into(self, buffer: memoryview, offset_bytes: int) -> int:
        """Whoever hashes reads in order, up to what is confirmed. Raises TooLargeError."""
        _require_fit(offset_bytes)
        count = self.local.read_into(buffer, offset_bytes)
        self.outgoing.follow(buffer[:count], offset_bytes)
        return count

    def flush_behind(self) -> None:
        """The local file need not be durable: the object is, before anybody hears that the blob is stored."""

    def lend(self) -> LentFile:
        return self.local.lend()

    def take_back(self, size_bytes: int) -> None:
        self.local.take_back(size_bytes)

    def move(self, length_bytes: int) -> None:
        self.local.move(length_bytes)

    def reader(self) -> tuple[int, int]:
        return self.local.reader()

    def release(self) -> None:
        self.outgoing.pause()
        self.local.release()

    def complete(self, size_bytes: int) -> str:
        """All bytes are in the object store; as what. Raises UnavailableError."""
        return self.outgoing.complete(size_bytes, self.local.read_into)

    def destroy(self) -> None:
        """What may have been named already stays, for whoever was told of it."""
        unique = self.outgoing.drop()
        self.local.destroy()
        if unique and not self.is_named:
            self._dropped(unique)


def _require_fit(size_bytes: int) -> None:
    if size_bytes > buckets.MOST_BYTES:
        raise TooLargeError(f"an object store takes no blob of more than {buckets.MOST_BYTES} bytes; split the layer")
