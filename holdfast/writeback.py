"""Dirty pages set out for the disk while the rest still arrives, so that the fsync of the end finds little left to do.

The kernel starts by itself after some seconds only, or once a great deal is dirty: with sixteen pushes of 10 MB the disk was idle
while bytes came and the processors were idle while sixteen fsyncs ran. Starting on the way took the closing request from 70 to 25
ms (measured). Only a start: nothing is promised of it, nothing waits for it, and what is durable is decided by fsync alone.

Where the C library has no ``sync_file_range`` nothing happens.
"""

from __future__ import annotations

import ctypes
from typing import Final

# Often enough to keep a disk busy, seldom enough to cost nothing.
STEP_BYTES: Final = 2 * 1024 * 1024
# fcntl.h: SYNC_FILE_RANGE_WRITE, "start write-out of all dirty pages in the range which are not presently under write-out"
_WRITE: Final = 2

_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]


class Writeback:
    """What of one file has set out. ``start_bytes``: where whoever writes begins."""

    def __init__(self, descriptor: int, start_bytes: int) -> None:
        self._descriptor = descriptor
        self._begun_bytes = start_bytes

    def reached(self, end_bytes: int) -> None:
        """The file is written up to there. A failure is not looked at: the fsync will say it."""
        if end_bytes - self._begun_bytes >= STEP_BYTES:
            if _sync_file_range is not None:
                _sync_file_range(self._descriptor, self._begun_bytes, end_bytes - self._begun_bytes, _WRITE)
            self._begun_bytes = end_bytes
