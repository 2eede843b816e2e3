"""``holdfast robot rm NAMESPACE/NAME``."""

from __future__ import annotations

from holdfast.errors import RequestInvalidError
from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile, Named, named, reached


def rm(name: Named, config: ConfigFile = None) -> None:
    """Take a robot away: it, and tokens that it got, count no more within two seconds."""
    with reached(config) as found:
        robot_name = named(name)
        if not found.robots.remove(robot_name):
            raise RequestInvalidError(f"there is no robot {robot_name.user}")
        found.note("robot rm", robot_name.user)
    console.show(f"{robot_name.user} is gone")
