"""``holdfast token``: what a token says.

    inspect    header, claims, times, scopes, who signed it, and whether it counts here

Exit codes: 0 it counts (or nobody was asked), 1 it does not, or is no token, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.token.inspect import inspect

app = typer.Typer(help="What a token says, and whether it counts.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """What a token says, and whether it counts."""


app.command()(inspect)
