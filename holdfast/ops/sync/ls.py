"""``holdfast sync ls``: every configured mirror, what it copies, and when it runs next.

``--json`` writes a list of {entry, direction, urls, content, onDemand, pollInterval, paused, asked, nextRun, run}.
"""

from __future__ import annotations

import time

from holdfast.ops import console
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.sync import mirrorpages
from holdfast.ops.sync.mirrors import read
from holdfast.ops.sync.reaching import ConfigFile, reached


def ls(config: ConfigFile = None, json_output: AsJson = False) -> None:
    """List the configured mirrors: where from or to, what, on demand or how often, and when they run next.

    The first column is what `sync run`, `sync pause` and `sync resume` want to hear.

    Example: holdfast sync ls --config /etc/holdfast/config.json
    """
    with reached(config) as found:
        mirrors = read(found)
    if json_output:
        console.show_json([mirrorpages.as_json(one) for one in mirrors])
    else:
        console.show(mirrorpages.configured(mirrors, time.time()))
