"""What a cluster's state means: findings, each with a remedy, and a verdict of one line. Pure.

A problem needs somebody (exit 1); a notice is worth knowing and passes, or is only the next step of an operator who is at work.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.digest import PARTITIONS
from holdfast.ops.console import bytes_text, counted, listed
from holdfast.ops.picture import MOST_LOST, State, node_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from holdfast.meta.etcd.operate import EtcdStatus
    from holdfast.ops.picture import NodeLine, Picture
    from holdfast.placement.layout import Layout

# As the metadata store refuses pushes from here on.
QUOTA_MARK: Final = 0.8
_LOW_SPACE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` is a sentence without its end; ``remedy`` says what to do, "" where time does it."""

    is_problem: bool
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        kind = "problem" if self.is_problem else "notice"
        return f"{kind}: {self.what}" + (f"; {self.remedy}" if self.remedy else "")


def findings(etcd: EtcdStatus, seen: Picture | None) -> list[Finding]:
    """Problems first. ``seen`` None: the metadata could not be read."""
    found = [*_etcd(etcd)]
    if seen is not None:
        lines = node_lines(seen)
        found += [*_layout(seen, lines), *_nodes(lines), *_copies(seen), *_versions(seen)]
    return sorted(found, key=lambda finding: not finding.is_problem)


def verdict(found: Collection[Finding], seen: Picture | None) -> str:
    """One line."""
    problems = [finding for finding in found if finding.is_problem]
    if problems:
        more = f" (and {counted(len(problems) - 1, 'more problem')})" if len(problems) > 1 else ""
        return f"needs attention: {problems[0].what}{more}"
    layout = seen.newest if seen else None
    alive = counted(len(seen.view.alive) if seen else 0, "storage node")
    version = (
        f", layout {layout.version}, {counted(layout.rules.replicas, 'copy', 'copies')} of everything" if layout else ""
    )
    return f"healthy: {alive} alive{version}"


def _etcd(etcd: EtcdStatus) -> Iterator[Finding]:
    if not etcd.has_quorum:
        yield Finding(
            True,
            "etcd has no quorum: pushes are refused, pulls of what gateways know go on for a while",
            "bring a majority of its members back",
        )
    for member in etcd.members:
        if member.trouble is not None:
            yield Finding(True, f"etcd member {member.endpoint} does not answer: {member.trouble}", "look at its log")
    for alarm in etcd.alarms:
        remedy = "run `holdfast metadata compact`, then `holdfast metadata defragment`"
        if alarm.kind != "NOSPACE":
            remedy = "stop writing, and restore etcd from a snapshot"
        yield Finding(True, f"etcd has raised the alarm {alarm.kind}", remedy)
    if etcd.quota_bytes and etcd.size_bytes >= QUOTA_MARK * etcd.quota_bytes:
        yield Finding(
            True,
            f"etcd holds {bytes_text(etcd.size_bytes)} of its quota of {bytes_text(etcd.quota_bytes)}: pushes are refused",
            "run `holdfast metadata compact`, then `holdfast metadata defragment`; if that frees nothing, raise the quota",
        )


def _layout(seen: Picture, lines: Collection[NodeLine]) -> Iterator[Finding]:
    if seen.newest is None:
        yield Finding(True, "no layout is applied yet, so nothing can be stored", "run `holdfast layout apply`")
        return
    idle = [line for line in lines if line.state is State.JOINING and not line.partitions]
    if idle:
        names = listed(line.node_id for line in idle)
        yield Finding(False, f"no layout names {names} yet, so it holds nothing", "run `holdfast layout plan`")
    gone = sorted(seen.view.removed & seen.newest.zones().keys())
    if gone:
        what = f"layout {seen.newest.version} still names {listed(gone)}, removed for good"
        yield Finding(True, what, "run `holdfast layout apply`")
    if seen.is_changing:
        silent = seen.waited_for - seen.view.alive.keys()
        what = (
            f"layout {seen.newest.version} is being reached; waiting for {listed(sorted(seen.waited_for)) or 'nobody'}"
        )
        remedy = (
            f"{listed(sorted(silent))} is down: bring it back, or run `holdfast layout skip-dead`"
            if silent
            else "it goes on by itself"
        )
        yield Finding(bool(silent), what, remedy)


