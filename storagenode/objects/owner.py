"""Whose a prefix of a bucket is: one node for ever, one process at a time.

Two processes on one prefix would delete what the other has just said it has. The lock of the local directory keeps two of one
machine apart. Where another machine takes the prefix over, the newest one has it: each writes its boot into ``node.json``, and
whoever finds another one there deletes nothing any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError, ReadOnlyError
from storagenode.disk.tree import FORMAT_VERSION
from storagenode.objects import keys

if TYPE_CHECKING:
    from storagenode.disk.identity import Identity
    from storagenode.objects.bucket import Bucket


@dataclass(frozen=True, slots=True)
class Owner:
    """What ``node.json`` says."""

    node_id: str
    cluster_id: str
    boot: str


def seen(bucket: Bucket) -> Owner | None:
    """Raises ConfigError: damaged, or of a newer format. UnavailableError."""
    text = bucket.get(keys.NODE)
    if text is None:
        return None
    try:
        record = json.loads(text)
        version = int(record["format"])
        owner = Owner(str(record["node_id"]), str(record["cluster_id"]), str(record["boot"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "node.json in the object store is damaged; restore it, or give this node another rootdirectory"
        ) from error
    if version > FORMAT_VERSION:
        raise ConfigError(f"the object store was written by a newer version (format {version}); upgrade this node")
    return owner


def take(bucket: Bucket, identity: Identity, boot: str) -> None:
    """Raises ConfigError: another node's. UnavailableError."""
    mine = Owner(identity.node_id, identity.cluster_id, boot)
    found = seen(bucket)
    if found is None and bucket.put_first(keys.NODE, _text(mine)):
        return
    found = found or seen(bucket)
    if found is not None and (found.node_id, found.cluster_id) != (mine.node_id, mine.cluster_id):
        raise ConfigError(
            f"this place in the object store belongs to the storage node {found.node_id} of cluster {found.cluster_id!r},"
            f" not to {mine.node_id} of {mine.cluster_id!r}; give each node a rootdirectory of its own in the bucket"
        )
    bucket.put(keys.NODE, _text(mine))


def require(bucket: Bucket, boot: str) -> None:
    """Before a delete. Raises ReadOnlyError: another process has taken the place over. UnavailableError."""
    found = seen(bucket)
    if found is None or found.boot != boot:
        raise ReadOnlyError("another process has taken over this place in the object store; stop one of the two")


def _text(owner: Owner) -> bytes:
    record = {"format": FORMAT_VERSION, "node_id": owner.node_id, "cluster_id": owner.cluster_id, "boot": owner.boot}
    return json.dumps(record).encode()
