"""``holdfast robot``: accounts of programs, each below one namespace.

    add       a new robot; its secret is shown once
    ls        who is there, what for, until when, and when it was used last
    rotate    another secret; the old one ends
    rm        take one away

They act on the metadata of the configuration's registry, and are in its audit log. Exit codes: 0 done, 1 refused (with the reason),
2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.robot.add import add
from holdfast.ops.robot.ls import ls
from holdfast.ops.robot.rm import rm
from holdfast.ops.robot.rotate import rotate

app = typer.Typer(help="Accounts of programs, each limited to one namespace.", no_args_is_help=True)
app.command()(add)
app.command()(ls)
app.command()(rotate)
app.command()(rm)
