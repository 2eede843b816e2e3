"""Robots as people and programs read them; a secret once, and alone on standard output."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from holdfast.ops import console

if TYPE_CHECKING:
    from holdfast.meta.robots import Robot
    from holdfast.ops.console import JsonObject


def tell_secret(robot: Robot, secret: str, *, as_json: bool) -> None:
    if as_json:
        console.show_json({"user": robot.name.user, "secret": secret, "scopes": list(robot.scopes)})
        return
    typer.echo(
        f"{robot.name.user}, until {moment(robot.expires_seconds)}; log in with this user name and this secret:",
        err=True,
    )
    typer.echo(secret)


def as_json(robot: Robot, used_seconds: float, now_seconds: float) -> JsonObject:
    return {
        "user": robot.name.user,
        "namespace": robot.name.namespace,
        "name": robot.name.name,
        "scopes": list(robot.scopes),
        "created": moment(robot.created_seconds),
        "rotated": moment(robot.rotated_seconds),
        "expires": moment(robot.expires_seconds),
        "expired": robot.is_over(now_seconds),
        "lastUsed": moment(used_seconds),
        "description": robot.description,
    }


def moment(seconds: float) -> str:
    """As RFC 3339; ``never`` for 0."""
    if not seconds:
        return "never"
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
