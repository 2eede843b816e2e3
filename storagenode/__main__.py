"""``python -m storagenode``: one storage node as a process of its own, for whoever supervises it."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast import config, logs
from holdfast.errors import ConfigError, MetadataUnavailableError, UnavailableError
from holdfast.parent import die_with_parent
from holdfast.retention.policies import Policies
from holdfast.rpc.credentials import TlsFiles
from storagenode.backups import BackupOptions
from storagenode.collecting.assembly import CollectOptions
from storagenode.configured import configured, configured_bucket
from storagenode.options import NodeOptions, RoomOptions
from storagenode.scrubbing.assembly import DEFAULT_BYTES_PER_SECOND, ScrubOptions
from storagenode.server import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.config import Settings
    from storagenode.objects.bucket import Bucket
    from storagenode.server import Join

log = logging.getLogger("holdfast.node")

# sysexits.h EX_CONFIG: starting it again cannot help.
_EXIT_CONFIG: Final = 78
_LOCK_WAIT_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop. 0: stopped in order; 78: the options or the directory are refused; 1: try again."""
    parsed = _parser().parse_args(arguments)
    if parsed.config is not None:
        return _in_cluster(parsed)
    if parsed.data_dir is None or parsed.listen is None:
        sys.stderr.write("storagenode: --config, or --data-dir and --listen, must be given\n")
        return _EXIT_CONFIG
    logs.configure(parsed.log_level, parsed.log_format, parsed.log_output, "storagenode")
    if parsed.parent_pipe is not None:
        # Nobody is left to wait for a drain, and the next supervisor wants the directory.
        die_with_parent(parsed.parent_pipe, signal.SIGQUIT)
    try:
        run(_options(parsed))
    except ConfigError as error:
        sys.stderr.write(f"storagenode: {error}\n")
        return _EXIT_CONFIG
    except UnavailableError as error:
        log.critical("the node could not start; start it again", extra={"reason": error.message})
        return 1
    return 0


def _options(parsed: argparse.Namespace) -> NodeOptions:
    """Raises ConfigError."""
    stores = config.load(parsed.objects).storage.stores if parsed.objects is not None else {}

    def bucket(route: str) -> Bucket | None:
        if not stores:
            return None
        if route not in stores:
            raise ConfigError(
                f"{parsed.objects} has no storage.subPaths {route!r} any more; restart the whole registry"
            )
        return configured_bucket(stores[route])

    return NodeOptions(
        data_dir=parsed.data_dir,
        listen=parsed.listen,
        cluster_id=parsed.cluster_id,
        reserve_bytes=parsed.reserve_bytes,
        upload_expiry_seconds=parsed.upload_expiry_seconds,
        lock_wait_seconds=_LOCK_WAIT_SECONDS,
        tls=_tls(parsed),
        insecure=parsed.insecure,
        collect=_collect(parsed),
        metadata=parsed.metadata,
        scrub=_scrub(parsed),
        backups=_kept(parsed),
        metrics=parsed.metrics,
        rooms=_rooms(parsed, bucket),
        bucket=bucket(""),
    )


def _rooms(parsed: argparse.Namespace, bucket: Callable[[str], Bucket | None]) -> tuple[RoomOptions, ...]:
    rhythms = {
        route: _collect_options(parsed, _seconds(delay), _seconds(interval), window)
        for route, delay, interval, window in parsed.room_gc
    }
    if stray := rhythms.keys() - {route for route, _, _ in parsed.room}:
        raise ConfigError(f"--room-gc is for a --room, and there is none for {', '.join(sorted(stray))}")
    return tuple(
        RoomOptions(route, Path(at), _bytes(reserve), rhythms.get(route) if parsed.metadata else None, bucket(route))
        for route, at, reserve in parsed.room
    )


def _in_cluster(parsed: argparse.Namespace) -> int:
    given = {key: getattr(parsed, key) for key in ("listen", "advertise", "zone") if getattr(parsed, key)}
    try:
        settings = config.load(parsed.config, {"cluster": {"node": given}} if given else None)
        logs.configure(settings.log.level, settings.log.format, settings.log.output, "storagenode")
        options, join = _when_etcd_answers(settings)
        run(options, join=join)
    except ConfigError as error:
        sys.stderr.write(f"storagenode: {error}\n")
        return _EXIT_CONFIG
    except UnavailableError as error:
        log.critical("the node could not start; start it again", extra={"reason": error.message})
        return 1
    return 0


def _when_etcd_answers(settings: Settings) -> tuple[NodeOptions, Join]:
    """After a power cut everything starts at once, and etcd may come last."""
    while True:
        try:
            return configured(settings)
        except MetadataUnavailableError as error:
            log.warning("waiting for etcd", extra={"reason": error.message})
            time.sleep(_RETRY_SECONDS)


def _collect(parsed: argparse.Namespace) -> CollectOptions | None:
    if parsed.metadata is None or parsed.keep_garbage:
        return None
    return _collect_options(parsed, parsed.gc_delay_seconds, parsed.gc_interval_seconds, parsed.gc_window)


