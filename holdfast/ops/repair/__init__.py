"""``holdfast repair``: have the nodes compare their copies now, instead of at their next turn.

    start     ask all nodes for a round
    status    how far they are

Exit codes: 0 done, 1 refused (with the reason) or the cluster did not answer, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.repair.start import start
from holdfast.ops.repair.status import status

app = typer.Typer(
    help="Comparing copies between nodes and making those that are missing. Runs by itself; here it can be asked for.",
    no_args_is_help=True,
)
app.command()(start)
app.command()(status)
