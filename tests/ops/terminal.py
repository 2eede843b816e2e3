"""A command at a terminal of its own, as a person sees it: what it draws, and Ctrl-C from the keyboard.

with at_terminal("status", "--watch", environment=...) as terminal:
    terminal.wait_for_page("healthy")
    terminal.press_ctrl_c()
    assert terminal.end() == 130
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECONDS = 60.0
ENTER_SCREEN, LEAVE_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
HOME = "\x1b[H"
_ROWS, _COLUMNS = 50, 200
# A terminal controls a process, and sends it Ctrl-C, only when the process asks for it.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "holdfast.cli", *sys.argv[1:]])
"""


@dataclass
class Terminal:
    descriptor: int
    process: subprocess.Popen[bytes]
    drawn: str = ""

    def page(self) -> str:
        """What was drawn since the cursor was last sent home; it may not be whole yet."""
        return self.drawn.rpartition(HOME)[2]

    def wait_for_page(self, *words: str, without: str = "\0") -> None:
        deadline = time.monotonic() + SECONDS
        while not all(word in self.page() for word in words) or without in self.page():
            assert self._read(deadline), f"{words} never came: {self.drawn[-3000:]!r}"

    def press_ctrl_c(self) -> None:
        os.write(self.descriptor, b"\x03")

    def end(self) -> int:
        """The exit code, when all that it drew has been read."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        return self.process.wait(SECONDS)

    def _read(self, deadline: float) -> bool:
        """False: it has ended, or the time is out."""
        if not select.select([self.descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self.drawn += data.decode("utf-8", "replace")
        return bool(data)


@contextlib.contextmanager
def at_terminal(*words: str, environment: Mapping[str, str]) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm"} | environment,
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