def _collect_options(
    parsed: argparse.Namespace, delay_seconds: float, interval_seconds: float, window: str
) -> CollectOptions:
    policies, audit = _policies(parsed)
    try:
        return CollectOptions(delay_seconds, interval_seconds, window, parsed.upload_expiry_seconds, policies, audit)
    except ValueError as error:
        raise ConfigError(f"the collector cannot be run so: {error}") from error


def _policies(parsed: argparse.Namespace) -> tuple[Policies, Path | None]:
    """With where to write down what they let go."""
    if parsed.retention is None:
        return Policies.none(parsed.gc_delay_seconds), None
    settings = config.load(parsed.retention)
    return Policies.of(settings.storage), Path(settings.log.audit) if settings.log.audit else None


def _scrub(parsed: argparse.Namespace) -> ScrubOptions:
    pays = parsed.objects is not None and config.load(parsed.objects).extensions.scrub is not None
    try:
        return ScrubOptions(parsed.scrub_interval_seconds, parsed.scrub_bytes_per_second, pays=pays)
    except ValueError as error:
        raise ConfigError(f"copies cannot be read again so: {error}") from error


def _kept(parsed: argparse.Namespace) -> BackupOptions | None:
    if parsed.metadata is None or not parsed.backup_count:
        return None
    try:
        return BackupOptions(parsed.backup_interval_seconds, parsed.backup_count)
    except ValueError as error:
        raise ConfigError(f"backups cannot be made so: {error}") from error


def _bytes(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no number of bytes") from error


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no number of seconds") from error


def _tls(parsed: argparse.Namespace) -> TlsFiles | None:
    given = [parsed.ca_file, parsed.cert_file, parsed.key_file]
    if not any(given):
        return None
    if not all(given):
        raise ConfigError("--ca-file, --cert-file and --key-file go together")
    return TlsFiles(*given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="storagenode", description="One storage node on one data directory.")
    parser.add_argument(
        "--config",
        type=Path,
        help="a node of a cluster; beside it only --listen, --advertise, --zone",
    )
    parser.add_argument("--data-dir", type=Path, help="belongs to this node alone")
    parser.add_argument("--listen", help="unix:/path/node.sock or host:port")
    parser.add_argument("--advertise", help="host:port for the others, in place of cluster.node.advertise")
    parser.add_argument("--zone", help="in place of cluster.node.zone")
    parser.add_argument("--cluster-id", default="local")
    parser.add_argument("--reserve-bytes", type=int, default=256 << 20, help="free space that is never used")
    parser.add_argument(
        "--room",
        nargs=3,
        action="append",
        default=[],
        metavar=("ROUTE", "DIRECTORY", "RESERVE_BYTES"),
        help="a further disk, for what belongs to repositories below a route such as /infra",
    )
    parser.add_argument(
        "--objects", type=Path, help="the configuration whose storageDrivers say which blobs go to an object store"
    )
    parser.add_argument("--upload-expiry-seconds", type=float, default=24 * 3600.0)
    parser.add_argument("--metadata", type=Path, help="the registry's SQLite file, which says what is linked")
    parser.add_argument("--keep-garbage", action="store_true", help="on the main disk, whatever the others do")
    parser.add_argument(
        "--room-gc",
        nargs=4,
        action="append",
        default=[],
        metavar=("ROUTE", "DELAY_SECONDS", "INTERVAL_SECONDS", "WINDOW"),
        help="collect what nobody links on a further disk as well",
    )
    parser.add_argument("--gc-delay-seconds", type=float, default=3600.0)
    parser.add_argument("--gc-interval-seconds", type=float, default=3600.0)
    parser.add_argument("--gc-window", default="", metavar="HH:MM-HH:MM", help="of the day, in UTC")
    parser.add_argument(
        "--retention", type=Path, metavar="CONFIG", help="the registry's configuration, for what it keeps"
    )
    parser.add_argument(
        "--scrub-interval-seconds", type=float, default=0.0, help="between readings of all copies; 0: when asked only"
    )
    parser.add_argument("--scrub-bytes-per-second", type=int, default=DEFAULT_BYTES_PER_SECOND, help="0: no bound")
    parser.add_argument("--backup-interval-seconds", type=float, default=24 * 3600.0)
    parser.add_argument("--backup-count", type=int, default=0, help="of the metadata; 0: none are made")
    parser.add_argument("--metrics", type=Path, help="directory in which processes of this host put what they count")
    parser.add_argument("--ca-file", type=Path, help="the cluster's authority, for TLS on a TCP address")
    parser.add_argument("--cert-file", type=Path, help="this node's certificate")
    parser.add_argument("--key-file", type=Path, help="its key")
    parser.add_argument("--insecure", action="store_true", help="plaintext beyond loopback, on a trusted network")
    parser.add_argument("--parent-pipe", type=int, help="a descriptor; the node stops when its other end is closed")
    parser.add_argument("--log-level", choices=sorted(logs.LEVELS), default="info")
    parser.add_argument("--log-format", choices=["json", "text"], default="json")
    parser.add_argument("--log-output", default="", help="a file to append to; else standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
