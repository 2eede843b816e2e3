"""``holdfast sync``: what is mirrored from other registries and to them, and who is at it.

    ls        the configured mirrors, and when they run
    status    running fetches and runs, and how the upstreams are
    run       have a mirror run now
    pause     let it run no more
    resume    let it run again

Exit codes: 0 done, 1 refused (with the reason), or something failed or did not answer, 2 wrong usage, 78 the configuration is
refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.sync.ls import ls
from holdfast.ops.sync.pause import pause, resume
from holdfast.ops.sync.run import run
from holdfast.ops.sync.status import status

app = typer.Typer(
    help="What is mirrored from other registries and to them. Between processes that speak TLS, status wants a certificate of"
    " the role ops.",
    no_args_is_help=True,
)
app.command()(ls)
app.command()(status)
app.command()(run)
app.command()(pause)
app.command()(resume)
