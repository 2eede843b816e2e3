"""``holdfast metadata``: upkeep of etcd.

    status        members, leader, sizes, alarms
    compact       forget old revisions, so that their space can be used again
    defragment    give free space back to the file systems, one member after the other

Exit codes: 0 done, 1 refused (with the reason) or etcd did not answer, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.metadata.compact import compact
from holdfast.ops.metadata.defragment import defragment
from holdfast.ops.metadata.status import status

app = typer.Typer(help="Upkeep of etcd, where the names are kept.", no_args_is_help=True)
app.command()(status)
app.command()(compact)
app.command()(defragment)
