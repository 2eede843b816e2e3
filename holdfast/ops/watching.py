"""A page that renews itself until somebody ends it: ``--watch``.

Promises: 130 after Ctrl-C, 143 after SIGTERM, with the terminal as it was before. In a pipe one page follows the other; as JSON,
one line for each look.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer
from rich.console import Group
from rich.live import Live

from holdfast.ops import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType

    from holdfast.ops.console import JsonObject

Report = TypeVar("Report")


def watch(
    look: Callable[[], Report],
    describe: Callable[[Report], Iterable[RenderableType]],
    as_json: Callable[[Report], JsonObject] | None,
    every_seconds: float,
) -> NoReturn:
    """``as_json``: for programs; None: pages for people."""
    ending = _Ending(signal.SIGTERM, signal.SIGINT)
    people = console.people()
    with contextlib.ExitStack() as stack:
        live = None
        if people.is_terminal and as_json is None:
            live = stack.enter_context(Live(console=people, auto_refresh=False, screen=True))
        while True:
            report = look()
            if as_json is not None:
                typer.echo(json.dumps(as_json(report)))
            elif live is not None:
                live.update(Group(*describe(report)), refresh=True)
            else:
                console.show(*describe(report), "")
            ending.require_none()
            time.sleep(every_seconds)
            ending.require_none()


class _Ending:
    """Ends the process by an exception: a terminal that is left by a signal's default action stays on its other screen, without a
    cursor. An exception that reaches the main thread in a destructor or a callback is swallowed there, and so was a Ctrl-C now and
    then: the signal is remembered as well.
    """

    def __init__(self, *signums: int) -> None:
        self._got: int | None = None
        for signum in signums:
            signal.signal(signum, self._on_signal)

    def _on_signal(self, signum: int, _frame: object) -> NoReturn:
        self._got = signum
        sys.exit(128 + signum)

    def require_none(self) -> None:
        """Raises SystemExit."""
        if self._got is not None:
            sys.exit(128 + self._got)
