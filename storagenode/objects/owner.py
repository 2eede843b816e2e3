"""Whose a prefix of a bucket is: one node for ever, one process at a time.

Two processes on one prefix would delete what the other has just said it has. The lock of the local directory keeps two of one
machine apart. Where another machine takes the prefix over, the newest one has it: each writes its boot into ``node.json``, and
whoever finds another one there deletes nothing any more.

A process that was stopped between that look and its delete deletes late, and no store takes a delete back. So what it may take
away is nothing that its successor relies on:

    * A *reign* lasts as long as the prefix stays with one directory of one running machine, whose lock only the death of a process
      gives on. Every name carries the reign in which it was made.
    * Nobody says "have it" by a name of another reign: he makes one of his own first (``store``), which a former process cannot
      know. It looks for names before it looks whether the prefix is still its own, so all that it deletes is older than that.
    * Bytes go only by way of the trash, and only if no name at all says that they are its.

No clock is in this, and a take-over waits for nobody. It costs one small put for each blob, when it is first relied on.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError, ReadOnlyError, UnavailableError
from storagenode.objects import keys

if TYPE_CHECKING:
    from storagenode.disk.identity import Identity
    from storagenode.objects.bucket import Bucket

# 2: names carry a reign. Who does not know that would take them for nobody's.
_FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class Owner:
    """What ``node.json`` says. ``place``: the directory and the machine that have it; "": not known."""

    node_id: str
    cluster_id: str
    boot: str
    reign: str = ""
    place: str = ""


def seen(bucket: Bucket) -> Owner | None:
    """Raises ConfigError: damaged, or of a newer format. UnavailableError."""
    text = bucket.get(keys.NODE)
    if text is None:
        return None
    try:
        record = json.loads(text)
        version = int(record["format"])
        who = str(record["node_id"]), str(record["cluster_id"]), str(record["boot"])
        owner = Owner(*who, str(record.get("reign", "")), str(record.get("place", "")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "node.json in the object store is damaged; restore it, or give this node another rootdirectory"
        ) from error
    if version > _FORMAT:
        raise ConfigError(f"the object store was written by a newer version (format {version}); upgrade this node")
    return owner


class Tenure:
    """One process's hold on a prefix. Safe for many threads."""

    def __init__(self, bucket: Bucket, whose: Identity, boot: str, place: str) -> None:
        """``place``: differs between any two that may run at the same time; "": not known."""
        self._bucket = bucket
        self._whose = whose
        self._boot = boot
        self._place = place
        self._reign = ""

    @property
    def reign(self) -> str:
        """Raises UnavailableError: not taken yet."""
        if not self._reign:
            raise UnavailableError(
                "the storage node has not taken its place in the object store yet; try again in a moment"
            )
        return self._reign

    def require_free(self) -> None:
        """Changes nothing. Raises ConfigError: another node's. UnavailableError."""
        self._require_own(seen(self._bucket))

    def take(self) -> None:
        """Raises ConfigError: another node's. UnavailableError."""
        found = seen(self._bucket)
        self._require_own(found)
        goes_on = found is not None and found.reign and found.place and found.place == self._place
        reign = found.reign if found is not None and goes_on else secrets.token_hex(keys.REIGN_DIGITS // 2)
        mine = Owner(self._whose.node_id, self._whose.cluster_id, self._boot, reign, self._place)
        if found is not None or not self._bucket.put_first(keys.NODE, _text(mine)):
            self._require_own(seen(self._bucket))
            self._bucket.put(keys.NODE, _text(mine))
        self._reign = reign

    def require(self) -> None:
        """Before a delete, and after the look for what is to go. Raises ReadOnlyError: another process has it. UnavailableError."""
        found = seen(self._bucket)
        if found is None or found.boot != self._boot:
            raise ReadOnlyError("another process has taken over this place in the object store; stop one of the two")

    def _require_own(self, found: Owner | None) -> None:
        mine = self._whose
        if found is not None and (found.node_id, found.cluster_id) != (mine.node_id, mine.cluster_id):
            raise ConfigError(
                f"this place in the object store belongs to the storage node {found.node_id} of cluster {found.cluster_id!r},"
                f" not to {mine.node_id} of {mine.cluster_id!r}; give each node a rootdirectory of its own in the bucket"
            )


def _text(owner: Owner) -> bytes:
    record = {
        "format": _FORMAT,
        "node_id": owner.node_id,
        "cluster_id": owner.cluster_id,
        "boot": owner.boot,
        "reign": owner.reign,
        "place": owner.place,
    }
    return json.dumps(record).encode()
