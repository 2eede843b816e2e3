"""``holdfast status``: etcd, nodes, layouts and copies on one page, and a verdict of one line. With an image: can it be pulled.

Exit 0: healthy, or it can be pulled; 1: something needs somebody, or nothing could be learned. ``--watch`` goes on until it is
interrupted: 130 after Ctrl-C, 143 after SIGTERM, with the terminal as it was before.

``--json`` writes {verdict, healthy, findings, etcd, layout, partitions, nodes, gateways, versions, minimumVersion};
``layout`` and the rest are null while etcd has no quorum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from holdfast.digest import PARTITIONS
from holdfast.errors import UnavailableError
from holdfast.ops import console, picture
from holdfast.ops.layout.planned import rules_text
from holdfast.ops.layout.show import as_json as layout_json
from holdfast.ops.node import lines as nodes
from holdfast.ops.reach import AsJson, ConfigFile, reached
from holdfast.ops.status import health, looking
from holdfast.ops.status import image as images
from holdfast.ops.status.metadata import etcd_json, etcd_table
from holdfast.ops.watching import watch as watch_until_ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from holdfast.meta.etcd.operate import EtcdStatus
    from holdfast.ops.console import JsonObject
    from holdfast.ops.picture import Picture
    from holdfast.replicas.access import ClusterAccess

_EVERY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """``seen`` None: the metadata could not be read."""

    etcd: EtcdStatus
    seen: Picture | None
    findings: tuple[health.Finding, ...]

    @property
    def is_healthy(self) -> bool:
        return not any(finding.is_problem for finding in self.findings)


def status(
    image: Annotated[
        str | None,
        typer.Argument(metavar="[IMAGE]", help="repository:tag or repository@digest: why can it not be pulled?"),
    ] = None,
    config: ConfigFile = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every two seconds, until interrupted.")] = False,
    json_output: AsJson = False,
) -> None:
    """Say whether the cluster is well, and what needs somebody if it is not. Exit 1 then.

    With IMAGE: whether that image can be pulled, and where each of its parts lies.
    """
    if image is not None and watch:
        raise typer.BadParameter("--watch is for the whole cluster")
    with reached(config) as cluster:
        if image is not None:
            raise _tell_image(looking.look(cluster, picture.read(cluster), image), json_output=json_output)
        if watch:
            watch_until_ended(lambda: look(cluster), describe, as_json if json_output else None, _EVERY_SECONDS)
        report = look(cluster)
    if json_output:
        console.show_json(as_json(report))
    else:
        console.show(*describe(report))
    raise typer.Exit(0 if report.is_healthy else 1)


def _tell_image(found: images.Image, *, json_output: bool) -> typer.Exit:
    if json_output:
        console.show_json(images.as_json(found))
    else:
        console.show(*images.describe(found))
    return typer.Exit(1 if found.faults else 0)


def look(cluster: ClusterAccess) -> Report:
    """One reading. Raises nothing for an etcd that does not answer: that is what it reports."""
    etcd = cluster.metadata.status()
    seen = None
    if etcd.has_quorum:
        try:
            seen = picture.read(cluster)
        except UnavailableError:
            seen = None  # lost in between; the next look says so
    return Report(etcd, seen, tuple(health.findings(etcd, seen)))


def describe(report: Report) -> Iterator[RenderableType]:
    seen = report.seen
    yield health.verdict(report.findings, seen)
    yield from (f"  {finding}" for finding in report.findings)
    yield etcd_table(report.etcd)
    if seen is None:
        return
    lines = [line for line in picture.node_lines(seen) if line.state is not picture.State.REMOVED]
    yield nodes.as_table(lines)
    if seen.newest is not None and seen.view.layouts is not None:
        live = ", ".join(str(layout.version) for layout in seen.view.layouts.live)
        yield f"live layouts: {live}; {rules_text(seen.newest)}"
        yield _copies_line(seen)
    versions = console.listed(f"{version} ({count})" for version, count in health.versions_in_use(seen).items())
    yield f"gateways: {len(seen.gateways)} alive"
    yield f"versions: {versions or 'none'}; the cluster's minimum: {seen.minimum_version or 'not set'}"


def _copies_line(seen: Picture) -> str:
    counts = sorted(health.living_copies(seen).items(), reverse=True)
    parts = [f"{number} with {living} living" for living, number in counts]
    marked = len({mark.partition for mark in seen.dirty})
    return f"partitions: {', '.join(parts)} of {PARTITIONS}; {marked} marked short of copies"


def as_json(report: Report) -> JsonObject:
    seen = report.seen
    lines = picture.node_lines(seen) if seen else []
    return {
        "verdict": health.verdict(report.findings, seen),
        "healthy": report.is_healthy,
        "findings": [
            {"problem": finding.is_problem, "what": finding.what, "remedy": finding.remedy}
            for finding in report.findings
        ],
        "etcd": etcd_json(report.etcd),
        "layout": layout_json(seen) if seen else None,
        "partitions": _partitions_json(seen) if seen else None,
        "nodes": [nodes.as_json(line) for line in lines] if seen else None,
        "gateways": [{"gateway": one.process_id, "version": one.version} for one in seen.gateways] if seen else None,
        "versions": dict(health.versions_in_use(seen)) if seen else None,
        "minimumVersion": (seen.minimum_version or None) if seen else None,
    }


def _partitions_json(seen: Picture) -> JsonObject:
    return {
        "total": PARTITIONS,
        "byLivingCopies": {str(living): number for living, number in sorted(health.living_copies(seen).items())},
        "short": sorted({mark.partition for mark in seen.dirty}),
    }
