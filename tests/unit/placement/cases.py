"""Clusters for the tests of placement: small ones drawn by hypothesis, and a short way to write them down.

R=3 a1/A a2/A*2 b1/B       three replicas; nodes a1, a2 in zone A, b1 in zone B; weights 1, 2, 1
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from holdfast.placement.layout import NodeRole, Rules
from holdfast.placement.ring import assign


@dataclass(frozen=True)
class Cluster:
    partitions: int
    replicas: int
    zone_of: tuple[int, ...]
    weights: tuple[int, ...]


@st.composite
def clusters(draw, most_partitions=10, most_nodes=7, nodes=None):
    nodes = nodes or draw(st.integers(1, most_nodes))
    zones = draw(st.integers(1, nodes))
    rest = st.lists(st.integers(0, zones - 1), min_size=nodes - zones, max_size=nodes - zones)
    zone_of = draw(st.permutations([*range(zones), *draw(rest)]))
    weights = draw(st.lists(st.sampled_from([1, 1, 1, 2, 3, 10]), min_size=nodes, max_size=nodes))
    return Cluster(draw(st.integers(1, most_partitions)), draw(st.integers(1, 4)), tuple(zone_of), tuple(weights))


@st.composite
def tables(draw, cluster):
    """What was held before: anything, also what no layout would allow."""
    node = st.integers(0, len(cluster.zone_of) - 1)
    row = st.lists(node, max_size=5, unique=True)
    return draw(st.lists(row, min_size=cluster.partitions, max_size=cluster.partitions))


def roles(text: str) -> list[NodeRole]:
    found = []
    for word in text.split():
        node, _, rest = word.partition("/")
        zone, _, weight = rest.partition("*")
        found.append(NodeRole(node, zone, int(weight or 1)))
    return found


def layout(text: str, version: int = 1, previous=None, **rules):
    replicas, nodes = text.split(maxsplit=1)
    return assign(version, Rules.majority(int(replicas.removeprefix("R=")), **rules), roles(nodes), previous)


def many(nodes: int, zones: int, first: int = 0) -> list[NodeRole]:
    """``nodes`` nodes in turn over ``zones`` zones, with weights 2 to 5."""
    return [NodeRole(f"n{number:04}", f"z{number % zones}", 2 + number % 4) for number in range(first, first + nodes)]
