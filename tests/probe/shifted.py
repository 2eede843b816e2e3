"""Runs a module of ours under a wall clock that is wrong, by as many seconds as a file says at that moment.

python shifted.py FILE MODULE ARGUMENT ...

The clock for durations stays what it is, as it does on a machine whose time is set.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

_true = time.time
_file = Path(sys.argv[1])


def _shifted() -> float:
    return _true() + float(_file.read_text(encoding="ascii"))


time.time = _shifted
time.time_ns = lambda: int(_shifted() * 1e9)
module = sys.argv[2]
sys.argv = [module, *sys.argv[3:]]
sys.path.insert(0, "")
runpy.run_module(module, run_name="__main__", alter_sys=True)
