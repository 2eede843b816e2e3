"""``holdfast whoami URL``: whom a registry takes you for, how it knows, and what you may."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import typer

from holdfast.access.doors import WHOAMI_PATH
from holdfast.ops import console
from holdfast.ops.login import CaFile, FromInput, Insecure, Url, User, registry
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations


def whoami(
    url: Url,
    repository: Annotated[
        list[str] | None, typer.Option("--repository", "-r", help="What may I do there? May be repeated.")
    ] = None,
    user: User = None,
    password_stdin: FromInput = False,
    ca_file: CaFile = None,
    insecure: Insecure = False,
    json_output: AsJson = False,
) -> None:
    """Say whom a registry takes you for. Without --user and without docker's login: what anybody may.

    Example: holdfast whoami registry.example.com -u ann -r team/app
    """
    query = urlencode([("repository", name) for name in repository or ()])
    with registry(url, user, ca_file, from_input=password_stdin, insecure=insecure, needed=False) as found:
        told = found.ask("GET", f"{WHOAMI_PATH}?{query}" if query else WHOAMI_PATH)
    if json_output:
        console.show_json(told)
        return
    console.show(f"{told.get('user') or 'nobody in particular'}, by {told.get('by')}")
    if told.get("groups"):
        console.show(f"  in groups  {', '.join(told['groups'])}")
    if told.get("limited"):
        console.show("  limited    to the scopes of this key, robot or token")
    for one in told.get("repositories") or ():
        console.show(f"  {one['name']}  {', '.join(one['may']) or 'nothing'}")
