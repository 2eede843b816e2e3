"""Files that a storage node on this host offers: opened only if they are the ones that were meant.

Containers see other paths than the node does, and files are replaced; device, inode and, for stored blobs, the size tell. What
does not match is not opened, and the bytes go by gRPC instead.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.rpc.node import LocalAppend, LocalBlob


def open_blob(blob: LocalBlob) -> int | None:
    """A read-only descriptor of a stored blob, or None when the path leads elsewhere."""
    descriptor = _open(blob.path, os.O_RDONLY)
    if descriptor is None:
        return None
    found = os.fstat(descriptor)
    if (found.st_dev, found.st_ino, found.st_size) == (blob.device, blob.inode, blob.size_bytes):
        return descriptor
    os.close(descriptor)
    return None


def open_staging(append: LocalAppend) -> int | None:
    """A write-only descriptor of a staging file, or None when the path leads elsewhere."""
    offered = append.file
    descriptor = _open(offered.path, os.O_WRONLY)
    if descriptor is None:
        return None
    found = os.fstat(descriptor)
    if (found.st_dev, found.st_ino) == (offered.device, offered.inode):
        return descriptor
    os.close(descriptor)
    return None


def _open(path: str, flags: int) -> int | None:
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
