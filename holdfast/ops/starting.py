"""What every command does before it serves: refuses what it could not keep, tells a person why, takes its port and directory."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Final

import typer

from holdfast import config
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    import contextlib
    from pathlib import Path

    from holdfast.config import Settings

# A gateway whose supervisor was killed needs a moment to go and free the port.
_PORT_WAIT_SECONDS: Final = 5.0


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


def require_cluster(settings: Settings) -> None:
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
