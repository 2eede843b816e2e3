"""The first table: nothing is held yet, so copies may go anywhere.

Promises
  * Every quota is met exactly, and every bound of the shape holds.
  * Nodes that share a partition are mixed: when a node dies, nearly all others help to make its copies anew. An order by
    remaining room would give the same few nodes the same partitions.
  * The dice are hashes of what is drawn for: equal input, equal table.

How: partition after partition draws its zones, then the nodes in each, in proportion to what is left of their quotas. Whoever has
as much left as there are partitions left must be in each of them and is taken first; nothing else can make a draw fail.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.placement.shape import Shape


def drawn(shape: Shape, quota: Sequence[int]) -> list[list[int]]:
    """For each partition its nodes."""
    members = shape.by_zone()
    node_left = [[quota[node] for node in nodes] for nodes in members]
    extra_left = [sum(left) - least * shape.partitions for left, least in zip(node_left, shape.low, strict=True)]
    must = [zone for zone, least in enumerate(shape.low) if least]
    table: list[list[int]] = []
    for partition in range(shape.partitions):
        partitions_left = shape.partitions - partition
        wider = set(_draw(extra_left, partitions_left, shape.extra, f"{partition}"))
        table.append([])
        for zone in sorted(wider.union(must)):
            copies = shape.low[zone] + (zone in wider)
            chosen = _draw(node_left[zone], partitions_left, copies, f"{partition}/{zone}")
            table[-1].extend(members[zone][number] for number in chosen)
    return table


def _draw(left: list[int], partitions_left: int, count: int, what_for: str) -> list[int]:
    """Take one from ``count`` different entries of ``left``, in proportion to their size."""
    if not count:
        return []
    chosen = [number for number, rest in enumerate(left) if rest == partitions_left]
    open_to_chance = left.copy()
    for number in chosen:
        open_to_chance[number] = 0
    while len(chosen) < count:
        sums = list(accumulate(open_to_chance))
        number = bisect_right(sums, _dice(f"{what_for}/{len(chosen)}", sums[-1]))
        open_to_chance[number] = 0
        chosen.append(number)
    for number in chosen:
        left[number] -= 1
    return chosen


def _dice(what_for: str, sides: int) -> int:
    return int.from_bytes(hashlib.blake2b(what_for.encode(), digest_size=8).digest(), "big") % sides
