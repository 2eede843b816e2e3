"""A process that is killed before its n-th line: what it leaves is looked at by whoever called.

``at_every_line`` goes on until the work comes through, so that every line of the named files was once the one that never ran.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def killed_before(line: int, names: Sequence[str], work: Callable[[], object]) -> bool:
    """Whether it died; False: it came through. Only lines of files whose paths end with one of ``names`` count."""
    pid = os.fork()
    if pid == 0:
        _die_before(line, tuple(names))
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it was, the parent shall see it
            sys.settrace(None)
            os.write(2, f"the work failed: {error!r}\n".encode())
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _die_before(line: int, names: tuple[str, ...]) -> None:
    left = line

    def on_line(frame, event, _):
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    def on_call(frame, _event, _):
        return on_line if frame.f_code.co_filename.endswith(names) else None

    sys.settrace(on_call)


def at_every_line(names: Sequence[str], work: Callable[[], object], step: int = 1) -> Iterator[int]:
    """Each time after it died, the line that it died before."""
    line = 1
    while killed_before(line, names, work):
        yield line
        line += step
