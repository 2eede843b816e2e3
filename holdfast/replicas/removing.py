"""Deleting copies wherever they are, by the rules of ARCHITECTURE 3b: list with stamps, begin the sweep, delete by those stamps.

    copies = remover.listed(digests)          every node's, with their stamps
    free = repos.begin_sweep(...)             nothing links them, and no link can be made over what was seen before
    remover.delete(digest, copies)            each copy that nobody has asked for since

Promises: a copy that a node has said "have it" of since it was listed stays, and so do those of the nodes that come after it: who
reads mostly asks in the same order, so what somebody relies on is mostly not left with fewer copies than it had. Where others have
gone before it, the partition is marked dirty, and a repair makes up for them.

Never here: what may be deleted, and links.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.errors import NodeUnreachableError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.digest import Digest
    from holdfast.replicas.directory import NodeDirectory
    from holdfast.rpc.node import NodeClient


@dataclass(frozen=True, slots=True)
class Copy:
    """One node's copy, as it was listed."""

    node: NodeClient
    size_bytes: int
    stamp: str


@dataclass(slots=True)
class Copies:
    """Of digests of one partition. ``is_complete``: every node that may have one has answered."""

    of: dict[Digest, list[Copy]] = field(default_factory=lambda: defaultdict(list))
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Deleted:
    """``is_all``: no copy is left that was listed."""

    freed_bytes: int
    is_all: bool


class ReplicaRemover:
    """``misplaced`` is told a digest that has lost some copies and not others."""

    def __init__(self, directory: NodeDirectory, misplaced: Callable[[Digest], object]) -> None:
        self._directory = directory
        self._misplaced = misplaced

    def listed(self, digests: Sequence[Digest], away: set[str]) -> Copies:
        """Who has a copy of these digests, which are of one partition.

        ``away``: nodes that are not asked, by their ids; those that do not answer come to them, so that a round over thousands of
        partitions waits for a node that hangs once. Raises NodeUnreachableError: whom to ask is not known.
        """
        found, wanted, partition = Copies(), frozenset(digests), digests[0].partition
        for node in self._directory.readers(digests[0]):
            if node.node_id in away:
                found.is_complete = False
                continue
            try:
                for blob in node.list_blobs(partition, partition):
                    if blob.digest in wanted:
                        found.of[blob.digest].append(Copy(node, blob.size_bytes, blob.stamp))
            except UnavailableError as error:
                self._failed(node, error)
                away.add(node.node_id)
                found.is_complete = False
        return found

    def delete(self, digest: Digest, copies: Copies) -> Deleted:
        """For good: they can be fetched again."""
        freed_bytes = 0
        for turn, copy in enumerate(copies.of[digest]):
            try:
                is_gone = copy.node.delete_blob(digest, copy.stamp, for_good=True)
            except UnavailableError as error:
                self._failed(copy.node, error)
                is_gone = False
            if not is_gone:
                if turn:
                    self._misplaced(digest)
                return Deleted(freed_bytes, is_all=False)
            freed_bytes += copy.size_bytes
        return Deleted(freed_bytes, copies.is_complete)

    def _failed(self, node: NodeClient, error: UnavailableError) -> None:
        if isinstance(error, NodeUnreachableError):
            self._directory.failed(node)
