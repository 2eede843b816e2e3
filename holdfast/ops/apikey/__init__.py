"""``holdfast apikey``: keys for programs that act for you, made with your own login.

    create    a new key; its text is shown once
    ls        your keys, what they are for, when they end and when they were used last
    revoke    end one; every gateway refuses it within two seconds
    end       for operators: end anybody's, over the metadata

Exit codes: 0 done, 1 refused (with the reason), 2 wrong usage.
"""

from __future__ import annotations

import typer

from holdfast.ops.apikey.create import create
from holdfast.ops.apikey.end import end
from holdfast.ops.apikey.ls import ls
from holdfast.ops.apikey.revoke import revoke

app = typer.Typer(help="Your API keys at a registry (http.auth.apikey).", no_args_is_help=True)
app.command()(create)
app.command()(ls)
app.command()(revoke)
app.command()(end)
