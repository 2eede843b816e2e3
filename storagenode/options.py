"""What a storage node is told at start. Defaults fit one machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError
from holdfast.rpc.channel import require_protection

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.rpc.credentials import TlsFiles
    from storagenode.backups import BackupOptions
    from storagenode.collecting.assembly import CollectOptions
    from storagenode.objects.bucket import Bucket
    from storagenode.scrubbing.assembly import ScrubOptions


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """A further disk: its directory takes what belongs to repositories below ``route``, such as ``/infra``. With a ``bucket`` the
    blobs go there, and only uploads are in the directory. ``collect`` None: garbage stays on it, and so do its repositories' links.
    """

    route: str
    directory: Path
    reserve_bytes: int
    collect: CollectOptions | None = None
    bucket: Bucket | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if not self.route.startswith("/") or not self.route.strip("/"):
            raise ConfigError(
                f"{self.route!r} is no route: it begins with a slash and names the first part of repositories"
            )
        if self.reserve_bytes < 0:
            raise ConfigError("reserve_bytes cannot be negative")


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Everything that differs between nodes.

    ``listen`` is ``unix:/path/node.sock`` or ``host:port``. Threads are the bounds of the lanes: a stream holds one for as long as
    it lasts, so ``read_threads`` is how many readers and followers there may be. They start when they are needed.
    ``lock_wait_seconds``: how long a former process may take to let go of the directory. ``tls``: this node's certificate, which
    every TCP address needs that is not loopback, unless ``insecure``; a Unix socket never uses it. ``rooms``: further disks.
    ``collect`` None: garbage stays on the main disk. ``metadata``: the SQLite file, for a node that is all of a registry; a
    cluster's node has its own. ``bucket``: an object store, in place of the disk. ``scrub`` None: copies are not read again.
    ``backups`` None: it makes none of the metadata. ``metrics``: the directory in which processes of this host put what they count;
    ``metrics_listen``: host:port where this node's own are read.
    """

    data_dir: Path
    listen: str
    cluster_id: str = "local"
    reserve_bytes: int = 256 << 20
    upload_expiry_seconds: float = 24 * 3600.0
    trash_seconds: float = 24 * 3600.0
    control_threads: int = 64
    write_threads: int = 128
    copy_threads: int = 128
    read_threads: int = 320
    finish_threads: int = 8
    max_uploads: int = 10_000
    lock_wait_seconds: float = 0.0
    tls: TlsFiles | None = None
    insecure: bool = False
    rooms: tuple[RoomOptions, ...] = ()
    collect: CollectOptions | None = None
    metadata: Path | None = None
    bucket: Bucket | None = None
    scrub: ScrubOptions | None = None
    backups: BackupOptions | None = None
    metrics: Path | None = None
    metrics_listen: str = ""

    @property
    def collects(self) -> bool:
        """Whether any disk is collected."""
        return self.collect is not None or any(room.collect is not None for room in self.rooms)

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        require_protection(self.listen, self.tls is not None, insecure=self.insecure)
        if self.reserve_bytes < 0:
            raise ConfigError("reserve_bytes cannot be negative")
        if min(self.upload_expiry_seconds, self.trash_seconds) <= 0:
            raise ConfigError("upload_expiry_seconds and trash_seconds must be more than 0")
        pools = (self.control_threads, self.write_threads, self.copy_threads, self.read_threads, self.finish_threads)
        if min(*pools, self.max_uploads) < 1:
            raise ConfigError("every pool of the storage node needs at least one thread, and max_uploads at least 1")
