"""What the metadata says of a cluster at one moment, and what that means for each node. One reading, then pure rules.

Never here: questions to storage nodes. What a node says of itself it says every few seconds under its lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from holdfast.errors import InputError, NodeUnknownError
from holdfast.meta import keys
from holdfast.meta.members import Intent
from holdfast.meta.versions import living

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.meta.layouts import DirtyMark
    from holdfast.meta.members import Alive, Member
    from holdfast.meta.versions import Living
    from holdfast.placement.layout import Layout
    from holdfast.replicas.access import ClusterAccess
    from holdfast.replicas.view import View


MOST_LOST: Final = 1000


class State(StrEnum):
    """How a node is.

    joining: no layout names it yet, or the newest does and it is still being filled. draining: on the operator's order.
    down: no lease. removed: for good.
    """

    JOINING = "joining"
    ACTIVE = "active"
    DRAINING = "draining"
    DOWN = "down"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Picture:
    """``synced``: who has reported that it has synced with the newest layout. ``minimum_version`` "": never set. ``lost``: linked
    blobs of which no node has a good copy, so many that :data:`MOST_LOST` says enough.
    """

    view: View
    synced: frozenset[str] = frozenset()
    waited_for: frozenset[str] = frozenset()
    dirty: tuple[DirtyMark, ...] = ()
    minimum_version: str = ""
    gateways: tuple[Living, ...] = ()
    lost: int = 0

    @property
    def newest(self) -> Layout | None:
        return self.view.layouts.newest if self.view.layouts else None

    @property
    def is_changing(self) -> bool:
        """Whether an older layout is still live."""
        return self.view.layouts is not None and len(self.view.layouts.live) > 1


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A node as the operator sees it. ``partitions``: how many the newest layout gives it."""

    member: Member
    alive: Alive | None
    state: State
    partitions: int

    @property
    def node_id(self) -> str:
        return self.member.node_id


def read(cluster: ClusterAccess) -> Picture:
    """Raises MetadataUnavailableError."""
    view = cluster.directory.refresh()
    newest = view.layouts.newest.version if view.layouts else 0
    minimum = cluster.metadata.get(keys.CLUSTER_MIN_VERSION)
    return Picture(
        view=view,
        synced=frozenset(cluster.book.synced_with(newest)),
        waited_for=frozenset(cluster.book.waited_for(view.live, view.removed)),
        dirty=tuple(cluster.book.dirty()),
        minimum_version=minimum.value.decode("utf-8", "replace") if minimum else "",
        gateways=tuple(process for process in living(cluster.metadata) if process.kind == "gateway"),
        lost=len(cluster.metadata.range(*keys.LOST, MOST_LOST, keys_only=True).entries),
    )


def node_lines(picture: Picture) -> list[NodeLine]:
    """All members, the removed ones last, by zone and address."""
    copies: Mapping[str, int] = picture.newest.copies() if picture.newest else {}
    lines = [
        NodeLine(
            member,
            picture.view.alive.get(name),
            state_of(member, picture),
            copies.get(name, 0),
        )
        for name, member in picture.view.members.items()
    ]
    return sorted(
        lines, key=lambda line: (line.state is State.REMOVED, line.member.zone, line.member.address, line.node_id)
    )


def state_of(member: Member, picture: Picture) -> State:
    if member.orders.intent is Intent.REMOVED:
        return State.REMOVED
    if member.node_id not in picture.view.alive:
        return State.DOWN
    if member.orders.intent is Intent.DRAINING:
        return State.DRAINING
    layouts = picture.view.layouts
    if layouts is None or member.node_id not in layouts.newest.zones():
        return State.JOINING
    is_new = all(member.node_id not in layout.zones() for layout in layouts.live[:-1])
    if picture.is_changing and is_new and member.node_id not in picture.synced:
        return State.JOINING
    return State.ACTIVE


def find(picture: Picture, wanted: str) -> Member:
    """The node with this id or address, or the only one whose id begins so.

    Raises:
        NodeUnknownError: none. InputError: several.
    """
    members = picture.view.members
    if wanted in members:
        return members[wanted]
    found = [member for member in members.values() if member.address == wanted]
    standing = [member for member in found if member.orders.intent is not Intent.REMOVED]
    found = standing or found or [member for name, member in members.items() if wanted and name.startswith(wanted)]
    if not found:
        raise NodeUnknownError(f"no storage node is called {wanted}; `holdfast node ls` lists them", {"node": wanted})
    if len(found) > 1:
        names = ", ".join(member.node_id for member in found)
        raise InputError(f"{wanted} may be one of {names}; write more of the id")
    return found[0]
