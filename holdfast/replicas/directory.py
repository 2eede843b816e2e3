"""Which nodes there are, and which of them are asked for what: the port, and the one-node form of it.

A directory is asked for every operation, so that its answer may change between two. It also hears how nodes did, for whoever calls
a node knows best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from holdfast.errors import UploadUnknownError
from holdfast.placement.layout import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from holdfast.digest import Digest
    from holdfast.rpc.node import NodeClient


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the copies of one partition belong, at one moment.

    ``owners`` of all live versions, newest first; ``order``: the owners, then as many handoffs as one write may want; ``nodes``
    has the client of each of these. ``zones``: of every node whose copy counts. ``down``: of ``order``, who is known not to take
    a copy. ``vacant``: how many owners by the newest layout are no longer there, so that handoffs take their places. ``version``
    is the newest layout's number, ``layout_revision`` what whoever links the copies compares.
    """

    partition: int
    version: int
    layout_revision: int
    rules: Rules
    owners: tuple[str, ...]
    order: tuple[str, ...]
    zones: Mapping[str, str]
    nodes: Mapping[str, NodeClient]
    down: frozenset[str] = frozenset()
    vacant: int = 0


class NodeDirectory(Protocol):
    """Safe for many threads."""

    def readers(self, digest: Digest) -> Iterable[NodeClient]:
        """Everybody who may have a copy, in the order in which they are to be asked: all of them, also those that are down.

        Raises:
            NodeUnreachableError: who that is, is not known. Never empty.
        """
        ...

    def near(self, digest: Digest) -> Sequence[NodeClient]:
        """Those of the readers that are on this host and alive, for the short-circuit read."""
        ...

    def placing(self, digest: Digest, *, fresh: bool = False) -> Placing:
        """Where copies are to be written; ``fresh``: by the metadata as it stands now.

        Raises:
            NodeUnreachableError: there is no layout yet. MetadataUnavailableError.
        """
        ...

    def by_upload(self, upload_id: str) -> NodeClient:
        """The node an upload is pinned to. Raises UploadUnknownError."""
        ...

    def ingest(self) -> Sequence[NodeClient]:
        """Who may take a new upload, the best one first: the node on this host, if any. Never empty.

        Raises:
            NodeUnreachableError: no node is alive.
        """
        ...

    def began(self, node: NodeClient) -> None:
        """A stream from the node begins; ``ended`` follows, however it ends."""
        ...

    def ended(self, node: NodeClient) -> None: ...

    def answered(self, node: NodeClient, seconds: float | None) -> None:
        """The node answered, its first byte after so long. None: it was no first byte, and does not tell how fast the node is."""
        ...

    def failed(self, node: NodeClient) -> None:
        """The node did not answer."""
        ...


_ALONE = Rules(replicas=1, write_quorum=1)


class OneNode:
    """A directory of one node. Implements ``NodeDirectory``."""

    def __init__(self, node: NodeClient) -> None:
        self._node = node

    def readers(self, _digest: Digest) -> Iterable[NodeClient]:
        return (self._node,)

    def near(self, _digest: Digest) -> Sequence[NodeClient]:
        return (self._node,)

    def placing(self, digest: Digest, *, fresh: bool = False) -> Placing:  # noqa: ARG002 - nothing gets old here
        # One node needs no names: its own would have to be asked of it first.
        return Placing(digest.partition, 0, 0, _ALONE, ("",), ("",), {"": ""}, {"": self._node})

    def by_upload(self, upload_id: str) -> NodeClient:
        # The node knows which uploads are its own; an id without a node's name cannot be one.
        if "-" not in upload_id:
            raise UploadUnknownError("no such upload; start another one")
        return self._node

    def ingest(self) -> Sequence[NodeClient]:
        return (self._node,)

    def began(self, node: NodeClient) -> None:
        """There is nothing to choose."""

    def ended(self, node: NodeClient) -> None:
        """There is nothing to choose."""

    def answered(self, node: NodeClient, seconds: float | None) -> None:
        """There is nothing to choose."""

    def failed(self, node: NodeClient) -> None:
        """There is nothing to choose."""
