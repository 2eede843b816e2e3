"""The one module that knows the keys of a storage node in an object store.

    <rootdirectory>/
        node.json                                        whose it is, and which process has it now
        data/<unique>                                    bytes of one copy; a key is final before the digest is known
        witness.json                                     what the node left in the metadata last
        blobs/<000..fff>/<algorithm>-<encoded>/<last>    empty: the blob is whole, and its bytes are data/<unique>
        trash/<hex>/<algorithm>-<encoded>/<last>         empty: deleted; the bytes go when the trash is emptied
        quarantine/<hex>/<algorithm>-<encoded>/<last>    what is wrong with it, in words; the bytes stay

``last`` is <size>-<unique>-<reign>; without a reign in what was written before there were any. The same bytes may have several
names, of several reigns (``owner``). A name carries everything, so that a listing needs to read no object. Never here: I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from storagenode.disk.tree import blob_name, parse_blob_name

if TYPE_CHECKING:
    from holdfast.digest import Digest

NODE: Final = "node.json"
WITNESS: Final = "witness.json"
DATA: Final = "data"
BLOBS: Final = "blobs"
TRASH: Final = "trash"
QUARANTINE: Final = "quarantine"

REIGN_DIGITS: Final = 8

_LAST: Final = re.compile(rf"(0|[1-9][0-9]{{0,18}})-([0-9a-f]{{32}})(?:-([0-9a-f]{{{REIGN_DIGITS}}}))?", re.ASCII)
_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One copy of a blob by one of its names. ``unique``: which bytes are its."""

    digest: Digest
    size_bytes: int
    unique: str
    reign: str = ""

    @property
    def key(self) -> str:
        return f"{of_digest(self.digest)}/{self._last}"

    @property
    def data(self) -> str:
        return data(self.unique)

    @property
    def _last(self) -> str:
        last = f"{self.size_bytes}-{self.unique}"
        return f"{last}-{self.reign}" if self.reign else last

    def aside(self, folder: str, tag: str) -> str:
        """Its name in the trash or the quarantine; ``tag`` tells two of the same name apart."""
        return f"{folder}/{tag}/{blob_name(self.digest)}/{self._last}"


def data(unique: str) -> str:
    return f"{DATA}/{unique}"


def of_partition(partition: int) -> str:
    return f"{BLOBS}/{partition:03x}"


def of_digest(digest: Digest) -> str:
    return f"{of_partition(digest.partition)}/{blob_name(digest)}"


def parse(key: str) -> Entry | None:
    """The entry that a key in ``blobs``, ``trash`` or ``quarantine`` names; None for one that is not ours."""
    parts = key.split("/")
    last = _LAST.fullmatch(parts[-1])
    digest = parse_blob_name(parts[2]) if len(parts) == _PARTS else None
    if last is None or digest is None:
        return None
    return Entry(digest, int(last[1]), last[2], last[3] or "")
