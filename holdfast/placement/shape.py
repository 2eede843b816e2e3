"""How many copies of a partition each zone takes.

Promises
  * A partition has ``min(replicas, nodes)`` copies, spread over the zones as evenly as their sizes allow: with at least as many
    zones as copies, no two in one zone; with fewer, each zone takes ``low`` copies, and those that remain lie in different zones.
  * That is water poured into vessels: all zones fill to the same level, a small zone is full before.

Consequence, on which all other modules of this package stand: within a zone, ``low <= copies of one partition <= high <= low + 1``.
Never here: weights. Where the copies go within these bounds is the business of shares and quotas.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Shape:
    """The problem without names and weights: nodes and zones are numbers from 0."""

    partitions: int
    copies: int
    zone_of: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def nodes(self) -> int:
        return len(self.zone_of)

    @property
    def zones(self) -> int:
        return len(self.low)

    @property
    def extra(self) -> int:
        """Copies of a partition that no zone is obliged to take; each of them lies in another zone."""
        return self.copies - sum(self.low)

    def admits(self, zones: Sequence[int]) -> bool:
        """Whether a partition may have its copies, as many as there are, in these zones."""
        counts = Counter(zones)
        obliged = sum(self.low[zone] for zone in counts)
        return obliged == sum(self.low) and all(
            self.low[zone] <= count <= self.high[zone] for zone, count in counts.items()
        )

    def by_zone(self) -> list[list[int]]:
        """The nodes of each zone."""
        members: list[list[int]] = [[] for _ in self.low]
        for node, zone in enumerate(self.zone_of):
            members[zone].append(node)
        return members


def shape(partitions: int, replicas: int, zone_of: Sequence[int]) -> Shape:
    """The shape for these nodes. Zones are numbered without gaps."""
    sizes = [0] * (max(zone_of) + 1)
    for zone in zone_of:
        sizes[zone] += 1
    copies = min(replicas, len(zone_of))
    level = 0
    while level < copies and sum(min(size, level + 1) for size in sizes) <= copies:
        level += 1
    low = tuple(min(size, level) for size in sizes)
    may_exceed = sum(low) < copies
    high = tuple(min(size, level + 1) if may_exceed else least for size, least in zip(sizes, low, strict=True))
    return Shape(partitions, copies, tuple(zone_of), low, high)
