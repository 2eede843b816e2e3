"""``holdfast metadata``: the names of a cluster as a whole, and the upkeep of etcd, where they are kept.

    status           members, leader, sizes, alarms
    compact          forget old revisions, so that their space can be used again
    defragment       give free space back to the file systems, one member after the other
    copy             move a registry of one machine into a cluster
    raise-version    declare that nothing older runs any more

Exit codes: 0 done, 1 refused or not finished (with the reason), 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.metadata.compact import compact
from holdfast.ops.metadata.copy import copy
from holdfast.ops.metadata.defragment import defragment
from holdfast.ops.metadata.raise_version import raise_version
from holdfast.ops.metadata.status import status

app = typer.Typer(
    help="The metadata of a cluster: upkeep, where it comes from, and who may work on it.", no_args_is_help=True
)
app.command()(status)
app.command()(compact)
app.command()(defragment)
app.command()(copy)
app.command("raise-version")(raise_version)
