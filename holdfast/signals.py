"""Waiting for signals in the main thread.

The kernel gives a signal to any thread, and Python runs its handler in the main thread only, once that runs again. A main thread
that waits for its handler's word on a lock or a queue is not woken when another thread got the signal: one SIGTERM in some hundred
was never heard (measured). So the main thread waits on a socket that the C handler writes to, in whichever thread.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Self

_MOST_BYTES: Final = 4096


class Signals:
    """Those that a process waits for. Made in the main thread, before any other thread is started; a process has one at most."""

    def __init__(self, *signums: int) -> None:
        self._signums = frozenset(signums)
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for signum in signums:
            signal.signal(signum, _heard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody waits any more, and the process goes on: where it is a test's, or a start was refused."""
        signal.set_wakeup_fd(-1)
        self._read.close()
        self._write.close()

    def fileno(self) -> int:
        """For a poll that waits for other things as well: it becomes readable when a signal has come."""
        return self._read.fileno()

    def come(self) -> list[signal.Signals]:
        """Those that have come since the last look, in their order."""
        with contextlib.suppress(BlockingIOError):
            return [signal.Signals(signum) for signum in self._read.recv(_MOST_BYTES) if signum in self._signums]
        return []

    def wait(self) -> signal.Signals:
        """The first that comes, or has come."""
        while True:
            got = self.within(None)
            if got is not None:
                return got

    def within(self, seconds: float | None) -> signal.Signals | None:
        """As ``wait``; None when the time is over first, or another signal came that the process handles."""
        select.select([self], [], [], seconds)
        return next(iter(self.come()), None)


def _heard(_signum: int, _frame: object) -> None:
    """What is to be done is done by whoever waits."""
