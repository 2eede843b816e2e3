"""Which core a thread keeps to: the worker's own for short requests, any for a long transfer.

A pool of threads that hops between cores pays more than twice the CPU per short request, so a worker is kept on one core. A long
transfer is one thread in the kernel; kept on one core it competes there with whatever the scheduler has put beside it (on loopback
the client itself), so it may roam. On Linux affinity belongs to the thread, and a pool's threads inherit it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


_WORTH_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Affinity:
    """``home`` is where this worker's threads belong, ``everywhere`` is what the process was given."""

    home: frozenset[int]
    everywhere: frozenset[int]

    def settle(self) -> None:
        """Keep the calling thread, and those that it starts, at home."""
        os.sched_setaffinity(0, self.home)


@contextlib.contextmanager
def roaming(affinity: Affinity | None, length_bytes: int) -> Iterator[None]:
    """The calling thread may run anywhere while it moves this many bytes, if they are worth the two system calls."""
    if affinity is None or length_bytes < _WORTH_BYTES:
        yield
        return
    os.sched_setaffinity(0, affinity.everywhere)
    try:
        yield
    finally:
        affinity.settle()
