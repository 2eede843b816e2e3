"""Stopping a process of a cluster at an exact point, and letting it go on later. The other side is ``stopping/sitecustomize.py``.

pause = Pause(tmp_path / "pause")            # its ``environment`` goes to the process that is to be stopped
pause.arm("gateway.link.before", about="<hex of a digest>")
...                                          # something that passes the point, in a thread
pause.wait()                                 # it stands there
pause.go_on()
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tests.serving import wait_for

if TYPE_CHECKING:
    from typing import TypeAlias

    Mode: TypeAlias = Literal["stop", "hold"]

STOPPING: Final = Path(__file__).parent / "stopping"


def state_of(pid: int) -> str:
    """One letter, as proc(5) gives it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Pause:
    """One point at a time."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._mode: Mode = "stop"
        self.environment = {
            "PAUSE_CONTROL": str(directory),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(STOPPING), os.environ.get("PYTHONPATH")])),
        }

    def arm(self, point: str, about: str = "", mode: Mode = "stop") -> None:
        """The first that passes ``point`` with ``about`` in its arguments is stopped."""
        for name in ("fired", "released", "result", "claimed"):
            (self._directory / name).unlink(missing_ok=True)
        self._mode = mode
        unfinished = self._directory / "armed.new"
        unfinished.write_text(json.dumps({"point": point, "about": about, "mode": mode}))
        unfinished.rename(self._directory / "armed")

    def wait(self, seconds: float = 60.0) -> int:
        """Until it has happened; the process."""
        fired = self._directory / "fired"
        wait_for("the point to be passed", fired.exists, seconds)
        pid = int(fired.read_text())
        if self._mode == "stop":
            wait_for("the process to stand still", lambda: state_of(pid) == "T")
        return pid

    def go_on(self) -> None:
        (self._directory / "released").touch()
        if self._mode == "stop":
            os.kill(int((self._directory / "fired").read_text()), signal.SIGCONT)

    def result(self) -> str:
        """What the call came to that was stopped."""
        path = self._directory / "result"
        wait_for("the call to end", path.exists, 60.0)
        return path.read_text()
