"""``holdfast robot rotate NAMESPACE/NAME``."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from holdfast.access.expiry import parse_expiry
from holdfast.access.keytext import digest_of, new_robot_secret
from holdfast.ops.accounts import ConfigFile, Named, named, reached
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.robot.telling import tell_secret


def rotate(
    name: Named,
    expires: Annotated[
        str | None, typer.Option(help="90d, 12h, 2027-01-31, or never; without it the end stays as it is.")
    ] = None,
    config: ConfigFile = None,
    json_output: AsJson = False,
) -> None:
    """Give a robot another secret; the old one, and tokens got by it, count no more within two seconds."""
    with reached(config) as found:
        robot_name, now = named(name), time.time()
        secret = new_robot_secret(os.urandom)
        ends = None if expires is None else parse_expiry(expires, now)
        robot = found.robots.rotate(robot_name, digest_of(secret), now, ends)
        found.note("robot rotate", robot_name.user)
    tell_secret(robot, secret, as_json=json_output)
