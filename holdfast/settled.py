"""A process that has started: its modules, routes and tables stay, so the collector of cycles need not look at them again.

Without this every full collection walks some hundred thousand objects that were made at the start and never go: about three per
cent of the CPU of gateway and node under many pushes (measured), in pauses that hold every thread.
"""

from __future__ import annotations

import gc
from typing import Final

# New objects until a look at the youngest; Python's own 700 is a look every few requests. Memory that cycles hold stays bounded.
_YOUNG_OBJECTS: Final = 10_000


def settled() -> None:
    """For this process, once all is assembled."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
