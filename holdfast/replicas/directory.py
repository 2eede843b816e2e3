"""Which nodes there are, and which of them are asked for what: the port, and the one-node form of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from holdfast.errors import UploadUnknownError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.digest import Digest
    from holdfast.rpc.node import NodeClient


class NodeDirectory(Protocol):
    """Asked for every operation, so that it may change between two."""

    def owners(self, digest: Digest) -> Sequence[NodeClient]:
        """Who should have a copy, in the order in which they are to be asked."""
        ...

    def by_upload(self, upload_id: str) -> NodeClient:
        """The node an upload is pinned to. Raises UploadUnknownError."""
        ...

    def ingest(self) -> NodeClient:
        """The node that takes a new upload: the one on this host, if any."""
        ...


class OneNode:
    """A directory of one node. Implements ``NodeDirectory``."""

    def __init__(self, node: NodeClient) -> None:
        self._node = node

    def owners(self, _digest: Digest) -> Sequence[NodeClient]:
        return (self._node,)

    def by_upload(self, upload_id: str) -> NodeClient:
        # The node knows which uploads are its own; an id without a node's name cannot be one.
        if "-" not in upload_id:
            raise UploadUnknownError("no such upload; start another one")
        return self._node

    def ingest(self) -> NodeClient:
        return self._node
