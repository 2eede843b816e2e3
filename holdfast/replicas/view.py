"""What a process of a cluster knows of it at one moment: layouts, members, and who is alive. Values and rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.meta.layouts import NO_LAYOUT, LiveLayouts
from holdfast.meta.members import Intent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.meta.members import Alive, Member
    from holdfast.placement.history import Layouts


@dataclass(frozen=True, slots=True)
class View:
    """One reading of the metadata."""

    live: LiveLayouts = NO_LAYOUT
    members: Mapping[str, Member] = field(default_factory=dict)
    alive: Mapping[str, Alive] = field(default_factory=dict)

    @property
    def layouts(self) -> Layouts | None:
        return self.live.layouts

    @property
    def removed(self) -> frozenset[str]:
        return frozenset(name for name, member in self.members.items() if member.orders.intent is Intent.REMOVED)

    @property
    def present(self) -> frozenset[str]:
        """Who is counted on, alive or not: removed nodes are not waited for and not asked."""
        return frozenset(self.members) - self.removed

    def everybody(self, partition: int) -> tuple[str, ...]:
        """All who may hold a copy: by the layouts first, then members that no layout names. Removed nodes are gone."""
        named = self.layouts.read_order(partition) if self.layouts else ()
        rest = sorted(name for name in self.members if name not in named)
        present = self.present
        return tuple(name for name in (*named, *rest) if name in present)

    def zone_of(self, node_id: str) -> str:
        member = self.members.get(node_id)
        return member.zone if member else ""
