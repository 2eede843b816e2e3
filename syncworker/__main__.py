"""``python -m syncworker``: one sync worker as a process of its own, for whoever supervises it."""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast import config, logs
from holdfast.errors import ConfigError
from holdfast.parent import die_with_parent
from syncworker.options import in_cluster, on_one_machine
from syncworker.server import run

if TYPE_CHECKING:
    from holdfast.config import Settings
    from syncworker.options import Options

# sysexits.h EX_CONFIG: starting it again cannot help.
_EXIT_CONFIG: Final = 78


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop. 0: stopped in order; 78: the configuration is refused."""
    parsed = _parser().parse_args(arguments)
    if parsed.parent_pipe is not None:
        die_with_parent(parsed.parent_pipe, signal.SIGTERM)
    try:
        settings = config.load(parsed.config)
        logs.configure(settings.log.level, settings.log.format, settings.log.output, "syncworker")
        run(_options(settings, parsed))
    except ConfigError as error:
        sys.stderr.write(f"syncworker: {error}\n")
        return _EXIT_CONFIG
    return 0


def _options(settings: Settings, parsed: argparse.Namespace) -> Options:
    if parsed.node:
        found = on_one_machine(settings, parsed.listen, parsed.node, parsed.metadata)
        return replace(found, metrics_directory=parsed.metrics)
    return in_cluster(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="syncworker", description="One sync worker.")
    parser.add_argument("--config", type=Path, required=True, help="configuration with extensions.sync")
    parser.add_argument("--node", help="gRPC target of the only storage node; without it the configuration's cluster")
    parser.add_argument("--metadata", default="", help="the SQLite file that holds the metadata; with --node")
    parser.add_argument("--listen", default="", help="unix:/path/sync.sock; with --node")
    parser.add_argument("--metrics", type=Path, help="where this host's processes put what they count; with --node")
    parser.add_argument("--parent-pipe", type=int, help="a descriptor; the worker stops when its other end is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
