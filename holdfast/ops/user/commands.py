"""``holdfast user add|passwd|rm|ls``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from holdfast.access.htpasswd import parse
from holdfast.access.passwords import hash_of
from holdfast.errors import InputError
from holdfast.ops.console import refuse, show, show_json
from holdfast.ops.user.file import set_line, take_out

if TYPE_CHECKING:
    from collections.abc import Callable

File = Annotated[Path, typer.Argument(metavar="FILE", help="The password file; http.auth.htpasswd.path names it.")]
Name = Annotated[str, typer.Argument(metavar="USER", help="The user's name; it holds no colon.")]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, for scripts.")
]
_KINDS: Final = {"$2": "bcrypt", "$5": "sha256-crypt", "$6": "sha512-crypt"}


def add(file: File, user: Name, password_stdin: FromInput = False) -> None:
    """Add a user; the password is asked for. The file is made if it is not there.

    Example: holdfast user add /etc/holdfast/htpasswd ann
    """
    _store(file, user, password_stdin, is_new=True)


def passwd(file: File, user: Name, password_stdin: FromInput = False) -> None:
    """Set another password for a user. Tokens of the old one end at once."""
    _store(file, user, password_stdin, is_new=False)


def rm(file: File, user: Name) -> None:
    """Take a user out; who is logged in is out as well."""
    _do(lambda: take_out(file, user))
    typer.echo(f"{user} is out of {file}")


def ls(
    file: File, json_output: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False
) -> None:
    """Who is in the file, by which kind of hash, and which lines are no good. Never a hash."""
    try:
        users = parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise refuse([f"{file} cannot be read: {error}"]) from None
    found = [(name, _KINDS.get(hashed[:2], "?")) for name, hashed in sorted(users.hashes.items())]
    if json_output:
        problems = [{"line": one.line, "user": one.user, "reason": one.reason} for one in users.problems]
        show_json({"users": [{"user": name, "hash": kind} for name, kind in found], "problems": problems})
        return
    table = Table("user", "hash")
    for name, kind in found:
        table.add_row(Text(name), kind)
    show(table)
    for one in users.problems:
        show(f"line {one.line}{f' ({one.user})' if one.user else ''} is left out: {one.reason}")


def _store(file: Path, user: str, from_input: bool, *, is_new: bool) -> None:
    if not user or ":" in user or user.strip() != user or not user.isprintable() or user.startswith("#"):
        raise refuse(
            ["a user's name is printable, without colons and without blanks around it, and does not begin with #"]
        )
    password = sys.stdin.readline().rstrip("\r\n") if from_input else _asked()
    try:
        hashed = hash_of(password)
    except ValueError as error:
        raise refuse([str(error)]) from None
    _do(lambda: set_line(file, user, hashed, is_new=is_new))
    typer.echo(f"{user} {'is in' if is_new else 'has another password in'} {file}")


def _asked() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _do(change: Callable[[], None]) -> None:
    try:
        change()
    except InputError as error:
        raise refuse([error.message]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise refuse([f"the file cannot be changed: {error}"]) from None
