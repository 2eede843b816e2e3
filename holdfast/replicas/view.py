"""What a process of a cluster knows of it at one moment: layouts, members, and who is alive. Values and rules, no I/O.

A node that the operator has removed stays a member, so that its id is never taken again; here it is nobody: it owns nothing, is
asked nothing and is waited for by nobody. Whoever reasons about nodes asks ``present``, never ``members``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.meta.layouts import NO_LAYOUT, LiveLayouts
from holdfast.meta.members import Intent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.meta.members import Alive, Member
    from holdfast.placement.history import Layouts

# Names in remembered orders: with a thousand nodes those of 256 partitions, two MB.
_REMEMBERED_NAMES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class View:
    """One reading of the metadata. ``present``: the members that were not removed; ``placed``: of those, whom the newest layout
    names.
    """

    live: LiveLayouts = NO_LAYOUT
    members: Mapping[str, Member] = field(default_factory=dict)
    alive: Mapping[str, Alive] = field(default_factory=dict)
    present: frozenset[str] = field(init=False, compare=False)
    placed: frozenset[str] = field(init=False, compare=False)
    zones: Mapping[str, str] = field(init=False, compare=False)
    # Orders cost milliseconds with a thousand nodes, and every read and write wants one.
    _orders: dict[int, tuple[str, ...]] = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        zones = {
            name: member.zone for name, member in self.members.items() if member.orders.intent is not Intent.REMOVED
        }
        object.__setattr__(self, "zones", zones)
        object.__setattr__(self, "present", frozenset(zones))
        newest = self.layouts.newest.roles if self.layouts else ()
        object.__setattr__(self, "placed", self.present.intersection(role.node_id for role in newest))

    @property
    def layouts(self) -> Layouts | None:
        return self.live.layouts

    @property
    def removed(self) -> frozenset[str]:
        return frozenset(self.members) - self.present

    @property
    def named(self) -> frozenset[str]:
        """The present nodes that any live layout names."""
        live = self.layouts.live if self.layouts else ()
        return frozenset(role.node_id for layout in live for role in layout.roles) & self.present

    def owners(self, partition: int) -> tuple[str, ...]:
        """Of the newest layout, those that are present."""
        owners = self.layouts.newest.owners(partition) if self.layouts else ()
        return tuple(name for name in owners if name in self.present)

    def keepers(self, partition: int) -> tuple[str, ...]:
        """Owners by any live layout, newest first, those that are present: they get every copy, and do not let go of it."""
        keepers = self.layouts.write_owners(partition) if self.layouts else ()
        return tuple(name for name in keepers if name in self.present)

    def everybody(self, partition: int) -> tuple[str, ...]:
        """All who may hold a copy: keepers, then handoffs, then members that no layout names."""
        found = self._orders.get(partition)
        if found is None:
            named = self.layouts.read_order(partition) if self.layouts else ()
            rest = sorted(self.present.difference(named))
            found = (*(name for name in named if name in self.present), *rest)
            if (len(self._orders) + 1) * len(found) > _REMEMBERED_NAMES:
                self._orders.clear()
            self._orders[partition] = found
        return found
