"""Bringing one partition in order: look at everybody's inventory, carry out the plan.

A copy leaves this node only after every owner has just said that it holds a durable one of the right size, and only under the stamp
that was listed before they were asked: a client that was told "have it" in between keeps it here.

A size that was listed may be that of a copy which is wrong, or which has been replaced since: other nodes are told of it only after
the bytes here were hashed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.errors import CorruptError, HoldfastError, MissingError, UnavailableError
from holdfast.rpc.node import Want
from storagenode.cluster.placing import send_copy
from storagenode.cluster.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from holdfast.digest import Digest
    from holdfast.replicas.view import View
    from holdfast.rpc.node import ListedBlob, NodeClient, StoredBlob
    from storagenode.cluster.pace import Pace
    from storagenode.cluster.plan import Copy
    from storagenode.store import BlobStore

_LOG: Final = logging.getLogger("holdfast.repair")


class Peers(Protocol):
    """The other nodes, by id."""

    def client(self, node_id: str) -> NodeClient: ...


@dataclass(slots=True)
class Tally:
    """What settling has come to, since the process began."""

    copied_blobs: int = 0
    copied_bytes: int = 0
    failures: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """``is_complete``: everybody who was needed could be asked, and everything was done. ``is_clean``: there was nothing to do.
    ``silent``: who did not answer.
    """

    is_complete: bool
    is_clean: bool
    silent: frozenset[str] = frozenset()


@dataclass(slots=True)
class Settler:
    """``receive`` takes a copy into this node. For one thread at a time."""

    me: str
    store: BlobStore
    peers: Peers
    receive: Callable[[Digest, int, Iterable[bytes], Callable[[], None]], StoredBlob]
    pace: Pace
    tally: Tally = field(default_factory=Tally)

    def settle(self, view: View, partition: int, silent: AbstractSet[str] = frozenset()) -> Settled:
        """One partition by this view, without asking those that are ``silent``. What cannot be done now is counted, not raised."""
        if view.layouts is None:
            return Settled(is_complete=False, is_clean=True)
        mine = {blob.digest: blob for blob in self.store.listing(partition)}
        owners, keepers = view.owners(partition), view.keepers(partition)
        if not mine and self.me not in keepers:
            return Settled(is_complete=True, is_clean=True)
        inventories, unheard = self._inventories(view, partition, silent, mine)
        todo = plan(self.me, owners, keepers, inventories)
        done = [
            *(self._guarded(copy, self._doubt) for copy in todo.doubts),
            *(self._guarded(copy, self._send) for copy in todo.sends),
            *(self._guarded(copy, self._fetch) for copy in todo.fetches),
        ]
        is_complete = all(done) and not unheard and not todo.unclear
        # A copy stands in for an owner that was removed until a layout names another; nothing is left undone by that.
        if todo.drops and len(owners) == len(view.layouts.newest.owners(partition)):
            can_drop = unheard.isdisjoint(owners)  # while an owner is missing, a copy too many is worth keeping
            is_complete = can_drop and self._drop([mine[digest] for digest in todo.drops], owners) and is_complete
        return Settled(is_complete, todo.is_empty, frozenset(unheard - silent))

    def _inventories(
        self, view: View, partition: int, silent: AbstractSet[str], mine: Mapping[Digest, ListedBlob]
    ) -> tuple[dict[str, dict[Digest, int]], set[str]]:
        """What this node and all keepers hold, in the order that is the same for all; and who did not say."""
        found: dict[str, dict[Digest, int]] = {}
        unheard: set[str] = set()
        keepers = frozenset(view.keepers(partition))
        for node in dict.fromkeys((*view.everybody(partition), self.me)):
            if node == self.me:
                found[node] = {digest: blob.size_bytes for digest, blob in mine.items()}
            elif node in keepers:
                listed = None if node in silent else self._ask(node, partition)
                if listed is None:
                    unheard.add(node)
                else:
                    found[node] = listed
        return found, unheard

    def _ask(self, node: str, partition: int) -> dict[Digest, int] | None:
        try:
            listing = self.peers.client(node).list_blobs(partition, partition)
            return {blob.digest: blob.size_bytes for blob in listing}
        except UnavailableError:
            return None

    def _guarded(self, copy: Copy, work: Callable[[Copy], None]) -> bool:
        try:
            work(copy)
        except HoldfastError as error:
            self.tally.failures += 1
            _LOG.warning(
                "a copy could not be brought in order",
                extra={"digest": str(copy.digest), "node": copy.node_id, "reason": error.message},
            )
            return False
        return True

    def _send(self, copy: Copy) -> None:
        with self.pace.copying(copy.size_bytes):
            peer, moved = self.peers.client(copy.node_id), self.pace.go_on
            send_copy(peer, self.store, copy.digest, copy.size_bytes, moved, moved)
        self._count(copy)

    def _fetch(self, copy: Copy) -> None:
        if self.store.stat(Want(copy.digest)) is not None:
            return  # it came meanwhile; should it be of another size, the next look has doubts
        with self.pace.copying(copy.size_bytes):
            pieces = self.peers.client(copy.node_id).read_blob(Want(copy.digest), 0, None)
            self.receive(copy.digest, copy.size_bytes, self._checked(pieces), _nothing)
        self._count(copy)

    def _checked(self, pieces: Iterator[bytes | memoryview]) -> Iterator[bytes]:
        for piece in pieces:
            self.pace.go_on()
            yield bytes(piece)

    def _count(self, copy: Copy) -> None:
        self.tally.copied_blobs += 1
        self.tally.copied_bytes += copy.size_bytes

    def _doubt(self, copy: Copy) -> None:
        """Sizes differ. If our copy is right, the other node reads its own and sets it aside."""
        try:
            for _ in self.store.read(Want(copy.digest), 0, None):
                pass  # a whole read verifies, and what is wrong goes into quarantine
        except (CorruptError, MissingError):
            return  # the next round fetches it
        self.peers.client(copy.node_id).prove_blob(Want(copy.digest, copy.size_bytes), self.pace.go_on)

    def _drop(self, blobs: Sequence[ListedBlob], owners: Sequence[str]) -> bool:
        """Those that every one of the owners confirms; ``owners`` is not empty. False: something stays, so look again soon."""
        confirmed = set(blobs)
        for node in owners:
            try:
                answers = self.peers.client(node).stat_blobs([Want(blob.digest) for blob in blobs])
            except UnavailableError:
                return False
            asked = zip(blobs, answers, strict=True)
            confirmed &= {blob for blob, held in asked if held is not None and held.size_bytes == blob.size_bytes}
        dropped = sum(self.store.discard(blob.digest, blob.stamp) for blob in confirmed)
        self.tally.dropped += dropped
        return dropped == len(blobs)


def _nothing() -> None:
    """Nobody displaces the one who writes a copy that nobody else knows of."""
