"""Hashing what is staged: behind a writer from the page cache, or beside one in a second thread.

Each byte is hashed once on the normal path. Reading again happens after a restart, and for an algorithm that nobody announced.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import OffsetError

if TYPE_CHECKING:
    from storagenode.store import Stage
    from storagenode.uploads import Hashing, Writer

_BUFFER_BYTES: Final = 1 << 20
_QUEUE_DEPTH: Final = 8

# One buffer for each thread that hashes, kept: a fresh MiB each time costs page faults.
_local = threading.local()


def catch_up(hashing: Hashing, stage: Stage, end_bytes: int, writer: Writer | None = None) -> None:
    """Hash up to ``end_bytes``. Stops early for a ``writer`` that was displaced.

    Raises:
        OffsetError: the file ends before; it carries where.
    """
    buffer = _buffer()
    while hashing.hashed_bytes < end_bytes and not (writer is not None and writer.stale):
        piece = buffer[: min(_BUFFER_BYTES, end_bytes - hashing.hashed_bytes)]
        count = stage.read_into(piece, hashing.hashed_bytes)
        if not count:
            raise OffsetError("the file ends before the announced byte", hashing.hashed_bytes)
        hashing.hasher.update(piece[:count])
        hashing.hashed_bytes += count


def _buffer() -> memoryview:
    found: memoryview | None = getattr(_local, "buffer", None)
    if found is None:
        found = _local.buffer = memoryview(bytearray(_BUFFER_BYTES))
    return found


class HashThread:
    """Hashes in a thread of its own what another thread has just written; at most a few messages behind."""

    def __init__(self, hashing: Hashing) -> None:
        self._hashing = hashing
        self._queue: queue.Queue[bytes | None] = queue.Queue(_QUEUE_DEPTH)
        self._thread: threading.Thread | None = None
        self._first = True

    def feed(self, data: bytes) -> None:
        """The first message is hashed here: most bodies have no second one, and a thread costs more than that."""
        if self._first:
            self._first = False
            self._take(data)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hash", daemon=True)
            self._thread.start()
        self._queue.put(data)

    def join(self) -> None:
        """Everything fed is hashed when this returns."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._take(data)

    def _take(self, data: bytes) -> None:
        self._hashing.hasher.update(data)
        self._hashing.hashed_bytes += len(data)
