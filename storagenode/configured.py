"""A storage node of a cluster, from its configuration."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import __version__
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError
from holdfast.meta.installation import installation_id
from holdfast.meta.versions import require_entry
from holdfast.replicas.access import connector, new_id, open_metadata
from holdfast.retention.policies import Policies
from holdfast.rpc.credentials import configured_files
from holdfast.rpc.host import host_id
from storagenode.backups import BackupOptions
from storagenode.cluster.side import ClusterOptions, ClusterSide
from storagenode.collecting.assembly import CollectOptions
from storagenode.objects.driver import open_bucket
from storagenode.options import NodeOptions
from storagenode.scrubbing.assembly import ScrubOptions

if TYPE_CHECKING:
    from holdfast.config import Settings
    from holdfast.config.storage import Store
    from storagenode.disk.identity import Identity
    from storagenode.disk.space import Space
    from storagenode.objects.bucket import Bucket
    from storagenode.server import Join
    from storagenode.store import BlobStore

_LOCK_WAIT_SECONDS = 15.0


def collect_options(settings: Settings) -> CollectOptions | None:
    """None: ``storage.gc`` is off. Raises ConfigError."""
    storage = settings.storage
    if not storage.gc:
        return None
    try:
        return CollectOptions(
            storage.gc_delay.seconds,
            storage.gc_interval.seconds,
            storage.gc_time_window,
            storage.upload_expiry.seconds,
            Policies.of(storage),
            Path(settings.log.audit) if settings.log.audit else None,
        )
    except ValueError as error:
        raise ConfigError(f"storage.gcInterval, gcDelay, gcTimeWindow: {error}") from error


def scrub_options(settings: Settings) -> ScrubOptions:
    scrub = settings.extensions.scrubbing
    return ScrubOptions(scrub.round_seconds, scrub.bandwidth, pays=settings.extensions.scrub is not None)


def backup_options(settings: Settings) -> BackupOptions | None:
    """None: ``storage.metadataBackups`` is off. Raises ConfigError."""
    wanted = settings.storage.metadata_backups
    if not wanted.enable:
        return None
    try:
        return BackupOptions(wanted.interval.seconds, wanted.count)
    except ValueError as error:
        raise ConfigError(f"storage.metadataBackups: {error}") from error


def configured_bucket(store: Store) -> Bucket | None:
    """None: the disk. Raises ConfigError."""
    return open_bucket(store.storage_driver) if store.storage_driver is not None else None


def configured(settings: Settings) -> tuple[NodeOptions, Join]:
    """What ``storagenode.server.run`` wants. Asks the metadata which cluster this is.

    Raises:
        ConfigError: no cluster is configured, or it takes no process of this version. MetadataUnavailableError.
    """
    cluster = settings.cluster
    if cluster is None:
        raise ConfigError("a storage node belongs to a cluster, and the configuration has no cluster.etcd")
    node = cluster.node
    directory = Path(node.data_directory(settings.storage.root_directory)).absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    metadata = open_metadata(cluster, SystemClock())
    try:
        require_entry(metadata, __version__)
        cluster_id = installation_id(metadata, new_id)
    finally:
        metadata.close()
    options = NodeOptions(
        data_dir=directory,
        listen=node.listen,
        cluster_id=cluster_id,
        reserve_bytes=settings.storage.free_space_reserve.bytes_of(shutil.disk_usage(directory).total),
        upload_expiry_seconds=settings.storage.upload_expiry.seconds,
        lock_wait_seconds=_LOCK_WAIT_SECONDS,
        tls=configured_files(cluster),
        insecure=cluster.insecure,
        collect=collect_options(settings),
        scrub=scrub_options(settings),
        backups=backup_options(settings),
        bucket=configured_bucket(settings.storage),
        metrics_listen=node.metrics or "",
    )
    part = ClusterOptions(
        advertise=node.advertised if node.advertise else "",
        zone=node.zone,
        weight=node.weight or 0,
        repair_bytes_per_second=node.repair_bandwidth or 0,
    )

    def join(identity: Identity, blobs: BlobStore, space: Space) -> ClusterSide:
        clock = SystemClock()
        here = host_id()
        return ClusterSide(
            identity,
            blobs,
            space,
            open_metadata(cluster, clock),
            connector(cluster, here, identity.node_id),
            here,
            clock,
            part,
        )

    return options, join
