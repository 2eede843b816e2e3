"""Following long work: a progress bar for people, a line for each change where nobody watches.

Promises: ends when it is done (True) or when the time is out (False); a moment without metadata is waited out. All on standard
error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.errors import UnavailableError
from holdfast.ops.console import people

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock

EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """How far it is: ``done`` of ``total`` parts, and in words."""

    done: int
    total: int
    text: str

    @property
    def is_over(self) -> bool:
        return self.done >= self.total


def follow(
    look: Callable[[], Look], clock: Clock, sleep: Callable[[float], None], timeout_seconds: float = 0.0
) -> bool:
    """``timeout_seconds`` 0: for ever."""
    console = people(to_errors=True)
    deadline = clock.monotonic() + timeout_seconds
    bar = Progress(
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=None)
        said = ""
        while True:
            now = _careful(look)
            if now is not None:
                bar.update(task, completed=now.done, total=max(1, now.total), description=now.text)
                if now.text != said and not console.is_terminal:
                    typer.echo(now.text, err=True)
                said = now.text
                if now.is_over:
                    return True
            if timeout_seconds and clock.monotonic() >= deadline:
                return False
            sleep(EVERY_SECONDS)


def _careful(look: Callable[[], Look]) -> Look | None:
    try:
        return look()
    except UnavailableError:
        return None
