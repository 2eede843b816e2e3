"""``holdfast upload cancel``: end uploads and free what they hold. Their clients begin anew.

Promises: names each before it asks; an upload that was finished meanwhile stays what it has become.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.errors import HoldfastError, UploadUnknownError
from holdfast.ops import console, picture
from holdfast.ops.console import counted
from holdfast.ops.reach import AsJson, ConfigFile, Yes, reached
from holdfast.ops.upload.found import as_json, as_table, chosen, gather
from holdfast.ops.upload.ls import Idle  # noqa: TC001 - typer reads annotations

if TYPE_CHECKING:
    from holdfast.replicas.access import ClusterAccess
    from holdfast.rpc.node import OpenUpload

Uploads = Annotated[list[str] | None, typer.Argument(metavar="[UPLOAD]...", help="Ids, as `upload ls` shows them.")]


def cancel(
    upload: Uploads = None, config: ConfigFile = None, idle: Idle = 0.0, yes: Yes = False, json_output: AsJson = False
) -> None:
    """Cancel uploads: those named, or with --idle all that nobody touched for so long."""
    ids = set(upload or ())
    if not ids and not idle:
        raise typer.BadParameter("name uploads, or say --idle SECONDS")
    with reached(config) as cluster:
        uploads = gather(cluster, picture.read(cluster))
        found = chosen(uploads, ids, idle)
        missing = ids - {one.key.upload_id for _, one in found}
        if missing:
            silent = f"; not asked: {console.listed(uploads.silent)}" if uploads.silent else ""
            raise console.refuse([f"no such upload, or not idle: {console.listed(sorted(missing))}{silent}"])
        if found and not json_output:
            console.show(as_table(found))
        if found:
            console.require_yes(f"Cancel {counted(len(found), 'upload')}?", yes=yes)
        failed = [name for name in (_cancel(cluster, node, one) for node, one in found) if name]
    if json_output:
        console.show_json(
            {"cancelled": [one for one in as_json(found) if one["upload"] not in failed], "failed": failed}
        )
    else:
        console.show(f"{counted(len(found) - len(failed), 'upload')} cancelled")
    raise typer.Exit(1 if failed else 0)


def _cancel(cluster: ClusterAccess, node: str, upload: OpenUpload) -> str:
    """The id if it could not be done, else "". One that is gone needs no cancelling."""
    try:
        cluster.directory.client(node).cancel_upload(upload.key)
    except UploadUnknownError:
        return ""
    except HoldfastError as error:
        console.warn(f"{upload.key.upload_id}: {error.message}")
        return upload.key.upload_id
    return ""
