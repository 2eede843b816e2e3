"""What scrubs have found: of each node, of each copy, and of the images that a loss touches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from holdfast.digest import PARTITIONS
from holdfast.meta.dangling import dangling
from holdfast.meta.scrubs import Report, State
from holdfast.meta.touched import touched
from holdfast.ops.console import bytes_text, counted, listed, row, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from holdfast.meta.dangling import Dangling
    from holdfast.meta.lost import Lost
    from holdfast.meta.scrubs import Finding, Round
    from holdfast.meta.touched import Touched
    from holdfast.ops.console import JsonObject
    from holdfast.ops.scrub.nodes import Scrubbed

# Of blobs that are lost: images are looked up for so many.
MOST_LOST: Final = 1000
_SHOWN: Final = 40
_STATES: Final = {
    State.OPEN: "not repaired yet",
    State.HEALED: "repaired",
    State.LOST: "lost",
    State.UNLINKED: "nobody needs it",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """``lost``: what is linked and has no good copy; ``more``: how many more there are; ``images``: whom that touches.
    ``dangling``: references that nothing is linked for.
    """

    reports: Mapping[str, Report]
    lost: Sequence[Lost]
    more: int
    images: Sequence[Touched]
    dangling: Sequence[Dangling] = ()

    @property
    def open(self) -> int:
        """Copies that are not repaired yet."""
        return sum(report.last.counted(State.OPEN) for report in self.reports.values() if report.last)

    @property
    def is_well(self) -> bool:
        return not self.lost and not self.open and not self.dangling and self.is_read

    @property
    def is_read(self) -> bool:
        """All of it, by everybody, at some time."""
        return all(
            report.last is not None and report.last.is_whole and not report.last.unread
            for report in self.reports.values()
        )


def of(found: Scrubbed, nodes: Sequence[str], *, whole: bool) -> Outcome:
    """``whole``: manifests are looked at as well, which reads all refs and links. Raises MetadataUnavailableError."""
    reports = found.scrubs.reports()
    all_lost = found.lost.all()
    lost = list(islice(all_lost, MOST_LOST))
    images = touched(found.store, found.repos, (one.digest for one in lost))
    hanging = list(islice(dangling(found.store), MOST_LOST)) if whole else ()
    chosen = {node: reports.get(node, Report()) for node in nodes}
    return Outcome(chosen, lost, sum(1 for _ in all_lost), images, hanging)


def describe(told: Outcome) -> Iterator[RenderableType]:
    numbers = ("copies", "bytes", "wrong", "missing", "repaired", "lost")
    made = table("node", "read", *numbers, right=numbers)
    for node, report in told.reports.items():
        one = report.last
        if one is None:
            row(made, node, "never" if report.current is None else _under_way(report.current))
            continue
        when = _time(one.ended_seconds) if report.current is None else _under_way(report.current)
        counts = (one.wrong, one.missing, one.counted(State.HEALED), one.counted(State.LOST))
        row(made, node, when, one.blobs, bytes_text(one.size_bytes), *map(str, counts))
    yield made
    findings = [(node, one) for node, report in told.reports.items() if report.last for one in report.last.findings]
    if findings:
        yield _findings(findings)
    if told.images:
        yield _images(told.images)
    yield from (
        f"{one.repository}: manifest {one.manifest} references {one.child}, which is not linked; push it again"
        for one in told.dangling[:_SHOWN]
    )
    yield _verdict(told)


def _findings(findings: Sequence[tuple[str, Finding]]) -> RenderableType:
    made = table("node", "copy of", "what was wrong", "now")
    for node, one in findings[:_SHOWN]:
        row(made, node, one.digest, one.fault, _STATES[one.state])
    if len(findings) > _SHOWN:
        row(made, f"and {len(findings) - _SHOWN} more", "--json has them")
    return made


def _images(images: Sequence[Touched]) -> RenderableType:
    made = table("repository", "lost to it", "manifests", "tags")
    for one in images[:_SHOWN]:
        row(made, one.repository, one.digest, len(one.manifests), listed(one.tags))
    if len(images) > _SHOWN:
        row(made, f"and {len(images) - _SHOWN} more", "--json has them")
    return made


def _verdict(told: Outcome) -> str:
    if told.lost:
        mirrored = bool(told.images) and all(one.is_mirrored for one in told.images)
        remedy = "sync workers fetch it again" if mirrored else "push these images again, or delete them"
        return f"no good copy is left of {counted(len(told.lost) + told.more, 'blob')}: {remedy}"
    if told.dangling:
        return f"{counted(len(told.dangling), 'reference')} of manifests that lead nowhere"
    if told.open:
        return (
            f"{counted(told.open, 'copy', 'copies')} not repaired yet; `holdfast repair status` tells how far that is"
        )
    return _unread(told) or "every blob that is linked has a good copy"


def _unread(told: Outcome) -> str:
    """Why not everything has been read; "" if it has."""
    given_up = [node for node, report in told.reports.items() if report.last is not None and not report.last.is_whole]
    if given_up:
        return (
            f"{listed(given_up)} could not read many copies in a row and gave up: look at its disk, then run this again"
        )
    blind = [
        f"{node} ({report.last.unread})" for node, report in told.reports.items() if report.last and report.last.unread
    ]
    if blind:
        return (
            f"directories or copies that could not be read, so nobody knows about them: {listed(blind)}; look at the"
            " disk, then run this again"
        )
    if not told.is_read:
        return "not everything has been read yet"
    return ""


def _under_way(found: Round) -> str:
    return f"under way, {found.partitions_done} of {PARTITIONS} parts"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def as_json(told: Outcome) -> JsonObject:
    return {
        "well": told.is_well,
        "nodes": [
            {"node": node, "last": _round_json(report.last), "current": _round_json(report.current)}
            for node, report in told.reports.items()
        ],
        "lost": [
            {"digest": str(one.digest), "fault": one.fault, "found": _time(one.found_seconds)} for one in told.lost
        ],
        "moreLost": told.more,
        "dangling": [
            {"repository": one.repository, "manifest": str(one.manifest), "digest": str(one.child)}
            for one in told.dangling
        ],
        "images": [
            {
                "repository": one.repository,
                "digest": str(one.digest),
                "manifests": [str(manifest) for manifest in one.manifests],
                "tags": list(one.tags),
                "mirrored": one.is_mirrored,
            }
            for one in told.images
        ],
    }


def _round_json(found: Round | None) -> JsonObject | None:
    if found is None:
        return None
    return {
        "began": _time(found.began_seconds),
        "ended": _time(found.ended_seconds) if found.ended_seconds else None,
        "partitionsDone": found.partitions_done,
        "copies": found.blobs,
        "bytes": found.size_bytes,
        "wrong": found.wrong,
        "missing": found.missing,
        "unclear": found.unclear,
        "unread": found.unread,
        "repaired": found.counted(State.HEALED),
        "lost": found.counted(State.LOST),
        "findings": [
            {"digest": str(one.digest), "fault": one.fault, "state": one.state.name.lower()} for one in found.findings
        ],
    }
