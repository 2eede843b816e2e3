"""The cheapest way to bring copies to their quotas: a flow of least cost, found phase by phase.

Promises
  * Every quota is met, every bound of the shape holds, and no other table that does so keeps more of what was held before.
  * Equal input gives an equal table: nothing depends on hash seeds, memory or time.

How (the primal-dual method, Dinic's search within a phase): open steps, those that the prices allow, are explored breadth first
from all places that lack a copy. If a node with room is found, as many paths as possible of this least length are taken. If none
is, all that was not reached becomes dearer by one, which opens further steps and keeps the proof that prices are. Costs are whole
numbers, so one is never too much. Prices end at the number of nodes at the latest: a path enters no node twice, and nothing else
costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import LayoutInvalidError
from holdfast.placement.network import ANY, Network, Place

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from holdfast.placement.shape import Shape

_DEAD: Final = -1


def rearranged(shape: Shape, quota: Sequence[int], before: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each partition its nodes, as many as possible of those before. ``before`` may break any bound.

    Raises:
        LayoutInvalidError: the quotas cannot be met within the shape; those of ``shares.quotas`` always can.
    """
    return [list(nodes) for nodes in cheapest(shape, quota, before).holders]


def cheapest(shape: Shape, quota: Sequence[int], before: Sequence[Sequence[int]]) -> Network:
    """The finished network, with the prices that prove it. Raises as :func:`rearranged`."""
    network = Network(shape, quota, before)
    while lacking := network.lacking():
        phase = _Phase(network)
        if phase.explore(lacking):
            phase.take_paths(lacking)
        else:
            phase.raise_prices()
    return network


class _Shelf:
    """Nodes by price and depth, then by zone. Each partition begins elsewhere, so that neighbours do not share their nodes."""

    def __init__(self) -> None:
        self._zones: dict[tuple[int, int], dict[int, list[int]]] = {}

    def put(self, node: int, zone: int, price: int, depth: int) -> None:
        self._zones.setdefault((price, depth), {}).setdefault(zone, []).append(node)

    def remove(self, node: int, zone: int, price: int, depth: int) -> None:
        zones = self._zones[price, depth]
        zones[zone].remove(node)
        if not zones[zone]:
            del zones[zone]

    def choose(self, price: int, depth: int, zones: Iterable[int], barred: Container[int], turn: int) -> int | None:
        """A node in one of these zones that is not barred."""
        shelved = self._zones.get((price, depth), {})
        for zone in zones:
            for node in _turned(shelved.get(zone, ()), turn):
                if node not in barred:
                    return node
        return None

    def clear(self, price: int, depth: int, zone: int, barred: Container[int]) -> list[int]:
        """Take off all nodes of a zone but the barred ones."""
        zones = self._zones.get((price, depth), {})
        nodes = zones.pop(zone, [])
        rest = [node for node in nodes if node in barred]
        if rest:
            zones[zone] = rest
        return [node for node in nodes if node not in barred]

    def zones(self, price: int, depth: int) -> tuple[int, ...]:
        return tuple(self._zones.get((price, depth), ()))


def _turned(items: Sequence[int], turn: int) -> Iterator[int]:
    start = turn % len(items) if items else 0
    for number in range(len(items)):
        yield items[(start + number) % len(items)]


