"""``holdfast storagenode``: one storage node of a cluster, on one disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated

import typer

from holdfast import config
from holdfast.errors import ConfigError
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.starting import refuse_what_would_not_protect, report_refusal, require_cluster


def storagenode(
    config_file: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="Configuration with cluster.etcd and cluster.node.")
    ],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="In place of cluster.node.listen.")] = "",
    advertise: Annotated[str, typer.Option(metavar="HOST:PORT", help="In place of cluster.node.advertise.")] = "",
    zone: Annotated[str, typer.Option(help="In place of cluster.node.zone.")] = "",
) -> None:
    """Run one storage node of a cluster until SIGTERM.

    The data directory belongs to it alone and keeps its id: started again on it, it is the same node. A new one holds nothing
    until a layout names it: see `holdfast layout plan`. By the options one file does for all nodes.
    """
    named = {"listen": listen, "advertise": advertise, "zone": zone}
    given = {key: value for key, value in named.items() if value}
    try:
        settings = config.load(config_file, {"cluster": {"node": given}} if given else None)
        refuse_what_would_not_protect(settings)
        cluster = require_cluster(settings)
        cluster.node.data_directory(settings.storage.root_directory)
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    command = [
        sys.executable,
        "-m",
        "storagenode",
        "--config",
        str(config_file),
        *(f"--{key}={value}" for key, value in given.items()),
    ]
    os.execv(sys.executable, command)  # noqa: S606 - our own module, without a shell
