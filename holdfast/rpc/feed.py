"""The request side of a streaming call, fed by the caller's own thread.

gRPC pulls request messages in a thread of its own. A body must be read in the thread that owns its connection, and nobody may
still be reading it after the call has failed; so the caller pushes, through a queue of two messages.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEPTH: Final = 2


class Feed:
    """An iterator for gRPC; ``push`` and ``end`` for the caller; ``stop`` when the call is over."""

    def __init__(self) -> None:
        self._cond = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._ended = False
        self._stopped = False

    def push(self, message: bytes) -> bool:
        """Hand over one message; False: the call is over and nothing more is taken."""
        with self._cond:
            self._cond.wait_for(lambda: len(self._waiting) < _DEPTH or self._stopped)
            if self._stopped:
                return False
            self._waiting.append(message)
            self._cond.notify_all()
            return True

    def end(self) -> None:
        """No more messages; those handed over are still sent."""
        with self._cond:
            self._ended = True
            self._cond.notify_all()

    def stop(self) -> None:
        """The call is over: what waits is thrown away."""
        with self._cond:
            self._stopped = True
            self._waiting.clear()
            self._cond.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._cond:
            self._cond.wait_for(lambda: self._waiting or self._ended or self._stopped)
            if not self._waiting:
                raise StopIteration
            message = self._waiting.popleft()
            self._cond.notify_all()
            return message
