"""Writing copies: an upload is pinned to one node, which brings its blob to the owners; a small blob goes to them at once.

Fewer durable copies than the write quorum is an error, never a success with a warning. Where an owner is left without its copy, the
partition is marked dirty before the answer, so that a repair will find it. Never here: links and names; they come after this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.errors import NodeUnreachableError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.digest import Digest
    from holdfast.replicas.directory import NodeDirectory
    from holdfast.replicas.fanout import FanOut, Sending
    from holdfast.rpc.node import LocalAppend, NodeClient, StoredBlob, UploadKey, UploadState


class ReplicaWriter:
    """Uploads and puts. Errors are those of ``holdfast.rpc.node.NodeClient``."""

    def __init__(
        self,
        directory: NodeDirectory,
        fan_out: FanOut,
        mark_dirty: Callable[[int, int], None],
        on_stored: Callable[[StoredBlob], None] | None = None,
    ) -> None:
        """``mark_dirty`` is told partition and layout version; ``on_stored`` hears of every durable copy (a
        reader's cache does).
        """
        self._directory = directory
        self._fan_out = fan_out
        self._mark_dirty = mark_dirty
        self._on_stored = on_stored

    def start(self, repository: str, principal: str, algorithm: str | None, place: str = "") -> UploadState:
        """On the first node that takes it. ``place``: the repository whose bytes these are, where that is another one."""
        worst: UnavailableError | None = None
        for node in self._directory.ingest():
            try:
                return node.start_upload(repository, principal, algorithm, place)
            except UnavailableError as error:
                if isinstance(error, NodeUnreachableError):
                    self._directory.failed(node)
                worst = error
        raise worst or NodeUnreachableError("no storage node is known; check the layout")

    def state(self, key: UploadKey) -> UploadState:
        return self._directory.by_upload(key.upload_id).upload_state(key)

    def append(
        self, key: UploadKey, offset_bytes: int | None, chunks: Iterable[bytes], token: int | None = None
    ) -> UploadState:
        return self._directory.by_upload(key.upload_id).append(key, offset_bytes, chunks, token)

    def open_append(self, key: UploadKey, offset_bytes: int | None) -> LocalAppend | None:
        return self._directory.by_upload(key.upload_id).open_append(key, offset_bytes)

    def finish(self, key: UploadKey, digest: Digest) -> StoredBlob:
        """Durable on as many nodes as the layout asks for when it returns: the upload's node sees to that."""
        stored = self._directory.by_upload(key.upload_id).finish_upload(key, digest)
        return self._report(stored)

    def cancel(self, key: UploadKey) -> None:
        self._directory.by_upload(key.upload_id).cancel_upload(key)

    def put(self, digest: Digest, data: bytes, place: str) -> StoredBlob:
        """A blob of at most 4 MiB, durable on as many nodes as the layout asks for when it returns.

        ``place``: the repository that it is for; it says which of a node's disks takes it, and gives no rights.
        """
        placing = self._directory.placing(digest)
        if len(placing.order) == placing.rules.write_quorum == 1 and not placing.vacant:
            (node_id,) = placing.order
            stored = placing.nodes[node_id].put_blob(digest, data, place)
            return self._report(replace(stored, layout_revision=placing.layout_revision))

        def send(node: NodeClient, _sending: Sending) -> StoredBlob:
            return node.put_blob(digest, data, place)

        outcome = self._fan_out.run(placing, send)
        if outcome.is_short:
            self._mark_dirty(placing.partition, placing.version)
        one = next(iter(outcome.stored.values()))
        return self._report(replace(one, layout_revision=placing.layout_revision))

    def misplaced(self, digest: Digest) -> int:
        """The layout changed while copies were made: have them looked at under the one of now, whose revision is the answer.

        Whoever links them compares that revision again.
        """
        placing = self._directory.placing(digest, fresh=True)
        self._mark_dirty(placing.partition, placing.version)
        return placing.layout_revision

    def _report(self, stored: StoredBlob) -> StoredBlob:
        if self._on_stored is not None:
            self._on_stored(stored)
        return stored
