"""``holdfast syncworker``: one sync worker of a cluster; any number of them, all alike."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated

import typer

from holdfast import config
from holdfast.errors import ConfigError
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.starting import (
    refuse_what_may_not_enter,
    refuse_what_would_not_protect,
    report_refusal,
    require_cluster,
)


def syncworker(
    config_file: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", help="Configuration with extensions.sync, cluster.etcd and cluster.worker."),
    ],
) -> None:
    """Run a sync worker of a cluster until SIGTERM. It keeps nothing; what one has begun another goes on with."""
    try:
        settings = config.load(config_file)
        refuse_what_would_not_protect(settings)
        require_cluster(settings)
        refuse_what_may_not_enter(settings)
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    os.execv(sys.executable, [sys.executable, "-m", "syncworker", "--config", str(config_file)])  # noqa: S606 - our own module, without a shell
