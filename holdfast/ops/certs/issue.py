"""``holdfast certs issue DIR NAME``: the certificate of one process, ``NAME.crt`` and ``NAME.key``.

Promises: good for both ends of a connection as soon as hosts are given; without any, for the calling end only. A storage node
and a member of etcd need hosts: whoever connects compares the host with them. ``--force`` renews; running
processes take the new files up by themselves.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it builds the command
from typing import Annotated

import typer

from holdfast.certs import files
from holdfast.certs.authority import Issued, open_authority
from holdfast.certs.peer import Peer, Role
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError
from holdfast.ops.certs.refusal import refusals_told


def issue(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the authority, as init made it.")],
    name: Annotated[str, typer.Argument(help="Name of the process, such as store-1.")],
    host: Annotated[
        list[str] | None, typer.Option(help="Host name or IP address under which others reach it; repeatable.")
    ] = None,
    role: Annotated[Role, typer.Option(help="What the process is.")] = Role.NODE,
    days: Annotated[int, typer.Option(help="How long the certificate lasts.")] = 825,
    force: Annotated[bool, typer.Option("--force", help="Replace the certificate that is there.")] = False,
) -> None:
    """Make the certificate of one process."""
    at = files.pair(directory, name)
    with refusals_told():
        issued = _issued(directory, name, role, host or [], days)
        files.write_pair(at, issued, replace=force)
    typer.echo(f"{role} {name}: {at.certificate}, {at.key}")


def _issued(directory: Path, name: str, role: Role, hosts: list[str], days: int) -> Issued:
    if name == files.AUTHORITY:
        raise ConfigError(f"{name} is the authority's own name; choose another")
    if role in {Role.NODE, Role.ETCD} and not hosts:
        raise ConfigError(
            "a storage node or a member of etcd is reached by others; name its host names and addresses by --host"
        )
    at = files.pair(directory, files.AUTHORITY)
    authority = open_authority(files.read(at.certificate), files.read(at.key))
    try:
        peer = Peer(authority.cluster, role, name)
    except ValueError as error:
        raise ConfigError(f"{name!r}: {error}") from error
    return authority.issue(peer, hosts, datetime.fromtimestamp(SystemClock().wall(), UTC), days)
