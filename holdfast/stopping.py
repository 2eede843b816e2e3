"""Waiting for the signal that ends a process.

The kernel gives a signal to any thread, and Python runs its handler in the main thread only, once that runs again. A main thread
that waits for its handler's word on a lock or a queue is not woken when another thread got the signal: one SIGTERM in some hundred
was never heard (measured). So the main thread waits on a socket that the C handler writes to, in whichever thread.
"""

from __future__ import annotations

import select
import signal
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class StopSignals:
    """Made in the main thread, before any other thread is started. The process has one at most."""

    def __init__(self, *signums: int) -> None:
        self._signums = frozenset(signums)
        self._read, self._write = socket.socketpair()
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

    def wait(self) -> signal.Signals:
        """The first of them that comes, or that has come since this was made."""
        while True:
            (signum,) = self._read.recv(1)
            if signum in self._signums:
                return signal.Signals(signum)

    def within(self, seconds: float) -> signal.Signals | None:
        """As ``wait``; None when the time is over first, or another signal came that the process handles."""
        ready, _, _ = select.select([self._read], [], [], seconds)
        (signum,) = self._read.recv(1) if ready else (0,)
        return signal.Signals(signum) if signum in self._signums else None


def _heard(_signum: int, _frame: object) -> None:
    """What is to be done is done by whoever waits."""
