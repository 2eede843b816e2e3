"""What a node has to do about one partition, from inventories alone. Pure.

The one who copies is the first in the partition's order that has the blob: it sends to every owner without. An owner that
lacks a blob
fetches it from that same node; whichever of the two comes first does the work, and the other finds it done. A node that is no
owner lets go of its copy when every owner of the newest layout has one.

Copies of different sizes cannot both be right; nothing is sent or dropped on their account before those who hold one have looked
(``doubts``), and until then nobody is done with the partition (``unclear``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.digest import Digest

    Inventory = Mapping[Digest, int]


@dataclass(frozen=True, slots=True)
class Copy:
    """One blob and the other node: whom to send it to, or to fetch it from."""

    digest: Digest
    size_bytes: int
    node_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """``drops``: what may go from here once all owners have confirmed it. ``unclear``: blobs whose copies differ in size."""

    sends: tuple[Copy, ...] = ()
    fetches: tuple[Copy, ...] = ()
    doubts: tuple[Copy, ...] = ()
    drops: tuple[Digest, ...] = ()
    unclear: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.sends or self.fetches or self.unclear or self.drops)


def plan(me: str, owners: Sequence[str], keepers: Sequence[str], inventories: Mapping[str, Inventory]) -> Plan:
    """``owners``: of the newest layout, who shall have a copy. ``keepers``: owners of any live layout, who do not let go of theirs.

    ``inventories``: what each node that could be asked holds, this one's among them, in the partition's order.
    """
    mine = inventories[me]
    sends: list[Copy] = []
    fetches: list[Copy] = []
    doubts: list[Copy] = []
    drops: list[Digest] = []
    unclear = 0
    for digest in sorted({digest for held in inventories.values() for digest in held}, key=str):
        holders = [node for node, held in inventories.items() if digest in held]
        sizes = {inventories[node][digest] for node in holders}
        if len(sizes) > 1:
            unclear += 1
            if digest in mine:
                doubts += [
                    Copy(digest, mine[digest], node) for node in holders if inventories[node][digest] != mine[digest]
                ]
            continue
        size = sizes.pop()
        lacking = [node for node in owners if node in inventories and node not in holders]
        if holders[0] == me:
            sends += [Copy(digest, size, node) for node in lacking]
        if me in lacking:
            fetches.append(Copy(digest, size, holders[0]))
        if digest in mine and me not in keepers:
            drops.append(digest)
    return Plan(tuple(sends), tuple(fetches), tuple(doubts), tuple(drops), unclear)
