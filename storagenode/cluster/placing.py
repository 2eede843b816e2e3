"""Bringing a finished blob from the node that took it to the nodes where it belongs.

The bytes were hashed while they came in and are durable here; they go to all other owners at once and are verified there. An owner
that has had the blob for a while reads its own copy: a client has sent all bytes once more, which may mean that a copy has rotted,
and nothing is let go here on the word of a copy that was only measured.
Where this node is no owner itself, its copy counts as a handoff until all owners have theirs, and then goes; a closing request that
comes again after that finds it with them.

Promises: fewer durable copies than the write quorum is an error, and the copy made here stays, so that asking again goes on.
Where an owner is left without a copy, the partition is marked dirty before the answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.errors import BlobUnknownError, DigestInvalidError
from holdfast.rpc.methods import MAX_PUT_BYTES
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from holdfast.digest import Digest
    from holdfast.replicas.directory import NodeDirectory, Placing
    from holdfast.replicas.fanout import FanOut, Sending
    from holdfast.rpc.node import NodeClient, StoredBlob
    from storagenode.store import BlobStore


class ClusterPlacer:
    """Implements ``storagenode.node.Placer``."""

    def __init__(
        self,
        node_id: str,
        store: BlobStore,
        directory: NodeDirectory,
        fan_out: FanOut,
        mark_dirty: Callable[[int, int], None],
    ) -> None:
        """``mark_dirty`` is told partition and layout version."""
        self._node_id = node_id
        self._store = store
        self._directory = directory
        self._fan_out = fan_out
        self._mark_dirty = mark_dirty

    def place(self, stored: StoredBlob) -> StoredBlob:
        placing = self._directory.placing(stored.digest)

        def send(node: NodeClient, sending: Sending) -> StoredBlob:
            held = node.prove_blob(Want(stored.digest, stored.size_bytes), sending.moved)
            if held is not None:
                return held
            return send_anew(node, self._store, stored.digest, stored.size_bytes, sending.moved, sending.all_sent)

        outcome = self._fan_out.run(placing, send, {self._node_id: stored})
        if outcome.is_short:
            self._mark_dirty(placing.partition, placing.version)
        if _can_do_without(self._node_id, placing, outcome.stored.keys()):
            self._store.discard(stored.digest, stored.stamp)
        return replace(stored, layout_revision=placing.layout_revision)

    def find(self, want: Want) -> StoredBlob | None:
        placing = self._directory.placing(want.digest)

        def look(node: NodeClient, _sending: Sending) -> StoredBlob:
            (held,) = node.stat_blobs([want])
            if held is None:
                raise BlobUnknownError("the storage node has no copy of this blob", {"digest": str(want.digest)})
            return held

        try:
            outcome = self._fan_out.run(placing, look)
        except BlobUnknownError:
            return None
        if outcome.is_short:
            self._mark_dirty(placing.partition, placing.version)
        return replace(next(iter(outcome.stored.values())), layout_revision=placing.layout_revision)


def _can_do_without(node_id: str, placing: Placing, holders: Collection[str]) -> bool:
    """All owners have a copy, and for each that was removed there is another one that stands in."""
    others = {name for name in holders if name != node_id}
    return (
        node_id not in placing.owners
        and others.issuperset(placing.owners)
        and len(others) >= len(placing.owners) + placing.vacant
    )


def send_copy(
    node: NodeClient,
    store: BlobStore,
    digest: Digest,
    size_bytes: int,
    moved: Callable[[], None],
    all_sent: Callable[[], None],
) -> StoredBlob:
    """Have another node hold a copy of what is stored here, if it has none, of whatever size; else as ``send_anew``."""
    (held,) = node.stat_blobs([Want(digest)])
    return held if held is not None else send_anew(node, store, digest, size_bytes, moved, all_sent)


def send_anew(
    node: NodeClient,
    store: BlobStore,
    digest: Digest,
    size_bytes: int,
    moved: Callable[[], None],
    all_sent: Callable[[], None],
) -> StoredBlob:
    """A copy of what is stored here, over whatever the other node has; ``moved`` is called for every piece.

    Raises:
        BlobUnknownError: the copy here is gone. CorruptError: it is wrong, and in quarantine now.
        UnavailableError, InputError: the other node's.
    """
    moved()

    def pieces() -> Iterator[bytes]:
        for piece in store.raw(Want(digest, size_bytes)):
            yield piece
            moved()
        all_sent()

    try:
        if size_bytes <= MAX_PUT_BYTES:
            return node.put_blob(digest, b"".join(pieces()))
        return node.receive(digest, size_bytes, pieces())
    except DigestInvalidError:
        for _ in store.read(Want(digest, size_bytes), 0, None):
            pass  # one of the two is wrong; a whole read tells whether it is this one
        raise
