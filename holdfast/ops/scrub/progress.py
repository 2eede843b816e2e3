"""How far a scrub is that was asked for. A node is through when it has read everything since, and what it found is repaired, or
known to be beyond that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.digest import PARTITIONS
from holdfast.meta.scrubs import Report, State
from holdfast.ops.console import counted
from holdfast.ops.waiting import Look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.ops.scrub.nodes import Scrubbed


def look_at(found: Scrubbed, asked: Mapping[str, int]) -> Look:
    """Partitions are the parts. Raises UnavailableError: a node went away meanwhile."""
    found.require_alive(asked)
    return look(found.scrubs.reports(), asked)


def look(reports: Mapping[str, Report], asked: Mapping[str, int]) -> Look:
    parts, through, repairing = 0, 0, 0
    for node, wish in asked.items():
        report = reports.get(node, Report())
        if report.answered < wish:
            is_this = report.current is not None and report.answering >= wish
            parts += min(PARTITIONS - 1, report.current.partitions_done) if is_this and report.current else 0
        elif report.is_settled:
            parts += PARTITIONS
            through += 1
        else:
            parts += PARTITIONS - 1
            repairing += report.last.counted(State.OPEN) if report.last else 0
    text = f"{through} of {counted(len(asked), 'node')} have read all their copies"
    if repairing:
        text += f"; {counted(repairing, 'copy', 'copies')} being repaired"
    return Look(parts, PARTITIONS * len(asked), text)
