"""What a backup becomes when it is restored: its own keys, and a mark that keeps nodes from deleting anything.

``cluster/restored`` says from when the metadata is. Until an operator has looked (``holdfast gc trust``) no node collects what this
metadata does not name: it may have been pushed since.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from holdfast.meta import keys
from holdfast.meta.keeping import file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.meta.keeping.file import Backup


def restored(backup: Backup) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values, in order. Raises CorruptError, UnavailableError."""
    mark = (keys.CLUSTER_RESTORED, backup.header.made.encode())
    yield from heapq.merge([mark], file.pairs_of(backup))


def name_of(backup: Backup) -> bytes:
    """What ``cluster/copying`` says while it is on its way."""
    return f"{backup.header.cluster_id}, from a backup of {backup.header.made}, {backup.content[:16]}".encode()
