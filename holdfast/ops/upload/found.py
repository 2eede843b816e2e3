"""The open uploads of all nodes that answer, and which of them an operator means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.durations import seconds
from holdfast.errors import UnavailableError
from holdfast.ops.console import bytes_text, row, table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from rich.table import Table

    from holdfast.ops.console import JsonObject
    from holdfast.ops.picture import Picture
    from holdfast.replicas.access import ClusterAccess
    from holdfast.rpc.node import OpenUpload


@dataclass(frozen=True, slots=True)
class Uploads:
    """By node. ``silent``: nodes that did not answer, and why."""

    by_node: dict[str, Sequence[OpenUpload]]
    silent: dict[str, str]


def gather(cluster: ClusterAccess, seen: Picture) -> Uploads:
    by_node: dict[str, Sequence[OpenUpload]] = {}
    silent = {}
    for name in sorted(set(seen.view.members) - seen.view.removed):
        if name not in seen.view.alive:
            silent[name] = "down"
            continue
        try:
            by_node[name] = cluster.directory.client(name).list_uploads()
        except UnavailableError as error:
            silent[name] = error.message
    return Uploads(by_node, silent)


def chosen(uploads: Uploads, ids: Collection[str], idle_seconds: float) -> list[tuple[str, OpenUpload]]:
    """Those with these ids (all, if there are none) that were idle for so long; the node with each."""
    return [
        (node, upload)
        for node, found in uploads.by_node.items()
        for upload in found
        if (not ids or upload.key.upload_id in ids) and upload.idle_seconds >= idle_seconds
    ]


def as_table(found: Iterable[tuple[str, OpenUpload]]) -> Table:
    made = table("upload", "node", "repository", "by", "received", "idle", right=("received", "idle"))
    for node, upload in found:
        key = upload.key
        idle = str(seconds(round(upload.idle_seconds))) if upload.idle_seconds else "being written"
        row(made, key.upload_id, node, key.repository, key.principal, bytes_text(upload.offset_bytes), idle)
    return made


def as_json(found: Iterable[tuple[str, OpenUpload]]) -> list[JsonObject]:
    return [
        {
            "upload": upload.key.upload_id,
            "node": node,
            "repository": upload.key.repository,
            "principal": upload.key.principal,
            "receivedBytes": upload.offset_bytes,
            "idleSeconds": round(upload.idle_seconds, 1),
        }
        for node, upload in found
    ]
