"""What a gateway process needs to know, in one frozen value, made of the settings at the entry point."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.access.options import AccessOptions
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.config import Settings
    from holdfast.config.cluster import Cluster
    from holdfast.config.sync import Sync


@dataclass(frozen=True, slots=True)
class Options:
    """``node_target`` and ``worker_target`` are gRPC targets, ``metadata_path`` the SQLite file; in a ``cluster`` all are empty.

    Lanes count per worker process.
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
    access: AccessOptions = AccessOptions()  # noqa: RUF009 - frozen

    @property
    def together(self) -> int:
        """Pulls and pushes together leave some threads to everybody else."""
        return max(1, self.threads - max(8, self.threads // 16))


def from_settings(
    settings: Settings, node_target: str, metadata_path: str, port: int | None = None, worker_target: str = ""
) -> Options:
    """``port`` overrides the configured one, where the supervisor has chosen it."""
    http = settings.http
    return Options(
        address=http.address or "0.0.0.0",  # noqa: S104 - zot's spelling of "all addresses"; the default is loopback
        port=http.port if port is None else port,
        workers=http.worker_count(os.cpu_count() or 1),
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
        access=AccessOptions.of(settings),
    )


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
