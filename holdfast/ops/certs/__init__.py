"""``holdfast certs``: the authority of a cluster and the certificates of its processes.

    init     make the authority
    issue    make the certificate of one process
    show     what certificates say, and how long they last

Exit codes: 0 done, 1 refused (with the reason), 2 wrong usage; ``show`` ends with 1 if one has ended or is unreadable.
"""

from __future__ import annotations

import typer

from holdfast.ops.certs.init import init
from holdfast.ops.certs.issue import issue
from holdfast.ops.certs.show import show

app = typer.Typer(help="Certificates for mutual TLS between the processes of a cluster.", no_args_is_help=True)
app.command()(init)
app.command()(issue)
app.command()(show)
