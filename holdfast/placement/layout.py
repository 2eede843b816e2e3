"""Which nodes own which partition: the values that all processes agree on.

Promises
  * A :class:`Layout` exists only in valid form: every partition has ``min(replicas, nodes)`` different owners, all of them known,
    spread over the zones as evenly as these allow (``shape``). Whoever holds one need not check it again.
  * ``order`` is the same on every machine: a layout and a partition say all about who is asked, and when.

Invariants: roles are sorted by node id; owners are indices into roles; the first owner is the one that is asked first.
Never here: how owners are chosen (``ring``), how layouts are stored (``encoding``), which nodes are alive. A drained node has no
role; weight 0 does not exist.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from holdfast.digest import PARTITIONS
from holdfast.errors import LayoutInvalidError
from holdfast.placement import shape as shapes

# Ids and zones stand in keys, in tables for people and in certificates; 1,000 ids of this length still make a small layout.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
MAX_WEIGHT: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class NodeRole:
    """A node that takes part. ``weight`` is its capacity, in units that are the same for all nodes.

    Raises:
        LayoutInvalidError: an id or zone against the grammar, or a weight that is not 1 to 2**32 - 1.
    """

    node_id: str
    zone: str
    weight: int

    def __post_init__(self) -> None:
        for what, name in (("node id", self.node_id), ("zone", self.zone)):
            if not _NAME.fullmatch(name):
                raise LayoutInvalidError(
                    f"a {what} is 1 to 64 letters, digits, _ . or -, beginning with a letter or digit",
                    {what: name[:80]},
                )
        if not 1 <= self.weight <= MAX_WEIGHT:
            raise LayoutInvalidError(
                f"node {self.node_id} has weight {self.weight}; use 1 to {MAX_WEIGHT}, and drain a node that shall hold nothing"
            )


@dataclass(frozen=True, slots=True)
class Rules:
    """How many copies there are, how many make a write durable, and whether those must lie in different zones at any cost.

    Raises:
        LayoutInvalidError: not ``1 <= write_quorum <= replicas <= 255``.
    """

    replicas: int
    write_quorum: int
    zone_strict: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.write_quorum <= self.replicas <= 255:
            raise LayoutInvalidError(
                f"{self.replicas} replicas, write quorum {self.write_quorum}: use 1 <= write quorum <= replicas <= 255"
            )

    @classmethod
    def majority(cls, replicas: int = 3, zone_strict: bool = False) -> Rules:
        """The usual rules: more than half must be durable, which is at least 2 as soon as there are 2."""
        return cls(replicas, replicas // 2 + 1, zone_strict)


@dataclass(frozen=True, slots=True)
class Layout:
    """One version of the assignment. ``table`` has the owners of each partition, as indices into ``roles``.

    Raises:
        LayoutInvalidError: anything that the module's promises exclude.
    """

    version: int
    rules: Rules
    roles: tuple[NodeRole, ...]
    table: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if self.version < 1:
            raise LayoutInvalidError(f"layout versions begin with 1, not {self.version}")
        _check_roles(self.rules, self.roles)
        if len(self.table) != PARTITIONS:
            raise LayoutInvalidError(f"a layout has {PARTITIONS} partitions, not {len(self.table)}")
        _check_table(shape_of(self.rules, self.roles), self.table)

    def owners(self, partition: int) -> tuple[str, ...]:
        """Who should have a copy, the one that is asked first in front. Raises ValueError: not a partition."""
        return tuple(self.roles[owner].node_id for owner in self._row(partition))

    def handoffs(self, partition: int) -> tuple[str, ...]:
        """All other nodes, in the order in which they stand in for owners. Raises ValueError: not a partition.

        Zones with the fewest copies come first, and no zone gets a second turn before all had one; within that, by hash.
        """
        row = self._row(partition)
        taken = Counter(self.roles[owner].zone for owner in row)
        turns: list[tuple[int, bytes, str]] = []
        others = (role for index, role in enumerate(self.roles) if index not in row)
        for lot, role in sorted((rank(partition, role.node_id), role) for role in others):
            turns.append((taken[role.zone], lot, role.node_id))
            taken[role.zone] += 1
        return tuple(node_id for _, _, node_id in sorted(turns))

    def order(self, partition: int) -> tuple[str, ...]:
        """Every node: the owners, then the handoffs. Raises ValueError: not a partition."""
        return self.owners(partition) + self.handoffs(partition)

    def zones(self) -> dict[str, str]:
        """The zone of each node id."""
        return {role.node_id: role.zone for role in self.roles}

    def copies(self) -> dict[str, int]:
        """How many partitions each node owns."""
        counts = Counter(owner for row in self.table for owner in row)
        return {role.node_id: counts[index] for index, role in enumerate(self.roles)}

    def _row(self, partition: int) -> tuple[int, ...]:
        if not 0 <= partition < PARTITIONS:
            raise ValueError(f"a partition is 0 to {PARTITIONS - 1}, not {partition}")
        return self.table[partition]


def rank(partition: int, node_id: str) -> bytes:
    """The node's lot in this partition (rendezvous hashing): lower comes first. Independent of which other nodes there are."""
    return hashlib.blake2b(b"%d/%s" % (partition, node_id.encode()), digest_size=8).digest()


def shape_of(rules: Rules, roles: tuple[NodeRole, ...]) -> shapes.Shape:
    """Zones numbered by name."""
    numbers = {zone: number for number, zone in enumerate(sorted({role.zone for role in roles}))}
    return shapes.shape(PARTITIONS, rules.replicas, [numbers[role.zone] for role in roles])


def _check_roles(rules: Rules, roles: tuple[NodeRole, ...]) -> None:
    ids = [role.node_id for role in roles]
    if not ids:
        raise LayoutInvalidError("a layout needs at least one node")
    if ids != sorted(set(ids)):
        raise LayoutInvalidError("the roles of a layout are sorted by node id, and no id is there twice")
    zones = len({role.zone for role in roles})
    if rules.zone_strict and zones < rules.write_quorum:
        raise LayoutInvalidError(
            f"zone_strict wants write_quorum ({rules.write_quorum}) zones and there are {zones}: no write could succeed"
        )


def _check_table(shape: shapes.Shape, table: tuple[tuple[int, ...], ...]) -> None:
    known = range(shape.nodes)
    well_spread: set[tuple[int, ...]] = set()
    for partition, row in enumerate(table):
        if len(row) != shape.copies or len(set(row)) != len(row) or not all(owner in known for owner in row):
            raise LayoutInvalidError(
                f"partition {partition:03x} needs {shape.copies} different, known owners, not {row}"
            )
        zones = tuple(shape.zone_of[owner] for owner in row)
        # Few patterns occur, often: each is judged once.
        if zones not in well_spread:
            if not shape.admits(zones):
                raise LayoutInvalidError(f"the owners of partition {partition:03x} are not spread over the zones")
            well_spread.add(zones)
