"""``holdfast metadata compact``: etcd forgets old revisions. Nothing that stands is touched.

Processes that watch and are further behind read everything once more.
"""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.ops import console
from holdfast.ops.console import bytes_text
from holdfast.ops.reach import AsJson, ConfigFile, reached

Keep = Annotated[int, typer.Option("--keep", min=0, help="Revisions to keep, for watchers that are a little behind.")]


def compact(config: ConfigFile = None, keep: Keep = 10_000, json_output: AsJson = False) -> None:
    """Let etcd forget old revisions, so that their space can be used again."""
    with reached(config) as cluster:
        before = cluster.metadata.status()
        first = cluster.metadata.compact(keep)
        after = cluster.metadata.status()
    used = [max((member.in_use_bytes for member in one.members), default=0) for one in (before, after)]
    if json_output:
        console.show_json({"firstRevision": first, "inUseBytesBefore": used[0], "inUseBytesAfter": used[1]})
    else:
        console.show(
            f"revisions before {first} are forgotten; in use {bytes_text(used[1])}, before {bytes_text(used[0])}."
            " `holdfast metadata defragment` gives free space back to the file systems"
        )
