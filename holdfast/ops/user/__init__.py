"""``holdfast user``: the users in an htpasswd file.

    add       a new user
    passwd    another password for a user who is there
    rm        take a user out
    ls        who is there, and which lines are no good

A registry that serves with the file sees a change within about a second. Exit codes: 0 done, 1 refused (with the reason), 2 wrong
usage.
"""

from __future__ import annotations

import typer

from holdfast.ops.user.commands import add, ls, passwd, rm

app = typer.Typer(
    help="The users in a password file (http.auth.htpasswd.path). A running registry follows the file.",
    no_args_is_help=True,
)
app.command()(add)
app.command()(passwd)
app.command()(rm)
app.command()(ls)
