"""Which owner of a partition is asked first.

Promises
  * Each node leads its share of the partitions that it owns: their number divided by the copies, rounded down or up. Reads are
    spread as copies are.
  * Whoever led a partition before goes on where that allows it: what it has in its page cache stays of use.

Why it can always be done: if every owner led its partition for an equal part of the time, all shares would be met; bounds are whole
numbers, so there is a whole solution too, and wherever one is missing, a chain of hand-overs leads to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def leads(nodes: int, table: Sequence[Sequence[int]], preferred: Sequence[int | None]) -> list[int]:
    """For each partition the owner that leads it. ``table``: owners, equally many everywhere. ``preferred``: who led before."""
    chosen = _Leads(nodes, table)
    for partition, node in enumerate(preferred):
        chosen.begin(partition, node)
    for node in range(nodes):
        chosen.settle(node)
    for node in range(nodes):
        chosen.fill(node)
    return [leader for leader in chosen.leader if leader is not None]


class _Leads:
    def __init__(self, nodes: int, table: Sequence[Sequence[int]]) -> None:
        self._table = table
        self._owned: list[list[int]] = [[] for _ in range(nodes)]
        for partition, owners in enumerate(table):
            for node in owners:
                self._owned[node].append(partition)
        copies = len(table[0])
        self._least = [len(owned) // copies for owned in self._owned]
        self._most = [-(-len(owned) // copies) for owned in self._owned]
        self.leader: list[int | None] = [None] * len(table)
        self._led = [0] * nodes

    def begin(self, partition: int, preferred: int | None) -> None:
        owners = self._table[partition]
        if preferred in owners and preferred is not None and self._led[preferred] < self._most[preferred]:
            self._hand(partition, preferred)
        else:
            self._hand(partition, min(owners, key=lambda node: self._led[node] - self._least[node]))

    def settle(self, node: int) -> None:
        """Hand on what the node leads beyond its share."""
        while self._led[node] > self._most[node]:
            self._shift(self._chain(node, away=True))

    def fill(self, node: int) -> None:
        """Take over what the node lacks."""
        while self._led[node] < self._least[node]:
            self._shift(self._chain(node, away=False))

    def _chain(self, start: int, *, away: bool) -> list[tuple[int, int]]:
        """(partition, its new leader) for each hand-over, to or from the nearest node that can do with one more or one less."""
        came_by: dict[int, tuple[int, int]] = {}
        waiting = [start]
        for node in waiting:
            for partition, other in self._given(node) if away else self._taken(node):
                if other == start or other in came_by:
                    continue
                came_by[other] = (node, partition)
                waiting.append(other)
                if self._led[other] < self._most[other] if away else self._led[other] > self._least[other]:
                    return list(_back(came_by, other, start, away=away))
        return []

    def _given(self, node: int) -> Iterator[tuple[int, int]]:
        for partition in self._owned[node]:
            if self.leader[partition] == node:
                for other in self._table[partition]:
                    yield partition, other

    def _taken(self, node: int) -> Iterator[tuple[int, int]]:
        for partition in self._owned[node]:
            leader = self.leader[partition]
            if leader is not None:
                yield partition, leader

    def _shift(self, chain: list[tuple[int, int]]) -> None:
        for partition, node in chain:
            self._hand(partition, node)

    def _hand(self, partition: int, node: int) -> None:
        old = self.leader[partition]
        if old is not None:
            self._led[old] -= 1
        self.leader[partition] = node
        self._led[node] += 1


def _back(came_by: dict[int, tuple[int, int]], end: int, start: int, *, away: bool) -> Iterator[tuple[int, int]]:
    here = end
    while here != start:
        node, partition = came_by[here]
        yield partition, here if away else node
        here = node
