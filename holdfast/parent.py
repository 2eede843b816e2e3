"""A child process that ends with its parent, however the parent ends.

The parent holds the writing end of a pipe and never writes. When it dies, by SIGKILL as well, the kernel closes that end and the
child reads an end of file. Unlike PR_SET_PDEATHSIG this is about the process, not about the thread that happened to fork.
"""

from __future__ import annotations

import os
import signal
import threading


def die_with_parent(descriptor: int, signum: int = signal.SIGINT) -> None:
    """Send ``signum`` to this process when ``descriptor`` comes to its end. Call it once, early."""
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_wait, args=(descriptor, os.getpid(), signum), name="parent-watch", daemon=True).start()


def _wait(descriptor: int, pid: int, signum: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(pid, signum)
