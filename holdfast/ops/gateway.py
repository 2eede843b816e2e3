"""``holdfast gateway``: the HTTP edge of a cluster; any number of them, all alike."""

from __future__ import annotations

import contextlib
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
    require_certificates,
    require_cluster,
    reserve_port,
)


def gateway(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration with http and cluster.etcd.")],
) -> None:
    """Run a gateway of a cluster until SIGTERM. It keeps nothing: start as many as are needed, behind a load balancer."""
    # Never closed: the port stays ours until the process that this one becomes has ended.
    held = contextlib.ExitStack()
    try:
        settings = config.load(config_file)
        refuse_what_would_not_protect(settings)
        require_certificates(settings)
        require_cluster(settings)
        address = settings.http.address or "0.0.0.0"  # noqa: S104 - as zot spells it
        refuse_what_may_not_enter(settings)
        port = reserve_port(address, settings.http.port, held, inheritable=True)
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    command = [sys.executable, "-m", "gateway", "--config", str(config_file), "--port", str(port)]
    os.execv(sys.executable, command)  # noqa: S606 - our own module, without a shell
