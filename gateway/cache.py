"""Manifest bytes in memory: immutable, so never invalidated, and bounded in bytes.

The key holds the repository (ARCHITECTURE, promise 5; CVE-2026-35172): a hit is used only after the record of that repository has
been read for this very request, so deleting takes effect at once and this cache grants nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.names import Repository


class ManifestCache:
    """Least recently used first out. Safe for many threads."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._held_bytes = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[Repository, Digest], bytes] = OrderedDict()

    def get(self, repo: Repository, digest: Digest) -> bytes | None:
        key = (repo, digest)
        with self._lock:
            data = self._entries.get(key)
            if data is not None:
                self._entries.move_to_end(key)
            return data

    def put(self, repo: Repository, digest: Digest, data: bytes) -> None:
        key = (repo, digest)
        with self._lock:
            if key in self._entries or len(data) > self._capacity_bytes:
                return
            self._entries[key] = data
            self._held_bytes += len(data)
            while self._held_bytes > self._capacity_bytes:
                _, dropped = self._entries.popitem(last=False)
                self._held_bytes -= len(dropped)
