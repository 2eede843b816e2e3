"""The file through which a test arms a point in the processes of a running server, and learns that it fired.

The other side is ``inject/sitecustomize.py``. The file is mapped by both, so what is armed reaches processes that run already.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Final

INJECT: Final = Path(__file__).parent / "inject"
_SIZE_BYTES: Final = 4096
_NAME_BYTES: Final = 128
_FIRED_AT: Final = 256
_COUNT: Final = struct.Struct("=I")


class Control:
    """One at a time is armed."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_SIZE_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.environment = {
            "CRASH_CONTROL": str(path),
            "PYTHONPATH": os.pathsep.join([str(INJECT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }

    def arm(self, point: str, passages: int = 1) -> None:
        """The process that passes ``point`` for the n-th time from now on dies there."""
        self.disarm()
        _COUNT.pack_into(self._map, _NAME_BYTES, passages)
        name = point.encode() + b"\0"
        # The first byte last: until it is there no process sees half a name.
        self._map[1 : len(name)] = name[1:]
        self._map[0] = name[0]

    def disarm(self) -> None:
        self._map[0] = 0
        self._map[_FIRED_AT] = 0

    @property
    def fired(self) -> str:
        """The point that killed a process since the last :meth:`arm`; empty: none."""
        text: bytes = self._map[_FIRED_AT : _FIRED_AT + _NAME_BYTES]
        return text.partition(b"\0")[0].decode()

    def close(self) -> None:
        self._map.close()
