"""Writing copies: an upload is pinned to one node, a small blob goes to the owners at once.

With one node W is 1, and a copy that the ingest node has made durable is enough. Fewer durable copies than W is an error, never a
success with a warning. Never here: links and names; they are committed after this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.errors import NodeUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.digest import Digest
    from holdfast.replicas.directory import NodeDirectory
    from holdfast.rpc.node import LocalAppend, StoredBlob, UploadKey, UploadState


class ReplicaWriter:
    """Uploads and puts. Errors are those of ``holdfast.rpc.node.NodeClient``."""

    def __init__(self, directory: NodeDirectory, on_stored: Callable[[StoredBlob], None] | None = None) -> None:
        """``on_stored`` hears of every durable copy (a reader's cache wants to know)."""
        self._directory = directory
        self._on_stored = on_stored

    def start(self, repository: str, principal: str, algorithm: str | None) -> UploadState:
        return self._directory.ingest().start_upload(repository, principal, algorithm)

    def state(self, key: UploadKey) -> UploadState:
        return self._directory.by_upload(key.upload_id).upload_state(key)

    def append(self, key: UploadKey, offset_bytes: int | None, chunks: Iterable[bytes]) -> UploadState:
        return self._directory.by_upload(key.upload_id).append(key, offset_bytes, chunks)

    def open_append(self, key: UploadKey, offset_bytes: int | None) -> LocalAppend | None:
        return self._directory.by_upload(key.upload_id).open_append(key, offset_bytes)

    def finish(self, key: UploadKey, digest: Digest) -> StoredBlob:
        """Durable on W nodes when it returns."""
        stored = self._directory.by_upload(key.upload_id).finish_upload(key, digest)
        return self._report(stored)

    def cancel(self, key: UploadKey) -> None:
        self._directory.by_upload(key.upload_id).cancel_upload(key)

    def put(self, digest: Digest, data: bytes) -> StoredBlob:
        """A blob of at most 4 MiB, durable on W nodes when it returns."""
        for node in self._directory.owners(digest):
            return self._report(node.put_blob(digest, data))
        raise NodeUnreachableError("no storage node is known for this blob; check the layout")

    def _report(self, stored: StoredBlob) -> StoredBlob:
        if self._on_stored is not None:
            self._on_stored(stored)
        return stored
