"""``holdfast metadata defragment``: each member of etcd gives its free space back, one after the other, the leader last.

Promises: a member answers nobody while it is at it, so the next one begins only after the one before, and nothing begins while
another member is down. When all are done, an alarm about space is lifted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.ops import console
from holdfast.ops.console import bytes_text
from holdfast.ops.reach import AsJson, ConfigFile, reached
from holdfast.ops.status.metadata import etcd_json, etcd_table

if TYPE_CHECKING:
    from holdfast.meta.etcd.operate import EtcdStatus, MemberStatus


def defragment(
    config: ConfigFile = None,
    force: Annotated[bool, typer.Option("--force", help="Although a member does not answer.")] = False,
    json_output: AsJson = False,
) -> None:
    """Give etcd's free space back to the file systems, one member after the other. Run `metadata compact` before."""
    with reached(config) as cluster:
        etcd = cluster.metadata.status()
        reasons = reasons_against(etcd)
        if reasons and not force:
            raise console.refuse([*reasons, "nothing was done; --force defragments the others"])
        for member in turns(etcd):
            typer.echo(f"{member.endpoint} ({'leader' if member.is_leader else 'follower'}) ...", err=True)
            cluster.metadata.defragment(member.endpoint)
        if any(alarm.kind == "NOSPACE" for alarm in etcd.alarms):
            cluster.metadata.lift_space_alarm()
        after = cluster.metadata.status()
    if json_output:
        console.show_json({"before": etcd_json(etcd), "after": etcd_json(after)})
    else:
        console.show(
            etcd_table(after),
            f"from {bytes_text(etcd.size_bytes)} to {bytes_text(after.size_bytes)}, by the largest member",
        )


def turns(etcd: EtcdStatus) -> list[MemberStatus]:
    """Those that answer, the leader last."""
    return sorted((member for member in etcd.members if member.trouble is None), key=lambda member: member.is_leader)


def reasons_against(etcd: EtcdStatus) -> list[str]:
    silent = [
        f"etcd member {member.endpoint} does not answer ({member.trouble}): with another one at rest there may be no quorum"
        for member in etcd.members
        if member.trouble is not None
    ]
    return silent if etcd.has_quorum else ["etcd has no quorum; bring a majority of its members back first", *silent]
