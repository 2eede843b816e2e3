"""``holdfast robot ls [NAMESPACE]``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile, reached
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.robot.telling import as_json, moment


def ls(
    namespace: Annotated[str, typer.Argument(metavar="[NAMESPACE]", help="Only those of this one.")] = "",
    config: ConfigFile = None,
    json_output: AsJson = False,
) -> None:
    """List robots: what they may, until when, and when they were used last. Never a secret."""
    with reached(config) as found:
        robots = [robot for robot in found.robots.all() if namespace in {"", robot.name.namespace}]
        used = found.times.read(robot.place for robot in robots)
    now = time.time()
    if json_output:
        console.show_json([as_json(robot, used.get(robot.place, 0.0), now) for robot in robots])
        return
    table = console.table("robot", "scopes", "rotated", "ends", "last used", "description")
    for robot in robots:
        ends = "over" if robot.is_over(now) else moment(robot.expires_seconds)
        console.row(
            table,
            robot.name.user,
            " ".join(robot.scopes) or "by the rules",
            moment(robot.rotated_seconds),
            ends,
            moment(used.get(robot.place, 0.0)),
            robot.description,
        )
    console.show(table)
