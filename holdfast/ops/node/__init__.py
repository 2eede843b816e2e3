"""``holdfast node``: the storage nodes of the cluster.

    ls            all of them
    show          one, and what would be lost with it
    drain         bring what it holds to the others
    undrain       take it back in
    remove        let it go for good
    set-weight    change its share
    set-zone      change what it fails together with

Exit codes: 0 done, 1 refused (with the reason) or the cluster did not answer, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.node.drain import drain, undrain
from holdfast.ops.node.ls import ls
from holdfast.ops.node.remove import remove
from holdfast.ops.node.set import set_weight, set_zone
from holdfast.ops.node.show import show

app = typer.Typer(help="The storage nodes of the cluster.", no_args_is_help=True)
app.command()(ls)
app.command()(show)
app.command()(drain)
app.command()(undrain)
app.command()(remove)
app.command("set-weight")(set_weight)
app.command("set-zone")(set_zone)
