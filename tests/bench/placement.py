"""Placement in figures: ``python -m tests.bench.placement [NODES ...]``. Prints; asserts nothing.

For each size: a first layout, then what happens to it when a node joins, a node goes, a zone is drained, all weights change.
Columns:

    off       largest departure of a node from its ideal share, in copies and in per cent of the share
    moved     copies that the change sends
    bound     the fewest that the prices prove possible, and what was moved beyond it
    seconds   for the layout
    MiB       most memory that it took beyond what was there (tracemalloc, in a second run: tracing slows down)
    bytes     of the encoded layout
    peers     fewest and most other nodes with which a node shares partitions
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from typing import TYPE_CHECKING

from holdfast.placement import encoding
from holdfast.placement.changes import plan
from holdfast.placement.layout import NodeRole, Rules, shape_of
from holdfast.placement.ring import assign
from holdfast.placement.shares import ideal

if TYPE_CHECKING:
    from holdfast.placement.layout import Layout

SIZES = {3: 3, 10: 5, 100: 5, 1000: 10}
HEAD = "nodes  change            off: copies  per cent   moved   bound  beyond  seconds     MiB   bytes   peers"


def role(number: int, zones: int) -> NodeRole:
    return NodeRole(f"{number:032x}", f"zone-{number % zones}", 4000 + number * 7919 % 8000)


def changes(known: list[NodeRole], zones: int) -> dict[str, list[NodeRole]]:
    return {
        "add a node": [*known, role(len(known), zones)],
        "remove a node": known[:-1],
        "drain a zone": [one for one in known if one.zone != "zone-0"],
        "change all weights": [
            NodeRole(one.node_id, one.zone, 4000 + n * 104729 % 8000) for n, one in enumerate(known)
        ],
    }


def departure(layout: Layout) -> tuple[float, float]:
    shares = ideal(shape_of(layout.rules, layout.roles), [one.weight for one in layout.roles])
    off = [abs(copies - share) for copies, share in zip(layout.copies().values(), shares, strict=True)]
    return float(max(off)), float(max(100 * one / share for one, share in zip(off, shares, strict=True)))


def peers(layout: Layout) -> str:
    found: dict[int, set[int]] = {number: set() for number in range(len(layout.roles))}
    for row in layout.table:
        for node in row:
            found[node].update(row)
    counts = [len(others) - 1 for others in found.values()]
    return f"{min(counts)}-{max(counts)}"


def measure(nodes: int, name: str, version: int, roles: list[NodeRole], old: Layout | None) -> Layout:
    start = time.perf_counter()
    new = assign(version, Rules.majority(), roles, old)
    seconds = time.perf_counter() - start
    tracemalloc.start()
    assign(version, Rules.majority(), roles, old)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found = plan(old, new)
    beyond = found.moved_copies - found.lower_bound_moves
    copies, per_cent = departure(new)
    print(
        f"{nodes:5}  {name:18} {copies:10.2f} {per_cent:10.2f} {found.moved_copies:7} {found.lower_bound_moves:7} {beyond:7}"
        f" {seconds:8.2f} {most_bytes / 2**20:7.1f} {len(encoding.encode(new)):7} {peers(new):>9}",
        flush=True,
    )
    return new


def main() -> None:
    print(HEAD)
    for nodes in [int(text) for text in sys.argv[1:]] or SIZES:
        zones = SIZES.get(nodes, 5)
        known = [role(number, zones) for number in range(nodes)]
        first = measure(nodes, "first layout", 1, known, None)
        for name, roles in changes(known, zones).items():
            measure(nodes, name, 2, roles, first)


if __name__ == "__main__":
    main()