def _nodes(lines: Collection[NodeLine]) -> Iterator[Finding]:
    for line in lines:
        name, alive = f"node {line.node_id} ({line.member.address})", line.alive
        if line.state is State.REMOVED:
            continue
        if alive is None:
            remedy = "start it; if its disk is lost: `holdfast node remove --force`, then `holdfast layout apply`"
            yield Finding(True, f"{name} is down", remedy)
            continue
        if alive.read_only:
            yield Finding(True, f"{name} takes no more writes", "its disk refused to keep something: look at its log")
        if alive.quarantined:
            copies = counted(alive.quarantined, "bad copy", "bad copies")
            yield Finding(
                False, f"{name} keeps {copies} in quarantine", "look at its disk, then empty its quarantine folder"
            )
        if alive.is_full:
            yield Finding(
                True,
                f"{name} is full: {bytes_text(alive.free_bytes)} are free, and {bytes_text(alive.reserve_bytes)} stay so."
                " It takes nothing more, and other nodes keep what belongs to it",
                "`holdfast gc` tells what garbage waits; add a node and run `holdfast layout apply`",
            )
        elif alive.free_bytes < _LOW_SPACE * alive.capacity_bytes:
            yield Finding(
                True,
                f"{name} has only {bytes_text(alive.free_bytes)} of {bytes_text(alive.capacity_bytes)} free",
                "add a node and run `holdfast layout apply`",
            )
        if line.state is State.DRAINING:
            yield Finding(False, f"{name} is being drained", "`holdfast node show` tells what it still holds")


def _copies(seen: Picture) -> Iterator[Finding]:
    if seen.lost:
        blobs = counted(seen.lost, "blob") + (" or more" if seen.lost >= MOST_LOST else "")
        what = f"{blobs} that images need {'has' if seen.lost == 1 else 'have'} no good copy left"
        yield Finding(True, what, "`holdfast scrub --report` tells which images; push those again")
    if seen.newest is None:
        return
    counts = living_copies(seen)
    quorum = seen.newest.rules.write_quorum
    if counts[0]:
        what = (
            f"{counted(counts[0], 'partition')} of {PARTITIONS} have no living owner: what they hold cannot be pulled"
        )
        yield Finding(True, what, "bring back the nodes that are down")
    few = sum(number for living, number in counts.items() if 0 < living < min(quorum, len(seen.newest.roles)))
    if few:
        yield Finding(
            True,
            f"{counted(few, 'partition')} have fewer than {quorum} living owners",
            "bring back the nodes that are down",
        )
    if seen.dirty:
        marked = len({mark.partition for mark in seen.dirty})
        yield Finding(
            True,
            f"{counted(marked, 'partition')} took writes that are short of copies",
            "repair makes them by itself once all owners are up",
        )


def living_copies(seen: Picture) -> Counter[int]:
    """How many partitions have so many living owners in the oldest live layout, whose owners are known to hold the data."""
    layouts = seen.view.layouts
    if layouts is None:
        return Counter()
    return _living(layouts.oldest, seen.view.alive.keys() - seen.view.removed)


def _living(layout: Layout, alive: Collection[str]) -> Counter[int]:
    is_alive = [role.node_id in alive for role in layout.roles]
    return Counter(sum(is_alive[owner] for owner in row) for row in layout.table)


def versions_in_use(seen: Picture) -> Mapping[str, int]:
    """How many storage nodes and gateways run which version."""
    nodes = (alive.version for alive in seen.view.alive.values())
    gateways = (gateway.version for gateway in seen.gateways)
    return dict(sorted(Counter((*nodes, *gateways)).items()))


def _versions(seen: Picture) -> Iterator[Finding]:
    versions = versions_in_use(seen)
    if len(versions) > 1:
        what = "storage nodes and gateways run versions " + listed(
            f"{version} ({count})" for version, count in versions.items()
        )
        minimum = (
            f"; new forms wait until the cluster's minimum, {seen.minimum_version}, is raised"
            if seen.minimum_version
            else ""
        )
        yield Finding(False, what + minimum, "finish the upgrade, then run `holdfast metadata raise-version`")
