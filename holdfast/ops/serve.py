"""``holdfast serve``: the whole registry on one machine, every process real.

    <root>/lock        held while a server runs: a second one on the same directory refuses
    <root>/meta/       the metadata (SQLite)
    <root>/node/       the storage node's directory (see storagenode/disk/tree.py)
    <root>/run/        Unix sockets, mode 0700; where the path is too long for a socket, a link to a private temporary directory,
                       for as long as the server runs
    <root>/run/metrics what its processes have counted since it started
    <root>/run/config* what the node was started with, while the server runs

Each of ``storage.subPaths`` has a directory ``node`` of the same kind, below its own root, for what its repositories keep. Where a
``storageDriver`` is given, blobs are in the object store and uploads on their way in that directory.

Nothing in it names its own place, so the directory can be moved while no server runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from holdfast import config, logs
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.meta.installation import installation_id
from holdfast.meta.sqlite import SqliteStore
from holdfast.meters import emptied
from holdfast.ops.announcing import announce
from holdfast.ops.children import EXIT_CONFIG, Child, Supervisor
from holdfast.ops.starting import (
    hold_directory,
    make_directory,
    refuse_what_would_not_protect,
    report_refusal,
    require_certificates,
    reserve_port,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.config import Settings

log = logging.getLogger("holdfast.serve")

# struct sockaddr_un has 108 bytes, one of them the end.
_SOCKET_PATH_BYTES: Final = 100
_NODE_STOP_SECONDS: Final = 20.0
_WORKER_STOP_SECONDS: Final = 10.0


def serve(
    config_file: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="Configuration; without it 127.0.0.1:5000 and ./data.")
    ] = None,
) -> None:
    """Run the whole registry on this machine until SIGTERM."""
    try:
        code = run(config_file)
    except ConfigError as error:
        report_refusal(error)
        code = EXIT_CONFIG
    raise typer.Exit(code)


def run(path: Path | None) -> int:
    """Run until SIGTERM; the exit code.

    Raises:
        ConfigError: the configuration is refused, the directory is in use, or the port is.
    """
    settings = config.load(path) if path else config.defaults()
    _refuse_a_cluster(settings)
    refuse_what_would_not_protect(settings)
    require_certificates(settings)
    logs.configure(settings.log.level, settings.log.format, settings.log.output, "serve")
    _require_directories(settings)
    root = Path(settings.storage.root_directory).absolute()
    make_directory(root)
    with contextlib.ExitStack() as stack:
        stack.enter_context(hold_directory(root))
        port = reserve_port(settings.http.address or "0.0.0.0", settings.http.port, stack)  # noqa: S104 - as zot spells it
        run_dir = _run_dir(root, stack)
        metadata = root / "meta" / "holdfast.db"
        cluster_id = _cluster_id(metadata)
        kept = _kept(path, settings, run_dir, stack)
        children = _children(settings, path, kept, root, run_dir, metadata, cluster_id, port)
        supervisor = Supervisor(children, SystemClock(), lambda: _reload(path, settings, children))
        for feature in config.unavailable(settings):
            log.warning(
                "configured, but not available in this version", extra={"key": feature.path, "with": feature.arrives}
            )
        return supervisor.run(lambda: announce(settings.http, port))


def _refuse_a_cluster(settings: Settings) -> None:
    """A registry of one machine keeps its names in a file of its own: beside a cluster it would be another registry."""
    if settings.cluster is not None and settings.cluster.etcd is not None:
        raise ConfigError(
            "this configuration is a cluster's, and serve runs a registry of one machine",
            [
                {
                    "path": "cluster.etcd",
                    "message": "serve keeps names in a file below storage.rootDirectory, not in etcd",
                    "remedy": "run `holdfast storagenode CONFIG` on every disk and `holdfast gateway CONFIG` on every gateway,"
                    " or remove cluster",
                }
            ],
        )


def _require_directories(settings: Settings) -> None:
    """Also beside an object store."""
    faults = [
        {
            "path": f"storage.subPaths.{route}.rootDirectory" if route else "storage.rootDirectory",
            "message": "missing: names, and uploads on their way to the object store, are kept in a local directory",
            "remedy": 'write a directory, such as "/var/lib/holdfast"',
        }
        for route, store in settings.storage.stores.items()
        if not store.root_directory
    ]
    if faults:
        raise ConfigError("a directory is missing", faults)


def _run_dir(root: Path, stack: contextlib.ExitStack) -> Path:
    run_dir = root / "run"
    if run_dir.is_symlink():
        run_dir.unlink()  # of a server that was killed
    if len(os.fsencode(run_dir / "node.sock")) > _SOCKET_PATH_BYTES:
        elsewhere = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-")))
        if run_dir.exists():
            shutil.rmtree(run_dir)  # of a server that ran when the directory was at a shorter path
        run_dir.symlink_to(elsewhere)
        stack.callback(run_dir.unlink, missing_ok=True)
        return elsewhere
    run_dir.mkdir(mode=0o700, exist_ok=True)
    return run_dir


def _cluster_id(metadata: Path) -> str:
    """The identity of this registry, made once. A node that carries another one refuses to start."""
    make_directory(metadata.parent)
    store = SqliteStore(metadata, SystemClock())
    try:
        return installation_id(store, lambda: secrets.token_bytes(16))
    except MetadataUnavailableError as error:
        raise ConfigError(f"{metadata}: {error.message}") from error
    finally:
        store.close()


def _children(
    settings: Settings,
    path: Path | None,
    kept: Path | None,
    root: Path,
    run_dir: Path,
    metadata: Path,
    cluster_id: str,
    port: int,
) -> Sequence[Child]:
    target = f"unix:{run_dir / 'node.sock'}"
    storage = settings.storage
    node = [
        "-m", "storagenode",
        "--data-dir", str(root / "node"),
        "--listen", target,
        "--cluster-id", cluster_id,
        "--reserve-bytes", str(storage.free_space_reserve.bytes_of(shutil.disk_usage(root).total)),
        "--upload-expiry-seconds", str(storage.upload_expiry.seconds),
        "--log-level", settings.log.level,
        "--log-format", settings.log.format,
        "--log-output", settings.log.output,
        "--metadata", str(metadata),
    ]  # fmt: skip
    node += _collecting(settings)
    if kept is not None:
        node += ["--retention", str(kept)]
    if storage.metadata_backups.enable:
        node += [
            "--backup-interval-seconds", str(storage.metadata_backups.interval.seconds),
            "--backup-count", str(storage.metadata_backups.count),
        ]  # fmt: skip
    scrub, metrics = settings.extensions.scrubbing, ["--metrics", str(emptied(run_dir / "metrics"))]
    node += [
        "--scrub-interval-seconds", str(scrub.round_seconds),
        "--scrub-bytes-per-second", str(scrub.bandwidth),
        *metrics,
    ]  # fmt: skip
    if kept is not None and any(store.storage_driver is not None for store in storage.stores.values()):
        node += ["--objects", str(kept)]  # not on the command line, where everybody reads it
    node += [
        word for route, store in storage.sub_paths.items() for word in _room(settings, route, store.root_directory)
    ]
    gateway = ["-m", "gateway", "--node", target, "--metadata", str(metadata), "--port", str(port)]
    gateway += metrics
    if path is not None:
        gateway += ["--config", str(path.absolute())]
    children = [Child("storagenode", node, _NODE_STOP_SECONDS)]
    if path is not None and _fetches(settings):
        listen = f"unix:{run_dir / 'sync.sock'}"
        worker = ["--config", str(path.absolute()), "--node", target, "--metadata", str(metadata), "--listen", listen]
        children.append(Child("syncworker", ["-m", "syncworker", *worker, *metrics], _WORKER_STOP_SECONDS))
        gateway += ["--worker", listen]
    return [*children, Child("gateway", gateway, settings.http.drain_seconds + 5)]


def _kept(path: Path | None, settings: Settings, run_dir: Path, stack: contextlib.ExitStack) -> Path | None:
    """A copy of the configuration, for a node that is started again while somebody edits the file; it goes with the server.

    Raises ConfigError.
    """
    if path is None:
        return None
    copy = run_dir / f"config{path.suffix}"
    stack.callback(copy.unlink, missing_ok=True)
    try:
        copy.unlink(missing_ok=True)
        with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123 - with a mode
            file.write(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"the configuration cannot be copied to {run_dir}: {error.strerror}") from error
    if config.load(copy) != settings:
        raise ConfigError(f"{path} was changed just now; start again")
    return copy


def _collecting(settings: Settings) -> Sequence[str]:
    """What is collected, and when: each of ``storage.subPaths`` has its own switch and times."""
    storage = settings.storage
    words = [
        "--gc-delay-seconds", str(storage.gc_delay.seconds),
        "--gc-interval-seconds", str(storage.gc_interval.seconds),
        "--gc-window", storage.gc_time_window,
    ] if storage.gc else ["--keep-garbage"]  # fmt: skip
    for route, store in storage.sub_paths.items():
        if store.gc:
            times = (str(store.gc_delay.seconds), str(store.gc_interval.seconds))
            words += ["--room-gc", route, *times, store.gc_time_window]
    return words


def _room(settings: Settings, route: str, directory: str) -> Sequence[str]:
    root = Path(directory).absolute()
    make_directory(root)
    reserve_bytes = settings.storage.free_space_reserve.bytes_of(shutil.disk_usage(root).total)
    return ["--room", route, str(root / "node"), str(reserve_bytes)]


def _fetches(settings: Settings) -> bool:
    """Whether any upstream is asked for what clients miss, or copied from."""
    sync = settings.extensions.sync
    return sync is not None and sync.enable and any(one.on_demand or one.content for one in sync.registries)


def _refuse_other_retention(settings: Settings, started: Settings) -> None:
    """The node goes on by what it was started with, and gateways have to count pulls for that. Raises ConfigError."""
    faults = [
        {
            "path": f"storage.subPaths.{route}.retention" if route else "storage.retention",
            "message": "gc and retention change with a restart only",
            "remedy": "stop the registry and start it again",
        }
        for route, store in started.storage.stores.items()
        if (there := settings.storage.stores.get(route)) is None
        or (there.gc, there.retention, there.retention_delay) != (store.gc, store.retention, store.retention_delay)
    ]
    if faults:
        raise ConfigError("what is kept would change while the registry runs", faults)


def _reload(path: Path | None, started: Settings, children: Sequence[Child]) -> None:
    """What can change while running changes in the gateway; a refused configuration changes nothing."""
    try:
        settings = config.load(path) if path else config.defaults()
        _refuse_a_cluster(settings)
        refuse_what_would_not_protect(settings)
        require_certificates(settings)
        _refuse_other_retention(settings, started)
    except ConfigError as error:
        log.error("the new configuration is refused, the old one stays", extra={"faults": error.detail})  # noqa: TRY400 - the faults say all
        return
    log.info("reloading; address, port and directories keep until a restart")
    for child in children:
        if child.name == "gateway":
            child.send(signal.SIGHUP)
