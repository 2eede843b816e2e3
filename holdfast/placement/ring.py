"""From rules and roles to a layout.

Promises
  * Valid (``layout``), balanced (``shares``), and of all tables with these quotas the one that moves the fewest copies from the
    previous layout (``search``). Nothing changed: nothing moves.
  * Equal input gives equal bytes, on every machine.

Never here: I/O, a clock, randomness. The parts: ``shape`` says what zones allow, ``shares`` how much each node gets, ``draw`` makes
a table from nothing, ``search`` one from the previous, ``leads`` says who is asked first.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from holdfast.digest import PARTITIONS
from holdfast.errors import LayoutInvalidError
from holdfast.placement.draw import drawn
from holdfast.placement.layout import Layout, NodeRole, Rules, rank, shape_of
from holdfast.placement.leads import leads
from holdfast.placement.search import rearranged
from holdfast.placement.shares import ideal, quotas

if TYPE_CHECKING:
    from collections.abc import Iterable


def assign(version: int, rules: Rules, roles: Iterable[NodeRole], previous: Layout | None) -> Layout:
    """The layout for these roles that is nearest to the previous one.

    Raises:
        LayoutInvalidError: no nodes, one of them twice, too few zones for ``zone_strict``, or a version that is not newer.
    """
    roles = tuple(sorted(roles, key=lambda role: role.node_id))
    if previous is not None and version <= previous.version:
        raise LayoutInvalidError(f"layout {version} cannot follow {previous.version}; versions rise")
    if not roles:
        raise LayoutInvalidError("a layout needs at least one node")
    shape = shape_of(rules, roles)
    before = carried(previous, roles)
    held = Counter(node for row in before for node in row)
    quota = quotas(shape, ideal(shape, [role.weight for role in roles]), [held[node] for node in range(shape.nodes)])
    table = rearranged(shape, quota, before) if held else drawn(shape, quota)
    first = leads(shape.nodes, table, _leaders(previous, roles))
    return Layout(
        version,
        rules,
        roles,
        tuple(_ordered(partition, row, first[partition], roles) for partition, row in enumerate(table)),
    )


def carried(previous: Layout | None, roles: tuple[NodeRole, ...]) -> list[list[int]]:
    """For each partition its previous owners that still have a role, as indices into ``roles``."""
    if previous is None:
        return [[] for _ in range(PARTITIONS)]
    numbers = {role.node_id: number for number, role in enumerate(roles)}
    here = [numbers.get(role.node_id) for role in previous.roles]
    return [[number for owner in row if (number := here[owner]) is not None] for row in previous.table]


def _leaders(previous: Layout | None, roles: tuple[NodeRole, ...]) -> list[int | None]:
    if previous is None:
        return [None] * PARTITIONS
    numbers = {role.node_id: number for number, role in enumerate(roles)}
    return [numbers.get(previous.roles[row[0]].node_id) for row in previous.table]


def _ordered(partition: int, row: list[int], first: int, roles: tuple[NodeRole, ...]) -> tuple[int, ...]:
    return tuple(sorted(row, key=lambda node: (node != first, rank(partition, roles[node].node_id))))
