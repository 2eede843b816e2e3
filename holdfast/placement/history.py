"""Several layouts at once, while one gives way to the next.

Promises
  * Writes go to the owners in all live versions, so that no version can be retired and take an acknowledged write with it.
  * Reads begin with the oldest live version: its owners are known to hold the data, those of newer ones may still wait for it.

Invariant: versions rise. Never here: when a version may be retired; that is decided by who has synced.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from holdfast.errors import LayoutInvalidError

if TYPE_CHECKING:
    from holdfast.placement.layout import Layout


@dataclass(frozen=True, slots=True)
class Layouts:
    """The live versions, oldest first.

    Raises:
        LayoutInvalidError: none, or versions that do not rise.
    """

    live: tuple[Layout, ...]

    def __post_init__(self) -> None:
        if not self.live:
            raise LayoutInvalidError("there is no live layout; apply one")
        if any(one.version >= other.version for one, other in pairwise(self.live)):
            raise LayoutInvalidError("live layouts are listed oldest first, each version once")

    @property
    def newest(self) -> Layout:
        return self.live[-1]

    @property
    def oldest(self) -> Layout:
        return self.live[0]

    def write_owners(self, partition: int) -> tuple[str, ...]:
        """Who must get a copy: owners in any live version, newest first. Raises ValueError: not a partition."""
        owners = (layout.owners(partition) for layout in reversed(self.live))
        return tuple(dict.fromkeys(chain.from_iterable(owners)))

    def read_order(self, partition: int) -> tuple[str, ...]:
        """Whom to ask for a copy, each node once. Raises ValueError: not a partition.

        The owners of the oldest version, of the newest, of those between from new to old; then the newest version's handoffs.
        """
        versions = (self.oldest, *reversed(self.live[1:]))
        owners = chain.from_iterable(layout.owners(partition) for layout in versions)
        return tuple(dict.fromkeys(chain(owners, self.newest.handoffs(partition))))

    def zones(self) -> dict[str, str]:
        """The zone of each node of any live version, as the newest that has it says."""
        return {node: zone for layout in self.live for node, zone in layout.zones().items()}

    def after_applied(self, layout: Layout) -> Layouts:
        """With a newer version. Raises LayoutInvalidError: it is not newer."""
        return Layouts((*self.live, layout))

    def after_retired(self, version: int) -> Layouts:
        """Without this version and those before it: data that need not be where it says need not be where they say.

        Raises:
            LayoutInvalidError: the newest version, or one that is not live.
        """
        if version == self.newest.version:
            raise LayoutInvalidError(f"layout {version} is the newest and cannot be retired; apply another first")
        if version not in {layout.version for layout in self.live}:
            raise LayoutInvalidError(f"layout {version} is not live")
        return Layouts(tuple(layout for layout in self.live if layout.version > version))
