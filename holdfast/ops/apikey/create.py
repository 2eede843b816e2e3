"""``holdfast apikey create URL``.

Promises: standard output carries the key's text and nothing else, so that a script keeps it by ``$(…)``; what it is for goes to
standard error.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from holdfast.access.doors import API_KEY_PATH
from holdfast.access.expiry import parse_expiry
from holdfast.access.keyscopes import KeyScopes
from holdfast.ops import console
from holdfast.ops.login import CaFile, FromInput, Insecure, Url, User, registry
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations


def create(  # noqa: PLR0913, PLR0917 - each is an option of the command
    url: Url,
    scope: Annotated[
        list[str],
        typer.Option(help="GLOB:ACTIONS, such as 'team/**:pull,push'; may be repeated. '**:*' for all that you may."),
    ],
    label: Annotated[str, typer.Option(help="What it is for, for yourself.")] = "",
    expires: Annotated[str, typer.Option(help="90d, 12h, 2027-01-31, or never.")] = "90d",
    user: User = None,
    password_stdin: FromInput = False,
    ca_file: CaFile = None,
    insecure: Insecure = False,
    json_output: AsJson = False,
) -> None:
    """Make an API key, and write it to standard output: it is shown this once.

    Example: holdfast apikey create registry.example.com -u ann --scope 'team/**:pull' --expires 30d
    """
    with registry(url, user, ca_file, from_input=password_stdin, insecure=insecure) as found:
        ends = parse_expiry(expires, time.time())
        wish: dict[str, object] = {"label": label, "scopes": list(KeyScopes.of(scope).texts)}
        if ends:
            wish["expirationDate"] = datetime.fromtimestamp(int(ends), UTC).isoformat()
        made = found.ask("POST", API_KEY_PATH, wish)
    if json_output:
        console.show_json(made)
        return
    typer.echo(f"key {made.get('uuid')}; the password of your user from now on, wherever a program asks:", err=True)
    typer.echo(made.get("apiKey"))
