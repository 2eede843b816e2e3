"""Commands whose modules are imported when they are called, so that the program starts at once.

Promises: a command that is called imports its own module and no other command's; the list of all commands imports none.

Never: knows a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Late:
    """``at``: module and name, such as ``holdfast.ops.serve:serve``: a function, or an app of several. ``help``: its first line."""

    at: str
    help: str

    def command(self, name: str) -> Any:
        module, _, attribute = self.at.partition(":")
        found = getattr(import_module(module), attribute)
        app = typer.Typer(add_completion=False)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
        app.callback()(_nothing)
        group: Any = typer.main.get_command(app)
        return group.commands[name]


def _nothing() -> None:
    """Makes a group of an app that has one command only."""


class LateGroup(TyperGroup):
    """``late``: by name, in the order of the list."""

    late: ClassVar[Mapping[str, Late]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=one.help) for name, one in self.late.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in self.late:
            self.commands[args[0]] = self.late[args[0]].command(args[0])
        return super().resolve_command(ctx, args)
