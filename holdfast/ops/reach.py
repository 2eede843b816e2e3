"""How the operator's commands find the cluster: the configuration they are told, and what is said when that leads nowhere.

Promises: ``--config FILE``, else HOLDFAST_CONFIG, else /etc/holdfast/config.json where there is one. A refused configuration ends
with 78 and every fault; a cluster that does not answer, or refuses, ends with 1 and one line that says what to do.

Never: starts a thread, or leaves a connection open behind a command.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from holdfast import config
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, HoldfastError
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.starting import report_refusal, require_cluster
from holdfast.replicas.access import access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.cluster import Cluster
    from holdfast.replicas.access import ClusterAccess

DEFAULT_FILE: Final = Path("/etc/holdfast/config.json")

ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="HOLDFAST_CONFIG",
        metavar="FILE",
        help="Configuration with cluster.etcd, as gateways have it.",
        show_default=str(DEFAULT_FILE),
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
Node: TypeAlias = Annotated[
    str, typer.Argument(metavar="NODE", help="Id, the beginning of one, or address; see `node ls`.")
]
Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Do it although it is refused.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Wait: TypeAlias = Annotated[bool, typer.Option("--wait", help="Show the progress, and end when it is done.")]
Timeout: TypeAlias = Annotated[
    float, typer.Option(help="Seconds to wait at most; then exit 1, and the work goes on. 0: for ever.", min=0.0)
]


def cluster_of(path: Path | None, default: Path = DEFAULT_FILE) -> Cluster:
    """Raises ConfigError: no file, a faulty one, or none of a cluster."""
    if path is None and not default.exists():
        raise ConfigError(
            f"which cluster? name its configuration by --config FILE, by HOLDFAST_CONFIG, or as {default}"
        )
    return require_cluster(config.load(path or default))


@contextlib.contextmanager
def reached(path: Path | None) -> Iterator[ClusterAccess]:
    """The cluster, for the length of a command."""
    try:
        found = access(cluster_of(path), SystemClock(), "")
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    try:
        yield found
    except HoldfastError as error:
        typer.echo(f"holdfast: {error.message}", err=True)
        raise typer.Exit(1) from error
    finally:
        found.close()
