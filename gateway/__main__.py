"""``python -m gateway``: the HTTP edge as a process of its own, started by ``holdfast serve`` and ``holdfast gateway``."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.memory import return_large_blocks
from gateway.options import Options, from_settings, in_cluster
from gateway.server import Server
from holdfast import config
from holdfast.errors import ConfigError
from holdfast.parent import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# sysexits.h EX_CONFIG: whoever supervises must not start us again, for it would end the same way.
EXIT_CONFIG = 78


def main() -> int:
    """Run until told to stop; the exit code."""
    parser = argparse.ArgumentParser(prog="holdfast gateway", description=__doc__)
    parser.add_argument("--config", type=Path, help="configuration file; without it the defaults hold")
    parser.add_argument("--node", help="gRPC target of the only storage node; without it the configuration's cluster")
    parser.add_argument("--metadata", default="", help="the SQLite file that holds the metadata")
    parser.add_argument("--worker", default="", help="gRPC target of the only sync worker; with --node")
    parser.add_argument("--port", type=int, help="listen here instead of on the configured port")
    parser.add_argument(
        "--metrics", type=Path, help="where this host's processes put what they count; else one of its own"
    )
    parser.add_argument("--parent-pipe", type=int, help="end when this descriptor does")
    args = parser.parse_args()

    def read() -> Options:
        settings = config.load(args.config) if args.config else config.defaults()
        return (
            from_settings(settings, args.node, args.metadata, args.port, args.worker)
            if args.node
            else in_cluster(settings, args.port)
        )

    try:
        with _counting(args.metrics) as directory:
            serve(lambda: replace(read(), metrics_directory=directory), args.parent_pipe)
    except ConfigError as error:
        sys.stderr.write(f"{error.message}\n")
        return EXIT_CONFIG
    return 0


@contextlib.contextmanager
def _counting(directory: Path | None) -> Iterator[Path]:
    """The directory given, or one that is gone when this process ends; workers leave it where it is."""
    if directory is not None:
        yield directory
        return
    own, process_id = Path(tempfile.mkdtemp(prefix="holdfast-metrics-")), os.getpid()
    try:
        yield own
    finally:
        if os.getpid() == process_id:
            shutil.rmtree(own, ignore_errors=True)


def serve(read: Callable[[], Options], parent_pipe: int | None = None) -> None:
    """Run until told to stop. Raises ConfigError: the options are refused."""
    server = Server(read)
    return_large_blocks()
    if parent_pipe is not None:
        die_with_parent(parent_pipe, signal.SIGTERM)
    server.run()


if __name__ == "__main__":
    sys.exit(main())
