"""``holdfast certs init DIR``: a new authority, ``ca.crt`` and ``ca.key``.

Promises: ECDSA P-256, ten years. ``ca.crt`` goes to every machine; ``ca.key`` is needed by ``issue`` only and should be kept
where no registry runs.

Never: replaces an authority without ``--force``, because every certificate of the former one would be refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it builds the command
from typing import Annotated

import typer

from holdfast.certs import files
from holdfast.certs.authority import make_authority
from holdfast.clock import SystemClock
from holdfast.ops.certs.refusal import refusals_told


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the authority; made if need be.")],
    name: Annotated[str, typer.Option(help="Name of the cluster, cluster.name in its configuration.")] = "holdfast",
    force: Annotated[bool, typer.Option("--force", help="Replace the authority that is there.")] = False,
) -> None:
    """Make the authority of a cluster."""
    at = files.pair(directory, files.AUTHORITY)
    with refusals_told():
        authority = make_authority(name, datetime.fromtimestamp(SystemClock().wall(), UTC))
        files.write_pair(at, authority, replace=force)
    typer.echo(f"authority of cluster {name}: {at.certificate} for every machine, {at.key} for nobody but you")
