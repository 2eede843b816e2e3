"""Bytes that have moved for one image, told on to whoever watches; and the word to stop, for all threads that copy it.

Promises: whoever watches is told by one thread at a time. After ``stop`` every thread ends with its next piece.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from holdfast.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncworker.jobs import Progress


class Meter:
    """For one copying. Shared by its threads."""

    def __init__(self, progress: Progress, over: threading.Event) -> None:
        self._progress = progress
        self._over = over
        self._stopped = False
        self._lock = threading.Lock()
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """How much has been sent so far."""
        with self._lock:
            return self._size_bytes

    def moved(self, size_bytes: int) -> None:
        """So much more. Raises HoldfastError: the copying is to end."""
        with self._lock:
            if self._stopped or self._over.is_set():
                raise UnavailableError("this copying was stopped")
            self._size_bytes += size_bytes
            self._progress.moved(size_bytes)

    def stop(self) -> None:
        """End it, in all threads."""
        with self._lock:
            self._stopped = True

    def counted(self, messages: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """The same messages, each told of when it is taken. Raises as :meth:`moved`, and what ``messages`` raises."""
        for message in messages:
            self.moved(len(message))
            yield message
