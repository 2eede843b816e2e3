"""A few places that all worker processes of a gateway share, made before they are forked.

Promises: a process holds one at most, and whoever dies gives it back: they are record locks of the kernel. What is locked is a file
that has no name, so nobody else comes near it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Slots:
    """``count``: how many processes may hold one at a time. For one thread of each process."""

    def __init__(self, count: int) -> None:
        """Raises ValueError: fewer than one."""
        if count < 1:
            raise ValueError("there is one slot at least")
        self._count = count
        with tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())  # it lives as long as the process

    @contextmanager
    def one(self) -> Iterator[None]:
        """Waits until it has one."""
        # By the process: each looks at its own place only, which is what keeps them from running after each other.
        place = os.getpid() % self._count
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, place)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)
