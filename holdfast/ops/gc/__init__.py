"""``holdfast gc``: what an operator has to say about garbage collection.

    trust     the metadata is right as it is, although nodes have seen a newer state of it

Exit codes: 0 done, 1 refused (with the reason), 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.gc.trust import trust

app = typer.Typer(help="Garbage collection, as far as it asks an operator.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Garbage collection, as far as it asks an operator."""


app.command()(trust)
