"""``holdfast gc``: garbage collection.

    run       have every storage node collect garbage now; what ``holdfast gc`` without a word does
    trust     the metadata is right as it is, although nodes have seen a newer state of it

Exit codes: 0 done, 1 refused (with the reason) or a node did not answer, 2 wrong usage, 3 a node holds back what would be too much
at once, 78 the configuration is refused.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from holdfast.ops.gc.run import run
from holdfast.ops.gc.trust import trust


class _RunsByDefault(TyperGroup):
    """Whatever names no command is meant for ``run``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        names_one = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if names_one else ["run", *args])


app = typer.Typer(
    cls=_RunsByDefault,
    help="Garbage collection: now, and what it asks an operator. In a cluster with TLS it wants a certificate of the role ops.",
)
app.command()(run)
app.command()(trust)
