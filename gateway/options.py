"""What a gateway process needs to know, in one frozen value, made of the settings at the entry point."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.access.options import AccessOptions
from gateway.limits import Limits
from holdfast.certs.serving import ServerFiles, server_context
from holdfast.config.tlsfiles import server_files
from holdfast.errors import ConfigError
from holdfast.retention.policies import Policies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from holdfast.config import Settings
    from holdfast.config.cluster import Cluster
    from holdfast.config.http import Tls
    from holdfast.config.sync import Sync


@dataclass(frozen=True, slots=True)
class Options:
    """``node_target`` and ``worker_target`` are gRPC targets, ``metadata_path`` the SQLite file; in a ``cluster`` all are empty.

    Lanes count per worker process. ``quotas``: bytes by glob; ``most_repositories``: by route. ``retention`` None: garbage stays.
    ``metrics_path``: "" for no metrics; ``metrics_directory``: where the processes of this host put theirs.
    """

    address: str
    port: int
    workers: int
    threads: int
    max_transfers: int
    idle_seconds: float
    drain_seconds: float
    sparse: bool
    log_level: str
    log_format: str
    log_output: str
    node_target: str = ""
    metadata_path: str = ""
    worker_target: str = ""
    sync: Sync | None = None
    cluster: Cluster | None = None
    gc_delay_seconds: float = 3600.0
    gc_delays_of_routes: Mapping[str, float] = field(default_factory=dict)
    access: AccessOptions = AccessOptions()  # noqa: RUF009 - frozen
    tls: ServerFiles | None = None
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    quotas: Mapping[str, int] = field(default_factory=dict)
    most_repositories: Mapping[str, int] = field(default_factory=dict)
    retention: Policies | None = None
    metrics_path: str = ""
    metrics_directory: Path | None = None

    @property
    def together(self) -> int:
        """Pulls and pushes together leave some threads to everybody else."""
        return max(1, self.threads - max(8, self.threads // 16))


def from_settings(
    settings: Settings, node_target: str, metadata_path: str, port: int | None = None, worker_target: str = ""
) -> Options:
    """``port`` overrides the configured one, where the supervisor has chosen it."""
    http, metrics = settings.http, settings.extensions.metrics
    workers = http.worker_count(os.cpu_count() or 1)
    return Options(
        address=http.address or "0.0.0.0",  # noqa: S104 - zot's spelling of "all addresses"; the default is loopback
        port=http.port if port is None else port,
        workers=workers,
        threads=http.threads,
        max_transfers=http.transfer_limit,
        idle_seconds=http.progress_timeout_seconds,
        drain_seconds=http.drain_seconds,
        sparse=http.sparse_manifests,
        log_level=settings.log.level,
        log_format=settings.log.format,
        log_output=settings.log.output,
        node_target=node_target,
        metadata_path=metadata_path,
        worker_target=worker_target,
        sync=settings.extensions.sync,
        gc_delay_seconds=settings.storage.gc_delay.seconds,
        gc_delays_of_routes={route: store.gc_delay.seconds for route, store in settings.storage.sub_paths.items()},
        access=AccessOptions.of(settings),
        tls=_tls(http.tls),
        limits=Limits.of(http, workers),
        quotas=settings.storage.quotas,
        most_repositories=settings.storage.most_repositories,
        retention=Policies.of(settings.storage) if any(one.gc for one in settings.storage.stores.values()) else None,
        metrics_path=metrics.prometheus.path if metrics is not None and metrics.enable else "",
    )


def _tls(tls: Tls | None) -> ServerFiles | None:
    """Raises ConfigError: the files cannot be used."""
    if tls is None:
        return None
    files = server_files(tls)
    server_context(files)
    return files


def in_cluster(settings: Settings, port: int | None = None) -> Options:
    """A gateway of a cluster.

    Raises:
        ConfigError: no cluster is configured.
    """
    if settings.cluster is None or settings.cluster.etcd is None:
        raise ConfigError(
            "a gateway belongs to a cluster, and the configuration has no cluster.etcd; `holdfast serve` runs on one machine"
        )
    return replace(from_settings(settings, "", "", port), cluster=settings.cluster)
