"""Runs a module of ours under a wall clock that is wrong, by as many seconds as a file says at that moment.

python shifted.py FILE MODULE ARGUMENT ...

Only our own modules see it: gRPC's library in Python and its core must agree on what time it is, as they do on a machine whose
clock is set. The clock for durations stays what it is.
"""

from __future__ import annotations

import importlib
import runpy
import sys
import time
from pathlib import Path
from types import SimpleNamespace

_file = Path(sys.argv[1])


def _shifted() -> float:
    return time.time() + float(_file.read_text(encoding="ascii"))


module = sys.argv[2]
sys.argv = [module, *sys.argv[3:]]
sys.path.insert(0, "")
for name in ("holdfast.clock", "storagenode.disk.stage", "gateway.accesslog", "gateway.response"):
    importlib.import_module(name).time = SimpleNamespace(**(vars(time) | {"time": _shifted}))
runpy.run_module(module, run_name="__main__", alter_sys=True)
