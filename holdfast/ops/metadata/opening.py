"""The cluster's metadata for the length of a command, and how a command ends that is refused."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from holdfast import config
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, HoldfastError
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.starting import report_refusal, require_cluster
from holdfast.replicas.access import open_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.cluster import Cluster
    from holdfast.meta.etcd import EtcdStore

ConfigFile: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar="HOLDFAST_CONFIG",
        metavar="FILE",
        help="Configuration with cluster.etcd, as gateways have it.",
    ),
]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[EtcdStore]:
    """What is raised inside ends the command with one line and exit code 1."""
    try:
        store = open_metadata(_cluster(path), SystemClock())
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    with contextlib.closing(store):
        try:
            yield store
        except HoldfastError as error:
            typer.echo(f"holdfast: {error.message}", err=True)
            raise typer.Exit(1) from error


def _cluster(path: Path) -> Cluster:
    settings = config.load(path)
    require_cluster(settings)
    if settings.cluster is None:  # for the type checker: require_cluster has refused it
        raise ConfigError("this command is for a cluster")
    return settings.cluster
