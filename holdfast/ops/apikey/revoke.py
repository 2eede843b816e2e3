"""``holdfast apikey revoke URL ID``."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import typer

from holdfast.access.doors import API_KEY_PATH
from holdfast.ops import console
from holdfast.ops.login import CaFile, FromInput, Insecure, Url, User, registry


def revoke(
    url: Url,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its id; `apikey ls` shows it.")],
    user: User = None,
    password_stdin: FromInput = False,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """End one of your API keys: it, and every token that was got by it, count no more within two seconds."""
    with registry(url, user, ca_file, from_input=password_stdin, insecure=insecure) as found:
        found.ask("DELETE", f"{API_KEY_PATH}?{urlencode({'id': key_id})}")
    console.show(f"{key_id} is revoked")
