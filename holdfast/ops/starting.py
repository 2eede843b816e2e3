"""What every command does before it serves: refuses what it could not keep, tells a person why, takes its port and directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from typing import TYPE_CHECKING, Final

import typer

from holdfast import __version__, config
from holdfast.certs.serving import server_context
from holdfast.clock import SystemClock
from holdfast.config.tlsfiles import server_files
from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.meta.versions import require_entry
from holdfast.replicas.access import open_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from holdfast.config import Settings
    from holdfast.config.cluster import Cluster

# A gateway whose supervisor was killed needs a moment to go and free the port.
_PORT_WAIT_SECONDS: Final = 5.0
# Nothing listens, and no probe is answered, before this question is over; it is asked again later.
_ETCD_PATIENCE_SECONDS: Final = 2.0


def report_refusal(error: ConfigError) -> None:
    """Tell a person why nothing was started: the sentence, then each fault with its path and remedy."""
    typer.echo(f"holdfast: {error.message}", err=True)
    for fault in error.detail if isinstance(error.detail, list) else ():
        typer.echo(f"  {fault['path']}: {fault['message']}; {fault['remedy']}", err=True)


def refuse_what_would_not_protect(settings: Settings) -> None:
    """Raises ConfigError: a configured protection is not there in this version."""
    missing = [feature for feature in config.unavailable(settings) if feature.refuses]
    if missing:
        raise ConfigError(
            "the configuration asks for what this version does not have, and starting without it is not what you asked for",
            [
                {
                    "path": f.path,
                    "message": str(f),
                    "remedy": f"take it out, or wait for it: ignoring it {f.effect.value}",
                }
                for f in missing
            ],
        )


def require_certificates(settings: Settings) -> None:
    """Raises ConfigError: the files of ``http.tls`` cannot be read, or do not fit together."""
    if settings.http.tls is not None:
        server_context(server_files(settings.http.tls))


def require_cluster(settings: Settings) -> Cluster:
    """Raises ConfigError: no cluster is configured."""
    if settings.cluster is None or settings.cluster.etcd is None:
        raise ConfigError(
            "this command is for a cluster",
            [
                {
                    "path": "cluster.etcd",
                    "message": "missing",
                    "remedy": "say where etcd is; a registry of one machine runs by `holdfast serve`",
                }
            ],
        )
    return settings.cluster


def make_directory(path: Path) -> None:
    """Make it and what is missing above it, durably: a power cut takes everything below a name that was not fsynced."""
    is_new = not path.exists()
    if is_new and not path.parent.exists():
        make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    try:
        holder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        if is_new:
            raise
        return  # somebody else has made the directory for us, in a place that we may not read
    try:
        os.fsync(holder)
    finally:
        os.close(holder)


def reserve_port(address: str, port: int, stack: contextlib.ExitStack, *, inheritable: bool = False) -> int:
    """The port to listen on, kept from others until the end.

    The gateway's workers each listen with SO_REUSEPORT, which would share the port with any other server of this user that does
    the same. So it is first taken without, which fails while anybody listens; then held, bound and silent.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    deadline = time.monotonic() + _PORT_WAIT_SECONDS
    while True:
        probe = socket.socket(family, socket.SOCK_STREAM)
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            probe.listen(1)
            port = probe.getsockname()[1]
        except OSError as error:
            if time.monotonic() >= deadline:
                raise ConfigError(
                    f"cannot listen on {address}:{port}: {error.strerror}; choose another http.port"
                ) from error
            time.sleep(0.1)
        else:
            break
        finally:
            probe.close()
    held = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((address, port))
    held.set_inheritable(inheritable)
    return port


@contextlib.contextmanager
def hold_directory(root: Path) -> Iterator[None]:
    """Keep servers of one machine, and others that want it for themselves, away from a directory. Raises ConfigError."""
    with (root / "lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            raise ConfigError(
                f"another server (process {owner}) uses {root}; stop it, or choose another storage.rootDirectory"
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def refuse_what_may_not_enter(settings: Settings) -> None:
    """Before a process of a cluster becomes what it is: does the cluster take this version?

    An etcd that does not answer refuses nobody: the process waits for it and asks again.

    Raises:
        ConfigError: this version is too old, or the metadata is being copied.
    """
    if settings.cluster is None:
        return
    metadata = open_metadata(settings.cluster, SystemClock(), patience_seconds=_ETCD_PATIENCE_SECONDS)
    with contextlib.closing(metadata), contextlib.suppress(MetadataUnavailableError):
        require_entry(metadata, __version__)
