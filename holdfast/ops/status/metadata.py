"""An etcd's members as people and programs read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.ops.console import bytes_text, row, table

if TYPE_CHECKING:
    from rich.table import Table

    from holdfast.meta.etcd.operate import EtcdStatus
    from holdfast.ops.console import JsonObject


def etcd_table(etcd: EtcdStatus) -> Table:
    made = table(
        "etcd member", "role", "version", "size", "in use", "quota", "revision", right=("size", "in use", "quota")
    )
    for member in etcd.members:
        if member.trouble is not None:
            row(made, member.endpoint, member.trouble)
            continue
        quota = f"{member.size_bytes / etcd.quota_bytes:.1%}" if etcd.quota_bytes else ""
        row(
            made,
            member.endpoint,
            "leader" if member.is_leader else "follower",
            member.version,
            bytes_text(member.size_bytes),
            bytes_text(member.in_use_bytes),
            quota,
            member.revision,
        )
    return made


def etcd_json(etcd: EtcdStatus) -> JsonObject:
    return {
        "quorum": etcd.has_quorum,
        "quotaBytes": etcd.quota_bytes,
        "sizeBytes": etcd.size_bytes,
        "alarms": [{"member": f"{alarm.member_id:x}", "kind": alarm.kind} for alarm in etcd.alarms],
        "members": [
            {
                "endpoint": str(member.endpoint),
                "trouble": member.trouble,
                "leader": member.is_leader,
                "version": member.version,
                "sizeBytes": member.size_bytes,
                "inUseBytes": member.in_use_bytes,
                "revision": member.revision,
            }
            for member in etcd.members
        ],
    }
