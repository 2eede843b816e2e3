"""How the commands of ``holdfast sync`` find what they ask: the configuration, the metadata, and the sync workers that live.

Promises: on one machine and in a cluster alike a worker is found by what it says of itself in the metadata, so a registry whose
sockets had to go elsewhere is found as well. A refused configuration ends with 78 and every fault; metadata that does not answer
ends with 1.

Never: makes a metadata file where there is none, or leaves a connection open behind a command.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from holdfast.errors import ConfigError, HoldfastError
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.reach import DEFAULT_FILE
from holdfast.ops.registry import configuration, metadata
from holdfast.ops.starting import report_refusal
from holdfast.rpc.credentials import Credentials, configured_files
from holdfast.rpc.syncclient import GrpcSync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.config import Settings
    from holdfast.config.cluster import Cluster
    from holdfast.config.sync import Sync
    from holdfast.meta.store import Store

ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="HOLDFAST_CONFIG",
        metavar="FILE",
        help="Configuration with extensions.sync, as serve or the sync workers have it.",
        show_default=str(DEFAULT_FILE),
    ),
]


@dataclass(frozen=True, slots=True)
class SyncAccess:
    """``connect`` makes a client of a worker's address; nothing is connected to yet."""

    sync: Sync
    store: Store
    connect: Callable[[str], GrpcSync]


@contextlib.contextmanager
def reached(path: Path | None) -> Iterator[SyncAccess]:
    """For the length of a command."""
    try:
        settings = configuration(path)
        sync = _mirrored(settings)
        store = metadata(settings)
        connect = _connector(settings.cluster)
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    try:
        yield SyncAccess(sync, store, connect)
    except HoldfastError as error:
        typer.echo(f"holdfast: {error.message}", err=True)
        raise typer.Exit(1) from error
    finally:
        store.close()


def _mirrored(settings: Settings) -> Sync:
    sync = settings.extensions.sync
    if sync is None or not sync.enable or not sync.registries:
        raise ConfigError(
            "this configuration mirrors nothing",
            [
                {
                    "path": "extensions.sync",
                    "message": "missing, switched off, or without registries",
                    "remedy": "name the configuration that the sync workers have, or configure upstreams",
                }
            ],
        )
    return sync


def _connector(cluster: Cluster | None) -> Callable[[str], GrpcSync]:
    if cluster is None or cluster.etcd is None:
        return GrpcSync
    files = configured_files(cluster)
    credentials = Credentials(files) if files else None
    return lambda address: GrpcSync(address, credentials, insecure=cluster.insecure)
