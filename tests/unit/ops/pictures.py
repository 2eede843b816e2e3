"""Pictures of clusters, written in a line: ``picture("a@one", "b@two:200", layout=...)``."""

from __future__ import annotations

from holdfast.meta.layouts import LiveLayouts
from holdfast.meta.members import Alive, Declared, Intent, Member, Orders, Progress
from holdfast.meta.versions import Living
from holdfast.ops.picture import Picture
from holdfast.placement import ring
from holdfast.placement.history import Layouts
from holdfast.placement.layout import NodeRole, Rules
from holdfast.replicas.view import View

GIB = 1 << 30


def member(text: str, intent: Intent = Intent.PRESENT) -> Member:
    """``name@zone:weight``."""
    name, _, rest = text.partition("@")
    zone, _, weight = rest.partition(":")
    declared = Declared(f"{name}.example:5100", zone or "z", 100 * GIB, int(weight or 100))
    return Member(name, declared, Orders(intent=intent), 0.0)


def alive(free_bytes: int = 60 * GIB, **more) -> Alive:
    return Alive(b"boot", more.pop("version", "1.0.0"), "host", free_bytes, 100 * GIB, repair=Progress(), **more)


def layout(version: int, *nodes: str, rules: Rules | None = None, previous=None):
    """Of nodes written as for ``member``."""
    found = [member(node) for node in nodes]
    roles = [NodeRole(one.node_id, one.zone, one.weight) for one in found]
    return ring.assign(version, rules or Rules.majority(min(3, len(roles))), roles, previous)


def picture(
    *nodes: str,
    layouts=(),
    down=(),
    draining=(),
    removed=(),
    waited_for=(),
    dirty=(),
    says=None,
    minimum_version="",
    gateways=(),
) -> Picture:
    """``says``: what nodes say of themselves where it is out of the ordinary, by name."""
    found = {}
    for text in nodes:
        name = text.partition("@")[0]
        intent = Intent.DRAINING if name in draining else Intent.REMOVED if name in removed else Intent.PRESENT
        found[name] = member(text, intent)
    living = {name: (says or {}).get(name, alive()) for name in found if name not in down}
    live = LiveLayouts(7, Layouts(tuple(layouts))) if layouts else LiveLayouts(0, None)
    named = set(layouts[-1].zones()) if layouts else set()
    return Picture(
        View(live, found, living),
        synced=frozenset(named - set(waited_for)),
        waited_for=frozenset(waited_for),
        dirty=tuple(dirty),
        minimum_version=minimum_version,
        gateways=tuple(Living("gateway", f"g{number}", version) for number, version in enumerate(gateways)),
    )
