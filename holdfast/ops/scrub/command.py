"""``holdfast scrub [NODE...]``: have every copy read again now; ``--wait`` shows the progress, then the report.

    holdfast scrub --wait             read everything, wait for what can be repaired, tell the rest
    holdfast scrub --report           what is known already: nothing is asked for

Works on a cluster (cluster.etcd) and on the registry of one machine (storage.rootDirectory). A node that is reading already ends
that round first. Exit codes: 0 every blob that is linked has a good copy, or it was asked for; 1 something has none, was not
repaired in time, or nobody answers; 2 wrong usage; 78 the configuration is refused.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.clock import SystemClock
from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile  # noqa: TC001 - typer reads annotations
from holdfast.ops.reach import AsJson, Timeout, Wait  # noqa: TC001 - typer reads annotations
from holdfast.ops.scrub import outcome
from holdfast.ops.scrub.nodes import reached
from holdfast.ops.scrub.progress import look_at
from holdfast.ops.waiting import follow

if TYPE_CHECKING:
    from holdfast.ops.scrub.nodes import Scrubbed

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NODE...]", help="Ids or addresses of storage nodes; all when none is named."),
]
OnlyReport = Annotated[bool, typer.Option("--report", help="Tell what is known; ask for nothing.")]


def scrub(
    node: Names = None,
    config: ConfigFile = None,
    wait: Wait = False,
    report: OnlyReport = False,
    timeout: Timeout = 0.0,
    json_output: AsJson = False,
) -> None:
    """Have nodes read all their copies again now, to find what has rotted or is gone.

    Example: holdfast scrub --wait --timeout 3600
    """
    if report and wait:
        raise typer.BadParameter("--report asks for nothing, so there is nothing to wait for")
    with reached(config) as found:
        chosen = found.chosen(node or [])
        asked = {} if report else {name: found.scrubs.ask(name) for name in chosen}
        if wait:
            _followed(found, asked, timeout)
        told = outcome.of(found, chosen, whole=wait)
    if json_output:
        console.show_json({"asked": bool(asked), "done": wait, **outcome.as_json(told)})
    elif asked and not wait:
        console.show(f"asked {console.counted(len(asked), 'node')}; `holdfast scrub --report` tells what they find")
    else:
        console.show(*outcome.describe(told))
    raise typer.Exit(1 if (wait or report) and not told.is_well else 0)


def _followed(found: Scrubbed, asked: dict[str, int], timeout_seconds: float) -> None:
    """Raises typer.Exit: 1; not in time, or by nobody."""
    found.require_alive(asked)
    if not follow(lambda: look_at(found, asked), SystemClock(), time.sleep, timeout_seconds):
        raise console.refuse(["not all is read and repaired yet; it goes on, `holdfast scrub --report` tells how far"])
