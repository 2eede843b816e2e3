"""What a storage node counts, as families for ``holdfast.meters``.

``route`` is that of a disk: "/" for the main one, else a key of ``storage.subPaths``. Times are seconds since 1970, by the node's
clock: what has not happened yet has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.meta.scrubs import State
from holdfast.meters import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from holdfast.meta.members import Progress
    from holdfast.meta.scrubs import Report
    from holdfast.meters import Kind
    from storagenode.collecting.part import Counted
    from storagenode.disk.space import Space
    from storagenode.scrubbing.walk import Counters
    from storagenode.tidying import Trashed

    _Measure: TypeAlias = tuple[str, str, Callable[[Counted], float]]


def node(uploads: int, quarantined: int, began_seconds: float) -> Iterator[Family]:
    """``quarantined``: bad copies that are kept at this moment."""
    yield _one("level", "holdfast_node_start_timestamp_seconds", "When this storage node began.", began_seconds)
    yield _one("level", "holdfast_node_uploads_open", "Uploads that have begun and are not finished.", uploads)
    yield _one("level", "holdfast_node_quarantined", "Bad copies that are kept in quarantine.", quarantined)


def disks(spaces: Mapping[str, Space], trashed: Mapping[str, Trashed]) -> Iterator[Family]:
    """A disk that does not answer tells nothing of its room."""
    capacity = _level("holdfast_disk_capacity_bytes", "Size of the disk's file system.")
    free = _level("holdfast_disk_free_bytes", "Free bytes of it.")
    reserve = _level("holdfast_disk_reserve_bytes", "Below so many free bytes no push is taken.")
    read_only = _level("holdfast_disk_read_only", "1: no writes since an fsync failed; the node wants a restart.")
    for route, space in spaces.items():
        reserve.add(_at(route), [space.reserve_bytes])
        read_only.add(_at(route), [space.is_read_only])
        try:
            room = space.room()
        except OSError:
            continue
        capacity.add(_at(route), [room.capacity_bytes])
        free.add(_at(route), [room.free_bytes])
    yield from (capacity, free, reserve, read_only)
    held = _level("holdfast_trash_bytes", "Bytes in the trash, seen within the last minute.")
    emptied = _counter("holdfast_trash_emptied_bytes", "Bytes that left the trash: room that came back.")
    for route, one in trashed.items():
        held.add(_at(route), [one.held.size_bytes])
        emptied.add(_at(route), [one.emptied.size_bytes])
    yield from (held, emptied)


def collected(counted: Mapping[str, Counted]) -> Iterator[Family]:
    """Garbage and retention. ``counted``: by route."""
    counters: tuple[_Measure, ...] = (
        ("gc_cycles", "Collections that came to their end.", lambda one: one.cycles),
        ("gc_failures", "Collections that failed, and are tried again.", lambda one: one.failures),
        ("gc_links_removed", "Links of repositories that nothing needed.", lambda one: one.links),
        ("gc_swept_blobs", "Blobs that nobody linked, moved to the trash.", lambda one: one.swept.count),
        ("gc_swept_bytes", "Their bytes.", lambda one: one.swept.size_bytes),
        ("retention_removed_tags", "Tags that no policy kept.", lambda one: one.tags),
        ("retention_removed_manifests", "Manifests that no policy kept.", lambda one: one.manifests),
    )
    levels: tuple[_Measure, ...] = (
        ("gc_last_cycle_seconds", "How long the last collection took.", lambda one: one.seconds),
        ("gc_held_back_blobs", "Garbage that stays, because it is too much at once.", lambda one: one.held_back.count),
        ("gc_held_back_bytes", "Its bytes.", lambda one: one.held_back.size_bytes),
        ("gc_waiting_blobs", "Garbage whose delay is not over.", lambda one: one.waiting.count),
        ("gc_waiting_bytes", "Its bytes.", lambda one: one.waiting.size_bytes),
    )
    for make, measures in ((_counter, counters), (_level, levels)):
        for name, text, of in measures:
            family = make(f"holdfast_{name}", text)
            for route, one in counted.items():
                family.add(_at(route), [of(one)])
            yield family
    succeeded = _level("holdfast_gc_last_success_timestamp_seconds", "When a collection last took all that was due.")
    for route, one in counted.items():
        if one.succeeded_seconds:
            succeeded.add(_at(route), [one.succeeded_seconds])
    yield succeeded


def scrubbed(counters: Counters, report: Report) -> Iterator[Family]:
    """``report``: of the round under way and of the last one."""
    counts = (
        ("rounds", "Times that all copies were looked at.", counters.rounds),
        ("copies", "Copies that were read, or in an object store asked for their size.", counters.blobs),
        ("bytes", "Bytes of copies that were read.", counters.size_bytes),
        ("wrong", "Copies that were wrong, and went into quarantine.", counters.wrong),
        ("missing", "Copies that should have been there, and were not.", counters.missing),
    )
    for name, text, count in counts:
        yield _one("counter", f"holdfast_scrub_{name}", text, count)
    done = report.current.partitions_done if report.current is not None else 0
    yield _one("level", "holdfast_scrub_partitions_done", "Of 4096, in the round under way; 0: none is.", done)
    if report.last is None:
        return
    yield _one(
        "level", "holdfast_scrub_last_round_timestamp_seconds", "When the last was over.", report.last.ended_seconds
    )
    findings = Family("level", "holdfast_scrub_findings", "What became of the last round's findings.", ("state",))
    for state in State:
        findings.add((state.name.lower(),), [report.last.counted(state)])
    yield findings


def backed_up(last_seconds: float | None) -> Iterator[Family]:
    """None: this node has made none."""
    family = Family("level", "holdfast_backup_last_success_timestamp_seconds", "When the metadata was last backed up.")
    if last_seconds is not None:
        family.add((), [last_seconds])
    yield family


def repaired(short_partitions: int, progress: Progress) -> Iterator[Family]:
    yield _one(
        "level", "holdfast_repair_short_partitions", "Of the cluster, that lack copies; of 4096.", short_partitions
    )
    yield _one("counter", "holdfast_repair_copied_blobs", "Copies that repair has made.", progress.copied_blobs)
    yield _one("counter", "holdfast_repair_copied_bytes", "Their bytes.", progress.copied_bytes)
    yield _one("counter", "holdfast_repair_failures", "Copies that could not be made.", progress.failures)


def _at(route: str) -> tuple[str]:
    return (route or "/",)


def _counter(name: str, text: str) -> Family:
    return Family("counter", name, text, ("route",))


def _level(name: str, text: str) -> Family:
    return Family("level", name, text, ("route",))


def _one(kind: Kind, name: str, text: str, number: float) -> Family:
    family = Family(kind, name, text)
    family.add((), [number])
    return family
