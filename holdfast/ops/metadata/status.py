"""``holdfast metadata status``: etcd's members, leader, sizes against the quota, alarms. Exit 1 if something is wrong with it."""

from __future__ import annotations

import typer

from holdfast.ops import console
from holdfast.ops.reach import AsJson, ConfigFile, reached
from holdfast.ops.status.health import findings
from holdfast.ops.status.metadata import etcd_json, etcd_table


def status(config: ConfigFile = None, json_output: AsJson = False) -> None:
    """Show the members of etcd, and how full they are."""
    with reached(config) as cluster:
        etcd = cluster.metadata.status()
    found = findings(etcd, None)
    if json_output:
        console.show_json(etcd_json(etcd))
    else:
        console.show(etcd_table(etcd), *(str(finding) for finding in found))
    raise typer.Exit(1 if found else 0)
