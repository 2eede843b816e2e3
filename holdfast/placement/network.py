"""Copies on their way from partitions to nodes: a flow network with prices, and what one step through it may be.

    source ──low copies──> (partition, zone) ──1──> node ──quota──> sink
       └──extra──> (partition, ANY) ──1──┘

A step from a partition to a node costs 0 if the node held the partition before, else 1: the cost of a flow is the number of
copies that must be moved. Steps may be taken back: from a node to (partition, zone) its copy is released, from (partition, zone)
to (partition, ANY) the copy that no zone is obliged to take looks for another zone. A path from a place that still lacks a copy
to a node with room, taken as a whole, places one copy more.

Invariants
  * Prices prove that the flow is the cheapest of its size: no step that is possible costs less than the rise in price along it.
    Steps that cost just that much are called open; only they are ever taken, so the proof survives every step.
  * A node holds a partition at most once; a zone gives a partition at most one copy of the ``ANY`` kind. That keeps the shape: a
    zone that must not exceed ``low`` has no more nodes, or there are no copies of that kind at all.
  * (partition, zone) is written down where the zone must have copies, or has had one. Elsewhere it would have the price of
    (partition, ANY), which then stands for it.

Steps to nodes that did not hold the partition are too many to be listed (4096 times 1,000): the search finds them by zone,
price and depth. Never here: the order in which paths are tried; that is the search's.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.placement.shape import Shape

ANY: Final = -1
Place: TypeAlias = tuple[int, int]
"""(partition, zone), or (partition, ANY)."""


class Network:
    """The flow and the prices. At first each partition keeps what it held before, as far as quotas and shape allow."""

    def __init__(self, shape: Shape, quota: Sequence[int], before: Sequence[Sequence[int]]) -> None:
        self.shape = shape
        self.before = before
        self.room = list(quota)
        self._extra = shape.extra
        self.holders: list[dict[int, None]] = [{} for _ in before]
        self.held: list[dict[int, None]] = [{} for _ in quota]
        self.node_price = [0] * shape.nodes
        self.sink_price = 0
        must = {zone: least for zone, least in enumerate(shape.low) if least}
        self._lacking: list[dict[int, int]] = [dict(must) for _ in before]
        self._wide: list[set[int]] = [set() for _ in before]
        self.place_price: list[dict[int, int]] = [{ANY: 0, **dict.fromkeys(must, 0)} for _ in before]
        for partition, nodes in enumerate(before):
            for node in nodes:
                self._keep(partition, node)

    def _keep(self, partition: int, node: int) -> None:
        zone = self.shape.zone_of[node]
        if not self.room[node]:
            return
        if self._lacking[partition].get(zone):
            self._lacking[partition][zone] -= 1
        elif zone not in self._wide[partition] and self.lacks((partition, ANY)):
            self._widen(partition, zone)
        else:
            return
        self._hold(partition, node)
        self.room[node] -= 1

    def lacks(self, place: Place) -> int:
        """How many copies it still has to place."""
        partition, zone = place
        if zone == ANY:
            return self._extra - len(self._wide[partition])
        return self._lacking[partition].get(zone, 0)

    def lacking(self) -> list[Place]:
        return [
            (partition, zone)
            for partition, zones in enumerate(self._lacking)
            for zone in (*zones, ANY)
            if self.lacks((partition, zone))
        ]

    def open_back(self, node: int, partition: int) -> bool:
        """Whether releasing the copy is an open step."""
        paid = node not in self.before[partition]
        return self.node_price[node] - paid == self.place_price[partition][self.shape.zone_of[node]]

    def open_kept(self, place: Place) -> Iterator[int]:
        """Nodes that held the partition before, do not now, and could again."""
        partition, zone = place
        prices = self.place_price[partition]
        for node in self.before[partition]:
            if node in self.holders[partition] or self.node_price[node] != prices[zone]:
                continue
            its_zone = self.shape.zone_of[node]
            if its_zone == zone or (zone == ANY and its_zone not in prices):
                yield node

    def open_sideways(self, place: Place) -> Iterator[Place]:
        """Open steps between the places of one partition."""
        partition, zone = place
        prices, wide = self.place_price[partition], self._wide[partition]
        if zone != ANY:
            if zone in wide and prices[zone] == prices[ANY]:
                yield partition, ANY
            return
        for other, price in prices.items():
            if other != ANY and price == prices[ANY] and other not in wide:
                yield partition, other

    def take(self, path: Sequence[Place | int]) -> None:
        """Place one more copy along a path of open steps."""
        first, last = path[0], path[-1]
        if isinstance(first, tuple) and first[1] != ANY:
            self._lacking[first[0]][first[1]] -= 1
        if isinstance(last, int):
            self.room[last] -= 1
        for one, other in pairwise(path):
            self._step(one, other)

    def _step(self, one: Place | int, other: Place | int) -> None:
        if isinstance(one, int):
            if isinstance(other, tuple):
                self._release(other[0], one)
            return
        partition, zone = one
        if isinstance(other, int):
            if zone == ANY:
                self._widen(partition, self.shape.zone_of[other])
            self._hold(partition, other)
        elif zone == ANY:
            self._widen(partition, other[1])
        else:
            self._wide[partition].remove(zone)

    def _hold(self, partition: int, node: int) -> None:
        self.holders[partition][node] = None
        self.held[node][partition] = None

    def _release(self, partition: int, node: int) -> None:
        del self.holders[partition][node]
        del self.held[node][partition]

    def _widen(self, partition: int, zone: int) -> None:
        self._wide[partition].add(zone)
        self.place_price[partition].setdefault(zone, self.place_price[partition][ANY])
