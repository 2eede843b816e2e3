"""``holdfast retention``: what repositories keep, by the policies of ``storage.retention``.

    preview   what would go, what stays, and which rule says so

Exit codes: 0 done, 1 the metadata does not answer, 2 wrong usage, 78 the configuration is refused or there is no registry of it.
"""

from __future__ import annotations

import typer

from holdfast.ops.retention.preview import preview

app = typer.Typer(help="What repositories keep, by storage.retention.", no_args_is_help=True)
app.command()(preview)


@app.callback()
def _group() -> None:
    """What repositories keep, by storage.retention."""
