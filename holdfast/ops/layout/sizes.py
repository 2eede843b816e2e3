"""How much each partition holds, asked of the nodes that have it. For estimates: who does not answer is left out."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from holdfast.digest import PARTITIONS
from holdfast.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from holdfast.replicas.access import ClusterAccess
    from holdfast.rpc.node import PartitionSum

_LOG: Final = logging.getLogger("holdfast.ops")
_AT_ONCE: Final = 16


def held_by(cluster: ClusterAccess, nodes: Iterable[str]) -> dict[str, Sequence[PartitionSum]]:
    """What each of the nodes that answer holds."""

    def ask(node: str) -> Sequence[PartitionSum] | None:
        try:
            return cluster.directory.client(node).sum_partitions(0, PARTITIONS - 1)
        except UnavailableError as error:
            _LOG.warning("a node did not say what it holds", extra={"node": node, "reason": error.message})
            return None

    names = list(nodes)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = zip(names, pool.map(ask, names), strict=True)
        return {name: answer for name, answer in answers if answer is not None}


def partition_sizes(held: Mapping[str, Sequence[PartitionSum]]) -> dict[int, int]:
    """The bytes of one copy of each partition: the most that anybody holds."""
    sizes: dict[int, int] = {}
    for sums in held.values():
        for found in sums:
            sizes[found.partition] = max(sizes.get(found.partition, 0), found.size_bytes)
    return sizes
