"""What a sync worker needs to know, in one frozen value, made of the settings at the entry point."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError
from holdfast.rpc.credentials import configured_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from holdfast.config import Settings
    from holdfast.config.cluster import Cluster
    from holdfast.config.sync import Sync
    from holdfast.rpc.credentials import TlsFiles


@dataclass(frozen=True, slots=True)
class Options:
    """``listen`` is ``unix:/path`` or ``host:port``; ``advertise`` is where gateways find it.

    ``node_target`` is a gRPC target, ``metadata_path`` the SQLite file; in a ``cluster`` both are empty.
    ``most_repositories``: by route. ``metrics_directory``: where this host's processes put what they count; None: nowhere.
    ``metrics_listen``: host:port where this worker's own are read.
    """

    sync: Sync
    listen: str
    advertise: str
    node_target: str = ""
    metadata_path: str = ""
    cluster: Cluster | None = None
    tls: TlsFiles | None = None
    most_repositories: Mapping[str, int] = field(default_factory=dict)
    metrics_directory: Path | None = None
    metrics_listen: str = ""


def on_one_machine(settings: Settings, listen: str, node_target: str, metadata_path: str) -> Options:
    """Raises ConfigError: nothing is mirrored."""
    return Options(
        _mirrored(settings),
        listen,
        listen,
        node_target=node_target,
        metadata_path=metadata_path,
        most_repositories=settings.storage.most_repositories,
    )


def in_cluster(settings: Settings) -> Options:
    """A worker of a cluster.

    Raises:
        ConfigError: no cluster is configured, or nothing is mirrored.
    """
    cluster = settings.cluster
    if cluster is None or cluster.etcd is None:
        raise ConfigError(
            "a sync worker belongs to a cluster, and the configuration has no cluster.etcd; `holdfast serve` runs its own"
        )
    worker = cluster.worker
    return Options(
        _mirrored(settings),
        worker.listen,
        worker.advertised,
        cluster=cluster,
        tls=configured_files(cluster),
        metrics_listen=worker.metrics or "",
        most_repositories=settings.storage.most_repositories,
    )


def _mirrored(settings: Settings) -> Sync:
    sync = settings.extensions.sync
    if sync is None or not sync.enable:
        raise ConfigError("a sync worker mirrors other registries, and extensions.sync names none")
    return sync
