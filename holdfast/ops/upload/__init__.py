"""``holdfast upload``: uploads that have not become blobs yet, on all storage nodes.

    ls        all of them
    cancel    end some, and free what they hold

Exit codes: 0 done, 1 refused (with the reason) or a node did not answer, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.upload.cancel import cancel
from holdfast.ops.upload.ls import ls

app = typer.Typer(
    help="Uploads that have not become blobs yet. Between processes that speak TLS it wants a certificate of the role ops.",
    no_args_is_help=True,
)
app.command()(ls)
app.command()(cancel)
