"""A second implementation of what placement promises: as naive and as slow as can be, and sharing no code with the first.

Small cases only. Nodes and zones are numbers, a table is a list of node lists, one for each partition.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import combinations, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def most_even(copies: int, sizes: Sequence[int]) -> set[tuple[int, ...]]:
    """Of all ways to spread copies over zones of these sizes, those that no exchange of one copy makes more even."""
    every = [counts for counts in product(*(range(min(size, copies) + 1) for size in sizes)) if sum(counts) == copies]
    # Sums of squares fall with each copy that moves from a fuller zone to an emptier one.
    least = min(sum(count * count for count in counts) for counts in every)
    return {counts for counts in every if sum(count * count for count in counts) == least}


def faults(table: Sequence[Sequence[int]], replicas: int, zone_of: Sequence[int]) -> list[str]:
    """What is wrong with a table, in words."""
    sizes = [list(zone_of).count(zone) for zone in range(max(zone_of) + 1)]
    allowed = most_even(min(replicas, len(zone_of)), sizes)
    found = []
    for partition, nodes in enumerate(table):
        if len(set(nodes)) != len(nodes):
            found.append(f"partition {partition} is twice on a node: {nodes}")
        counts = Counter(zone_of[node] for node in nodes)
        if tuple(counts[zone] for zone in range(len(sizes))) not in allowed:
            found.append(f"partition {partition} is badly spread: {nodes}")
    return found


def moved(before: Sequence[Sequence[int]], table: Sequence[Sequence[int]]) -> int:
    return sum(len(set(new) - set(old)) for old, new in zip(before, table, strict=True))


def fairest(partitions: int, replicas: int, zone_of: Sequence[int], weights: Sequence[int]) -> list[float]:
    """Ideal shares: the loads that minimise the sum of load squared over weight, within the bounds.

    Found by moving a little from a node to another for as long as that helps; good to about a thousandth of a copy.
    """
    zones = range(max(zone_of) + 1)
    sizes = [list(zone_of).count(zone) for zone in zones]
    spreads = most_even(min(replicas, len(zone_of)), sizes)
    low = [partitions * min(counts[zone] for counts in spreads) for zone in zones]
    high = [partitions * max(counts[zone] for counts in spreads) for zone in zones]
    # A point within the bounds: every allowed spread equally often, every node of a zone alike.
    load = [partitions * sum(counts[zone] for counts in spreads) / len(spreads) / sizes[zone] for zone in zone_of]
    step = float(partitions)
    while step > 1e-4:
        if not _exchange(load, step, partitions, zone_of, weights, low, high):
            step /= 2
    return load


def _exchange(load, step, partitions, zone_of, weights, low, high) -> bool:
    totals = Counter()
    for node, zone in enumerate(zone_of):
        totals[zone] += load[node]
    for giver, taker in product(range(len(load)), repeat=2):
        one, other = zone_of[giver], zone_of[taker]
        if load[giver] < step or load[taker] + step > partitions + 1e-9:
            continue
        if one != other and (totals[one] - step < low[one] - 1e-9 or totals[other] + step > high[other] + 1e-9):
            continue
        gain = (2 * load[giver] * step - step * step) / weights[giver] - (
            2 * load[taker] * step + step * step
        ) / weights[taker]
        if gain > 1e-12:
            load[giver] -= step
            load[taker] += step
            return True
    return False


def fewest_moves(
    replicas: int, zone_of: Sequence[int], quota: Sequence[int], before: Sequence[Sequence[int]]
) -> int | None:
    """By trying every table: only for a handful of partitions and nodes. None: there is none."""
    sizes = [list(zone_of).count(zone) for zone in range(max(zone_of) + 1)]
    copies = min(replicas, len(zone_of))
    allowed = most_even(copies, sizes)
    rows = [
        nodes
        for nodes in combinations(range(len(zone_of)), copies)
        if tuple(sum(zone_of[node] == zone for node in nodes) for zone in range(len(sizes))) in allowed
    ]
    # What is left of the quotas -> the fewest moves that lead there.
    known = {tuple(quota): 0}
    for old in before:
        reached: dict[tuple[int, ...], int] = {}
        for left, moves in known.items():
            for nodes in rows:
                rest = tuple(room - (node in nodes) for node, room in enumerate(left))
                if min(rest) >= 0:
                    cost = moves + len(set(nodes) - set(old))
                    reached[rest] = min(cost, reached.get(rest, cost))
        known = reached
    return known.get((0,) * len(quota))


def cheapest(replicas: int, zone_of: Sequence[int], quota: Sequence[int], before: Sequence[Sequence[int]]) -> int:
    """The fewest moves, by a flow with every arc written out and Bellman and Ford's search: for dozens of partitions."""
    arcs = list(_arcs(replicas, zone_of, quota, before))
    neighbours: dict[object, list[int]] = {}
    ends: list[tuple[object, object]] = []
    room: list[int] = []
    price: list[int] = []
    for tail, head, capacity, cost in arcs:
        for one, other, free, paid in ((tail, head, capacity, cost), (head, tail, 0, -cost)):
            neighbours.setdefault(one, []).append(len(ends))
            ends.append((one, other))
            room.append(free)
            price.append(paid)
    placed = total = 0
    while (path := _cheapest_path(neighbours, ends, room, price)) is not None:
        for arc in path:
            room[arc] -= 1
            room[arc ^ 1] += 1
            total += price[arc]
        placed += 1
    assert placed == sum(quota), "the quotas cannot be met"
    return total


