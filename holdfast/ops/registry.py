"""Which registry a command is about, and its metadata: on one machine and in a cluster alike.

Never: makes a metadata file where there is none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import config
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError
from holdfast.meta.sqlite import SqliteStore
from holdfast.ops.reach import DEFAULT_FILE
from holdfast.replicas.access import open_metadata

if TYPE_CHECKING:
    from holdfast.config import Settings
    from holdfast.meta.etcd import EtcdStore


def configuration(path: Path | None) -> Settings:
    """Raises ConfigError: it is refused, or none is named and none is at the usual place."""
    if path is None and not DEFAULT_FILE.exists():
        raise ConfigError(
            f"which registry? name its configuration by --config FILE, by HOLDFAST_CONFIG, or as {DEFAULT_FILE}"
        )
    return config.load(path or DEFAULT_FILE)


def database(settings: Settings) -> Path:
    """Where a registry of one machine has its names, whether it is there or not."""
    return Path(settings.storage.root_directory).absolute() / "meta" / "holdfast.db"


def metadata(settings: Settings) -> SqliteStore | EtcdStore:
    """The caller closes it. Raises ConfigError: there is no registry yet, or it is somebody else's."""
    if settings.cluster is not None and settings.cluster.etcd is not None:
        return open_metadata(settings.cluster, SystemClock())
    path = database(settings)
    if not path.exists():
        raise ConfigError(
            f"there is no registry in {path.parent.parent} yet: start it with this configuration by `holdfast serve`"
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigError(f"{path} is not ours to write: run this as whoever runs the registry")
    return SqliteStore(path, SystemClock())
