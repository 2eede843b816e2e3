"""``holdfast layout apply``: gives every present node its share.

Promises: shows what it is about to do and asks; ``--yes`` answers. Refuses while the change before is not finished, and rules that
no write could satisfy, unless ``--force``. Nothing to change: exit 0, nothing published.

Never: applies what was planned on another layout than is live by then.
"""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.ops import console, picture
from holdfast.ops.layout import planned, progress
from holdfast.ops.layout.options import Replicas, WriteQuorum, ZoneStrict  # noqa: TC001 - typer reads annotations
from holdfast.ops.layout.proposal import Wishes, propose
from holdfast.ops.reach import AsJson, ConfigFile, Timeout, Wait, Yes, reached


def apply(  # noqa: PLR0913, PLR0917 - each is an option of the command
    config: ConfigFile = None,
    replicas: Replicas = None,
    write_quorum: WriteQuorum = None,
    zone_strict: ZoneStrict = None,
    yes: Yes = False,
    force: Annotated[bool, typer.Option("--force", help="Apply it although it is refused; plan tells why.")] = False,
    wait: Wait = False,
    timeout: Timeout = 0.0,
    json_output: AsJson = False,
) -> None:
    """Give every present node its share of the data, with the fewest possible moves. Reads and writes go on meanwhile."""
    with reached(config) as cluster:
        seen = picture.read(cluster)
        found = planned.weighed(cluster, seen, propose(seen, Wishes(replicas, write_quorum, zone_strict)))
        proposal = found.proposal
        if not json_output:
            console.show(*planned.describe(found))
        if proposal.is_change:
            if proposal.refusals and not force:
                raise console.refuse(["nothing was applied", *proposal.refusals])
            console.require_yes(f"Apply layout {proposal.layout.version}?", yes=yes)
            cluster.book.publish(proposal.layout, seen.view.live)
        if json_output:
            console.show_json(planned.as_json(found) | {"applied": proposal.is_change})
        elif proposal.is_change:
            console.show(
                f"layout {proposal.layout.version} is live" + ("" if wait else "; `holdfast layout show` follows it")
            )
        if wait:
            progress.follow_change(cluster, proposal.layout.version, timeout)
