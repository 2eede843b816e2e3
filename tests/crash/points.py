"""Every point at which a process of the server is killed. ``inject/sitecustomize.py`` says what the names mean."""

from __future__ import annotations

from typing import Final


def _both(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.{side}" for name in names for side in ("before", "after"))


# Passed by ordinary traffic.
TRAFFIC: Final = (
    *_both("node.create.data", "node.pwrite.uploads", "node.pwrite.data", "node.create.small"),
    *_both("node.pwrite.small", "node.fsync.small", "node.fsync.data", "node.rename.blob", "node.fsync.partition"),
    *_both("node.rename.lent", "node.rename.data", "node.unlink.data"),
    *_both("node.rpc.StartUpload", "node.rpc.Append", "node.rpc.OpenAppend", "node.rpc.Advance"),
    *_both("node.rpc.FinishUpload", "node.rpc.CancelUpload", "node.rpc.PutBlob"),
    *_both("gateway.sqlite.begin", "gateway.sqlite.commit", "gateway.splice.lent"),
    *_both("gateway.http.POST.uploads", "gateway.http.PATCH.upload", "gateway.http.PUT.upload"),
    *_both("gateway.http.DELETE.upload", "gateway.http.PUT.manifest", "gateway.http.DELETE.manifest"),
    *_both("gateway.http.DELETE.blob"),
)
# Passed when a process starts again: the victim is killed to make it so.
RESTARTS: Final = {
    **dict.fromkeys(_both("node.start.prepare", "node.start.recover", "serve.start.storagenode"), "node"),
    # The first stats of a new node make durable what a former one has left.
    **dict.fromkeys(_both("node.fsync.blob"), "node"),
    # New gateway workers remember nothing of what the former ones had confirmed.
    **dict.fromkeys(_both("node.rpc.StatBlobs"), "arbiter"),
    **dict.fromkeys(_both("serve.reap.gateway", "serve.start.gateway"), "arbiter"),
    **dict.fromkeys(_both("arbiter.spawn.worker", "gateway.worker.load"), "worker"),
    "gateway.worker.init.before": "worker",
}
# Passed when an upload goes on that a killed gateway has left open.
AFTER_A_DEAD_WRITER: Final = _both("node.copy_file_range.data")
# Passed when a blob is fetched from an upstream: by the worker, then by the node. Not part of EVERY: other traffic passes them not.
FETCHING: Final = (
    *_both("sync.writer.start", "sync.fetches.take", "sync.writer.append", "sync.upstream.chunk"),
    *_both("sync.writer.finish", "sync.linking.link", "sync.fetches.end"),
    *_both("node.rpc.StartUpload", "node.pwrite.uploads", "node.rpc.Append", "node.pwrite.data", "node.fsync.data"),
    *_both("node.rename.blob", "node.fsync.partition", "node.rpc.FinishUpload"),
)
EVERY: Final = (*TRAFFIC, *RESTARTS, *AFTER_A_DEAD_WRITER)
# By name: each is passed before and after.
SIDES: Final = tuple(
    tuple(point for point in EVERY if point.rpartition(".")[0] == name)
    for name in dict.fromkeys(point.rpartition(".")[0] for point in EVERY)
)
# Killed from outside, at any moment.
VICTIMS: Final = ("node", "worker", "arbiter", "supervisor")
