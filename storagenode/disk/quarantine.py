"""Copies that are not what their name says are moved aside with a note, never deleted: they may be all that is left.

The partition that lost one is remembered until somebody asks, so that repair need not find out by comparing everything.

Callers hold the digest's lock, so that a copy which heals the damage is not moved by mistake.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import UnavailableError
from storagenode.disk.tree import blob_name

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from storagenode.disk.fsio import Files
    from storagenode.disk.tree import Tree

_LOG: Final = logging.getLogger("holdfast.node")


class Quarantine:
    """The quarantine folder."""

    def __init__(self, tree: Tree, files: Files) -> None:
        self._tree = tree
        self._files = files
        self._count = sum(not name.endswith(".json") for name in os.listdir(tree.quarantine))
        self._lock = threading.Lock()
        self._bereft: set[int] = set()

    @property
    def count(self) -> int:
        return self._count

    def take_bereft(self) -> set[int]:
        """The partitions that have lost a copy since this was asked last."""
        with self._lock:
            bereft, self._bereft = self._bereft, set()
        return bereft

    def take(self, digest: Digest, reason: str) -> None:
        """Move the copy of ``digest`` aside."""
        _LOG.error("a copy is corrupt and goes into quarantine", extra={"digest": str(digest), "reason": reason})
        target = f"{self._tree.quarantine}/{secrets.token_hex(8)}-{blob_name(digest)}"
        self._files.rename(self._tree.blob(digest), target)
        with self._lock:
            self._count += 1
            self._bereft.add(digest.partition)
        try:
            self._note(f"{target}.json", digest, reason)
        except UnavailableError as error:  # the disk may be full; the copy is aside, and the log has said why
            _LOG.warning("the note of a copy in quarantine was not written", extra={"reason": error.message})

    def _note(self, path: str, digest: Digest, reason: str) -> None:
        note = self._files.create(path)
        try:
            self._files.write(note, json.dumps({"digest": str(digest), "reason": reason}).encode(), 0)
        finally:
            os.close(note)