class _Phase:
    """One exploration, and the paths that it found."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._zone_of = network.shape.zone_of
        self._node_depth = [0] * network.shape.nodes
        self._place_depth: dict[Place, int] = {}
        self._unseen = _Shelf()
        self._alive = _Shelf()
        self._returns: dict[int, Iterator[int]] = {}
        for node, price in enumerate(network.node_price):
            self._unseen.put(node, self._zone_of[node], price, 0)

    def explore(self, lacking: Sequence[Place]) -> bool:
        """Give everything its depth, until nodes with room are seen. False: there are none to be reached."""
        frontier: list[Place | int] = list(lacking)
        self._place_depth.update(dict.fromkeys(lacking, 1))
        depth = 1
        while frontier:
            depth += 1
            reached: list[Place | int] = []
            for here in frontier:
                reached += self._places_from(here, depth)
                if isinstance(here, tuple):
                    reached += self._nodes_from(here, depth)
            if any(isinstance(here, int) and self._network.room[here] for here in reached):
                return True
            frontier = reached
        return False

    def _places_from(self, here: Place | int, depth: int) -> list[Place]:
        if isinstance(here, tuple):
            found = [place for place in self._network.open_sideways(here) if place not in self._place_depth]
        else:
            zone, known = self._zone_of[here], self._place_depth
            found = [
                (partition, zone)
                for partition in self._network.held[here]
                if (partition, zone) not in known and self._network.open_back(here, partition)
            ]
        self._place_depth.update(dict.fromkeys(found, depth))
        return found

    def _nodes_from(self, place: Place, depth: int) -> list[int]:
        partition, zone = place
        price = self._network.place_price[partition][zone]
        found = [node for node in self._network.open_kept(place) if not self._node_depth[node]]
        for node in found:
            self._unseen.remove(node, self._zone_of[node], price, 0)
        holders = self._network.holders[partition]
        for near in self._zones_of(place, self._unseen.zones(price + 1, 0)):
            found += self._unseen.clear(price + 1, 0, near, holders)
        for node in found:
            self._node_depth[node] = depth
            self._alive.put(node, self._zone_of[node], self._network.node_price[node], depth)
        return found

    def _zones_of(self, place: Place, zones: Sequence[int], turn: int = 0) -> Iterator[int]:
        """Those of the zones in which a place may take a node that it does not know by name."""
        partition, zone = place
        if zone != ANY:
            yield zone
            return
        known = self._network.place_price[partition]
        for near in _turned(zones, turn):
            if near not in known:
                yield near

    def take_paths(self, lacking: Sequence[Place]) -> None:
        """Take paths of this depth until there are no more."""
        for place in lacking:
            while self._network.lacks(place) and self._take_path(place):
                pass

    def _take_path(self, start: Place) -> bool:
        path: list[Place | int] = [start]
        while path:
            here = path[-1]
            if isinstance(here, int) and self._network.room[here]:
                self._network.take(path)
                return True
            step = self._back_from(here) if isinstance(here, int) else self._on_from(here)
            if step is None:
                self._close(path.pop())
            else:
                path.append(step)
        return False

    def _on_from(self, place: Place) -> Place | int | None:
        """The next open step of a place that leads one deeper and is not known to lead nowhere."""
        network, depth = self._network, self._place_depth[place] + 1
        for node in network.open_kept(place):
            if self._node_depth[node] == depth:
                return node
        partition, zone = place
        price = network.place_price[partition][zone] + 1
        holders = network.holders[partition]
        turn = _turn(partition, len(holders))
        found = self._alive.choose(
            price, depth, self._zones_of(place, self._alive.zones(price, depth), turn), holders, turn
        )
        if found is not None:
            return found
        return next((other for other in network.open_sideways(place) if self._place_depth.get(other) == depth), None)

    def _back_from(self, node: int) -> Place | None:
        """The next copy of a node whose release is open and leads one deeper. Each is tried once: then it is gone or of no use."""
        held, zone, depth = self._network.held[node], self._zone_of[node], self._node_depth[node] + 1
        for partition in self._returns.setdefault(node, iter(tuple(held))):
            place = (partition, zone)
            if self._place_depth.get(place) == depth and partition in held and self._network.open_back(node, partition):
                return place
        return None

    def _close(self, here: Place | int) -> None:
        """Nothing is to be reached from here in this phase any more."""
        if isinstance(here, tuple):
            self._place_depth[here] = _DEAD
            return
        self._alive.remove(here, self._zone_of[here], self._network.node_price[here], self._node_depth[here])
        self._node_depth[here] = _DEAD

    def raise_prices(self) -> None:
        """All that was not reached becomes dearer by one.

        Raises:
            LayoutInvalidError: prices have passed what any path can cost.
        """
        network = self._network
        for node, depth in enumerate(self._node_depth):
            network.node_price[node] += not depth
        for partition, prices in enumerate(network.place_price):
            for zone in prices:
                prices[zone] += (partition, zone) not in self._place_depth
        network.sink_price += 1
        if network.sink_price > network.shape.nodes:
            raise LayoutInvalidError("the quotas of a layout cannot be met within its zones")


def _turn(partition: int, copies: int) -> int:
    """A number that neighbouring partitions, and copies of one, do not share (multiplication by odd constants mixes upwards)."""
    return (partition * 0x9E3779B1 + copies * 0x85EBCA77) >> 9
