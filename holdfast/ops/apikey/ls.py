"""``holdfast apikey ls URL``."""

from __future__ import annotations

from holdfast.access.doors import API_KEY_PATH, NEVER_TEXT
from holdfast.ops import console
from holdfast.ops.login import CaFile, FromInput, Insecure, Url, User, registry
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations


def ls(
    url: Url,
    user: User = None,
    password_stdin: FromInput = False,
    ca_file: CaFile = None,
    insecure: Insecure = False,
    json_output: AsJson = False,
) -> None:
    """List your API keys, never their texts."""
    with registry(url, user, ca_file, from_input=password_stdin, insecure=insecure) as found:
        keys = found.ask("GET", API_KEY_PATH).get("apiKeys") or []
    if json_output:
        console.show_json(keys)
        return
    table = console.table("id", "label", "scopes", "made", "ends", "last used")
    for key in keys:
        ends = "over" if key.get("isExpired") else _time(key.get("expirationDate"))
        scopes = " ".join(map(str, key.get("scopes") or ()))
        console.row(
            table,
            key.get("uuid"),
            key.get("label"),
            scopes,
            _time(key.get("createdAt")),
            ends,
            _time(key.get("lastUsed")),
        )
    console.show(table)


def _time(text: object) -> str:
    return "never" if text == NEVER_TEXT else str(text)
