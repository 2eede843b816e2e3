"""``holdfast layout plan``: what ``apply`` would do. Changes nothing. Exit 1 when apply would be refused."""

from __future__ import annotations

import typer

from holdfast.ops import console, picture
from holdfast.ops.layout import planned
from holdfast.ops.layout.options import Replicas, WriteQuorum, ZoneStrict  # noqa: TC001 - typer reads annotations
from holdfast.ops.layout.proposal import Wishes, propose
from holdfast.ops.reach import AsJson, ConfigFile, reached


def plan(
    config: ConfigFile = None,
    replicas: Replicas = None,
    write_quorum: WriteQuorum = None,
    zone_strict: ZoneStrict = None,
    json_output: AsJson = False,
) -> None:
    """Show what apply would do: which node gains and loses what, how much moves, what speaks against it."""
    with reached(config) as cluster:
        seen = picture.read(cluster)
        found = planned.weighed(cluster, seen, propose(seen, Wishes(replicas, write_quorum, zone_strict)))
    if json_output:
        console.show_json(planned.as_json(found))
    else:
        console.show(*planned.describe(found))
    raise typer.Exit(1 if found.proposal.is_change and found.proposal.refusals else 0)
