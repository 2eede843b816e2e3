"""Which registry a command is about, and its metadata: on one machine and in a cluster alike.

Never: makes a metadata file where there is none.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from holdfast import config
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, HoldfastError
from holdfast.meta.sqlite import SqliteStore
from holdfast.ops import console
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.reach import DEFAULT_FILE
from holdfast.ops.starting import report_refusal
from holdfast.replicas.access import open_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config import Settings
    from holdfast.meta.etcd import EtcdStore


def is_cluster(settings: Settings) -> bool:
    return settings.cluster is not None and settings.cluster.etcd is not None


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[tuple[Settings, SqliteStore | EtcdStore]]:
    """For the length of a command; what is refused ends it and is told. Without a file: what ``holdfast serve`` does without."""
    try:
        settings = chosen(path)
        store = metadata(settings)
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    try:
        yield settings, store
    except HoldfastError as error:
        raise console.refuse([error.message]) from error
    finally:
        store.close()


def chosen(path: Path | None) -> Settings:
    """The one that is named, or what ``holdfast serve`` does where none is. Raises ConfigError: it is refused."""
    return configuration(path) if path is not None or DEFAULT_FILE.exists() else config.defaults()


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