def proof(low, high, zone_of, quota, before, node_price, place_price, sink_price) -> int:
    """A number of moves that no table can do without, whatever the prices are (weak duality of linear programs).

    For prices of the right kind it is the true minimum. ``place_price[partition]``: zone -> price, -1 -> price for all other zones.
    """
    copies = sum(quota) // len(before)
    extra = copies - sum(low)
    members: dict[int, list[int]] = {}
    for node, zone in enumerate(zone_of):
        members.setdefault(zone, []).append(node)
    bound = sum(quota) * sink_price
    bound += sum(min(0, price - sink_price) * copies for price, copies in zip(node_price, quota, strict=True))
    for old, prices in zip(before, place_price, strict=True):
        bound += min(0, -prices[-1]) * extra
        for zone, nodes in members.items():
            price = prices.get(zone, prices[-1])
            bound += min(0, -price) * low[zone] + min(0, prices[-1] - price) * (high[zone] - low[zone])
            bound += sum(min(0, (node not in old) + price - node_price[node]) for node in nodes)
    return bound


def _arcs(replicas, zone_of, quota, before) -> Iterator[tuple[object, object, int, int]]:
    zones = range(max(zone_of) + 1)
    spreads = most_even(min(replicas, len(zone_of)), [list(zone_of).count(zone) for zone in zones])
    low = [min(counts[zone] for counts in spreads) for zone in zones]
    high = [max(counts[zone] for counts in spreads) for zone in zones]
    for partition, old in enumerate(before):
        yield "source", ("extra", partition), min(replicas, len(zone_of)) - sum(low), 0
        for zone in zones:
            yield "source", ("slot", partition, zone), low[zone], 0
            yield ("extra", partition), ("slot", partition, zone), high[zone] - low[zone], 0
        for node, zone in enumerate(zone_of):
            yield ("slot", partition, zone), ("node", node), 1, node not in old
    for node, copies in enumerate(quota):
        yield ("node", node), "sink", copies, 0


def _cheapest_path(neighbours, ends, room, price) -> list[int] | None:
    cost: dict[object, int] = {"source": 0}
    came_by: dict[object, int] = {}
    waiting = deque(["source"])
    while waiting:
        here = waiting.popleft()
        for arc in neighbours[here]:
            there = ends[arc][1]
            if room[arc] and cost[here] + price[arc] < cost.get(there, 1 << 30):
                cost[there] = cost[here] + price[arc]
                came_by[there] = arc
                waiting.append(there)
    if "sink" not in cost:
        return None
    path = []
    here: object = "sink"
    while here != "source":
        path.append(came_by[here])
        here = ends[came_by[here]][0]
    return path[::-1]
