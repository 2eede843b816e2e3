"""``holdfast access explain``: which rule decides, and why."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.access.ldap.entries import groups_of
from holdfast import config, names
from holdfast.access.actions import Action  # noqa: TC001 - typer reads the annotations when it runs
from holdfast.access.conditions import Facts
from holdfast.access.identity import ANONYMOUS, Identity, Way
from holdfast.access.rights import Rights
from holdfast.errors import ConfigError, NameInvalidError
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.console import refuse, show, show_json
from holdfast.ops.starting import report_refusal

if TYPE_CHECKING:
    from holdfast.access.rights import Verdict

NOBODY = "-"


def explain(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration with http.accessControl.")],
    user: Annotated[str, typer.Argument(metavar="USER", help='Who; "-" for somebody who is not logged in.')],
    action: Annotated[
        Action, typer.Argument(metavar="ACTION", help="read, create, update, delete or detectManifestCollision.")
    ],
    repository: Annotated[str, typer.Argument(metavar="REPOSITORY", help="Where, such as team/app.")],
    reference: Annotated[str, typer.Option(help="Tag or digest, for conditions that look at it.")] = "",
    address: Annotated[str, typer.Option(help="The client's address, for conditions that look at it.")] = "127.0.0.1",
    group: Annotated[
        list[str] | None,
        typer.Option(help="A group that the login brings, of a directory by its name or whole DN; may be repeated."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False,
) -> None:
    """Say whether a user may do something in a repository, and which rule decides.

    Example: holdfast access explain config.json ann update team/app
    """
    try:
        settings = config.load(config_file)
        knows = settings.http.auth is not None and settings.http.auth.knows_somebody
        rights = Rights(settings.http.access_control, knows_somebody=knows)
        name = names.repository(repository)
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    except NameInvalidError as error:
        raise refuse([error.message]) from None
    who = ANONYMOUS if user in {NOBODY, ""} else Identity(user, Way.PASSWORD, groups_of(group or ()))
    facts = Facts(reference=reference, client_address=address, wall_seconds=time.time())
    _tell(
        user, action, name, rights.decide(who, action, name, facts), sorted(rights.groups_of(who)), as_json=json_output
    )


def _tell(user: str, action: Action, name: str, verdict: Verdict, groups: list[str], *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "user": user,
                "groups": groups,
                "action": action.value,
                "repository": name,
                "allowed": verdict.allowed,
                "rule": verdict.rule,
                "message": verdict.message,
            }
        )
    else:
        who = "somebody who is not logged in" if user == NOBODY else user
        show(f"{who} {'may' if verdict.allowed else 'may not'} {action.value} in {name}")
        show(f"  decided by  {verdict.rule}")
        if groups:
            show(f"  in groups   {', '.join(groups)}")
        if verdict.message:
            show(f"  is told     {verdict.message}")
    raise typer.Exit(0 if verdict.allowed else 1)
