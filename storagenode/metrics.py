"""What a storage node counts, as families for ``holdfast.meters``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.meters import Family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storagenode.scrubbing.walk import Counters


def scrubbed(counters: Counters, quarantined: int) -> Iterator[Family]:
    """``quarantined``: bad copies that are kept at this moment."""
    counts = (
        ("rounds", "Times that all copies were read.", counters.rounds),
        ("copies", "Copies that were read.", counters.blobs),
        ("bytes", "Bytes of copies that were read.", counters.size_bytes),
        ("wrong", "Copies that were wrong, and went into quarantine.", counters.wrong),
        ("missing", "Copies that should have been there, and were not.", counters.missing),
    )
    for name, text, count in counts:
        yield _one(Family("counter", f"holdfast_scrub_{name}", text), count)
    yield _one(Family("level", "holdfast_node_quarantined", "Bad copies that are kept in quarantine."), quarantined)


def _one(family: Family, number: float) -> Family:
    family.add((), [number])
    return family
