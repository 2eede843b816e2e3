"""Stops a process of a cluster at a named point, to let it go on much later; nothing of it is in the product.

Python imports a module of this name at its start, so with this directory on PYTHONPATH every process has it; PAUSE_CONTROL names
the directory of ``tests.cluster.pausing``. A process that passes an armed point does one of two things, once:

    stop    it sends itself SIGSTOP: all its threads stand still until somebody sends SIGCONT
    hold    the thread that passes waits until it is released; the others go on

and afterwards writes down what the call came to.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time
from pathlib import Path

_STEP_SECONDS = 0.02


class Control:
    def __init__(self, directory: str) -> None:
        self._armed = Path(directory) / "armed"
        self._fired = Path(directory) / "fired"
        self._released = Path(directory) / "released"
        self._result = Path(directory) / "result"

    def _claims(self, point: str, about: str):
        """The mode, for the first that passes what is armed."""
        try:
            armed = json.loads(self._armed.read_text())
        except (FileNotFoundError, ValueError):
            return None
        if armed["point"] != point or armed["about"] not in about:
            return None
        try:
            self._armed.rename(self._armed.with_name("claimed"))
        except FileNotFoundError:
            return None  # another thread was faster
        return armed["mode"]

    def _note(self, path: Path, text: str) -> None:
        unfinished = path.with_suffix(".new")
        unfinished.write_text(text)
        unfinished.rename(path)

    def wait_here(self, point: str, about: str) -> bool:
        mode = self._claims(point, about)
        if mode is None:
            return False
        self._note(self._fired, str(os.getpid()))
        if mode == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        while mode == "hold" and not self._released.exists():
            time.sleep(_STEP_SECONDS)
        return True

    def passing(self, owner, name: str, point: str) -> None:
        call = getattr(owner, name)

        @functools.wraps(call)
        def wrapped(*args, **kwargs):
            about = repr(args[1:])
            has_waited = self.wait_here(f"{point}.before", about)
            try:
                result = call(*args, **kwargs)
            except Exception as error:
                if has_waited:
                    self._note(self._result, type(error).__name__)
                raise
            has_waited = self.wait_here(f"{point}.after", about) or has_waited
            if has_waited:
                self._note(self._result, repr(result))
            return result

        setattr(owner, name, wrapped)


def in_gateway(control: Control) -> None:
    from holdfast.meta.links import Links  # noqa: PLC0415
    from holdfast.meta.manifests import Manifests  # noqa: PLC0415
    from holdfast.replicas.fanout import FanOut  # noqa: PLC0415

    control.passing(Links, "fence", "gateway.fence")
    control.passing(Links, "add", "gateway.link")
    control.passing(Links, "mount", "gateway.mount")
    control.passing(Manifests, "put", "gateway.manifest")
    control.passing(FanOut, "run", "gateway.spread")


def in_node(control: Control) -> None:
    from holdfast.replicas.fanout import FanOut  # noqa: PLC0415
    from storagenode.cluster.settle import Settler  # noqa: PLC0415
    from storagenode.disk.store import DiskStore  # noqa: PLC0415

    control.passing(FanOut, "run", "node.spread")
    control.passing(DiskStore, "discard", "node.discard")
    control.passing(Settler, "_send", "node.send")


_ROLES = {"gateway": in_gateway, "storagenode": in_node}
_directory = os.environ.get("PAUSE_CONTROL", "")
_words = sys.orig_argv
_role = _words[_words.index("-m") + 1] if "-m" in _words[:-1] else ""
if _role in _ROLES and Path(_directory).is_dir():
    _ROLES[_role](Control(_directory))
