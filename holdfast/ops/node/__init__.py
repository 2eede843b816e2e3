"""``holdfast node``: the storage nodes of the cluster.

    ls    all of them

Exit codes: 0 done, 1 refused (with the reason) or the cluster did not answer, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.node.ls import ls

app = typer.Typer(help="The storage nodes of the cluster.", no_args_is_help=True)
app.command()(ls)
