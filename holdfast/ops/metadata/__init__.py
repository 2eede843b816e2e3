"""``holdfast metadata``: the names of a cluster as a whole.

    copy             move a registry of one machine into a cluster
    raise-version    declare that nothing older runs any more

Exit codes: 0 done, 1 refused or not finished (with the reason), 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.metadata.copy import copy
from holdfast.ops.metadata.raise_version import raise_version

app = typer.Typer(help="The metadata of a cluster: where it comes from, and who may work on it.", no_args_is_help=True)
app.command()(copy)
app.command("raise-version")(raise_version)
