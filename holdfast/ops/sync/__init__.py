"""``holdfast sync``: what is mirrored from other registries and to them, and who is at it.

    status    running fetches, and how the upstreams are

Exit codes: 0 done, 1 refused (with the reason) or something did not answer, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.sync.status import status

app = typer.Typer(
    help="What is mirrored from other registries and to them. Between processes that speak TLS, status wants a certificate of"
    " the role ops.",
    no_args_is_help=True,
)
app.command()(status)
