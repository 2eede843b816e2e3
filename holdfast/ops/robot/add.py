"""``holdfast robot add NAMESPACE/NAME``.

Promises: standard output carries the secret and nothing else, so that a script keeps it by ``$(…)``.
"""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from holdfast.access.expiry import parse_expiry
from holdfast.access.keyscopes import KeyScopes
from holdfast.access.keytext import digest_of, new_robot_secret
from holdfast.access.robots import require_below
from holdfast.meta.robots import Robot
from holdfast.ops.accounts import ConfigFile, Named, named, reached
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.robot.telling import tell_secret


def add(
    name: Named,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="GLOB:ACTIONS below the namespace, such as 'team/**:pull,push'; may be repeated. Without: what rules allow."
        ),
    ] = None,
    expires: Annotated[str, typer.Option(help="90d, 12h, 2027-01-31, or never.")] = "90d",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    config: ConfigFile = None,
    json_output: AsJson = False,
) -> None:
    """Add a robot to a namespace, and write its secret to standard output: it is shown this once.

    Example: holdfast robot add team/ci --scope 'team/**:pull,push' --expires 30d
    """
    with reached(config) as found:
        robot_name, scopes, now = named(name), KeyScopes.of(scope or ()), time.time()
        require_below(robot_name, scopes)
        secret = new_robot_secret(os.urandom)
        robot = Robot(
            robot_name, scopes.texts, digest_of(secret), now, now, parse_expiry(expires, now), description[:256]
        )
        found.robots.add(robot)
        found.note("robot add", robot_name.user)
    tell_secret(robot, secret, as_json=json_output)
