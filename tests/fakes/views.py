"""Views of a cluster, made by hand.

    view = view_of(layout_of(1, "a", "b", "c"), members=("a", "b", "c", "d"), down=("b",), removed=("d",))

Layouts are made by rotation, which is valid and costs nothing; all nodes are in one zone unless ``zones`` says otherwise.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.digest import PARTITIONS
from holdfast.meta.layouts import LiveLayouts
from holdfast.meta.members import Alive, Declared, Intent, Member, Orders
from holdfast.placement.history import Layouts
from holdfast.placement.layout import Layout, NodeRole, Rules
from holdfast.replicas.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

THREE = Rules(3, 2)
ALIVE = Alive(b"boot", "0", "host", 1 << 39, 1 << 40)


@functools.cache
def layout_of(version: int, *names: str, rules: Rules = THREE, turn: int = 0) -> Layout:
    """Partition p is owned by the nodes p + turn, p + turn + 1 and so on, in the order of their names."""
    names = tuple(sorted(names))
    copies = min(rules.replicas, len(names))
    rows = [tuple((first + number) % len(names) for number in range(copies)) for first in range(len(names))]
    table = tuple(rows[(partition + turn) % len(names)] for partition in range(PARTITIONS))
    return Layout(version, rules, tuple(NodeRole(name, "z", 1) for name in names), table)


def member_of(name: str, zone: str = "z", intent: Intent = Intent.PRESENT) -> Member:
    return Member(name, Declared(f"{name}:1", zone, 1 << 40), Orders(intent=intent), 0.0)


def view_of(
    *live: Layout,
    members: Iterable[str] = (),
    down: Iterable[str] = (),
    removed: Iterable[str] = (),
    read_only: Iterable[str] = (),
    zones: Mapping[str, str] | None = None,
    revision: int = 7,
) -> View:
    """``members``: besides those that the layouts name."""
    names = {role.node_id for layout in live for role in layout.roles} | set(members)
    intents = dict.fromkeys(removed, Intent.REMOVED)
    known = {name: member_of(name, (zones or {}).get(name, "z"), intents.get(name, Intent.PRESENT)) for name in names}
    alive = {name: replace(ALIVE, read_only=name in read_only) for name in names - set(down)}
    return View(LiveLayouts(revision, Layouts(live) if live else None), known, alive)
