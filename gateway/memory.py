"""How the C library's allocator treats large blocks: they go back to the kernel when they are freed.

glibc maps a large block and unmaps it again, but each time one is freed it moves the border of "large" up, to 32 MiB in the end.
From then on every thread's arena keeps what its largest requests once needed: a few hundred refused manifests of 4 MiB left a
worker with 200 MiB instead of 75 (measured). A fixed border stops that. It lies above the 1 MiB pieces that bytes travel in,
which are reused all the time.

Where the C library is another one, nothing happens.
"""

from __future__ import annotations

import ctypes
from typing import Final

_LARGE_BYTES: Final = 2 * 1024 * 1024
# malloc.h: M_MMAP_THRESHOLD
_MMAP_THRESHOLD: Final = -3


def return_large_blocks() -> None:
    """For this process and those forked off it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
