"""``holdfast access``: what the rules of a configuration mean.

    explain    who may do what in a repository, and by which rule

Exit codes: 0 allowed, 1 not allowed, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.access.explain import explain

app = typer.Typer(help="What the rules of http.accessControl mean, without asking a registry.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """What the rules of http.accessControl mean, without asking a registry."""


app.command()(explain)
