"""A directory of several nodes, by hand. Implements ``holdfast.replicas.directory.NodeDirectory``.

    directory = Several(MemoryNode("a"), MemoryNode("b"), owners=("a",), rules=Rules(1, 1))

Everybody is a reader, in the order given. ``answered_by`` and ``failed_by`` hold the names of nodes that were reported.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from holdfast.placement.layout import Rules
from holdfast.replicas.directory import Placing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.digest import Digest
    from holdfast.rpc.node import NodeClient


class Several:
    def __init__(
        self,
        *nodes: NodeClient,
        owners: Sequence[str] | None = None,
        rules: Rules | None = None,
        zones: dict[str, str] | None = None,
    ) -> None:
        self.nodes = {node.node_id: node for node in nodes}
        self.owners = tuple(owners or self.nodes)
        self.rules = rules or Rules.majority(len(self.owners))
        self.zones = zones or dict.fromkeys(self.nodes, "z")
        self.down: set[str] = set()
        self.vacant = 0
        self.layout_revision = 7
        self.in_hand: Counter[str] = Counter()
        self.answered_by: list[str] = []
        self.latencies: list[float | None] = []
        self.failed_by: list[str] = []

    def readers(self, _digest: Digest) -> list[NodeClient]:
        return list(self.nodes.values())

    def near(self, digest: Digest) -> list[NodeClient]:
        return self.readers(digest)

    def placing(self, digest: Digest, *, fresh: bool = False) -> Placing:
        order = (*self.owners, *(name for name in self.nodes if name not in self.owners))
        return Placing(
            partition=digest.partition,
            version=3,
            layout_revision=self.layout_revision,
            rules=self.rules,
            owners=self.owners,
            order=order,
            zones=self.zones,
            nodes=self.nodes,
            down=frozenset(self.down),
            vacant=self.vacant,
        )

    def by_upload(self, upload_id: str) -> NodeClient:
        return self.nodes[upload_id.partition("-")[0]]

    def ingest(self) -> list[NodeClient]:
        return list(self.nodes.values())

    def began(self, node: NodeClient) -> None:
        self.in_hand[node.node_id] += 1

    def ended(self, node: NodeClient) -> None:
        self.in_hand[node.node_id] -= 1

    def answered(self, node: NodeClient, seconds: float | None) -> None:
        self.answered_by.append(node.node_id)
        self.latencies.append(seconds)

    def failed(self, node: NodeClient) -> None:
        self.failed_by.append(node.node_id)
