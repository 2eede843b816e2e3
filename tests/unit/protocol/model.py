"""What a registry is to its users: a set of links. An operation happens to it at one moment, or is refused at one.

Each step of each actor is held against it (``together``): whatever changes a link is that actor's operation, whole, once, allowed
at that moment; nobody else's step changes any. Who is told that it was done has had that moment between its first step and its
last; who is told that there is no such thing has run through a moment when there was none. So the answers that users get and the
links that are left are those of some order of whole operations that agrees with real time: the order of these moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from holdfast.digest import Digest
    from holdfast.names import Repository

    Link: TypeAlias = tuple[Repository, Digest]


@dataclass(frozen=True)
class Operation:
    """Of a writer, who ``adds``; of who mounts, who ``needs`` the source as well; of who deletes. Of a collector: nothing."""

    adds: Link | None = None
    removes: Link | None = None
    needs: Link | None = None

    def is_allowed(self, links: AbstractSet[Link]) -> bool:
        return self.needs is None or self.needs in links

    def applied(self, links: AbstractSet[Link]) -> frozenset[Link]:
        added = {self.adds} if self.adds else set()
        return frozenset(links | added) - ({self.removes} if self.removes else set())

    @property
    def link(self) -> Link | None:
        return self.adds or self.removes
