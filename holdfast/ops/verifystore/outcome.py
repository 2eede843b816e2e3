"""What the check of a node's directory came to, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.ops.console import bytes_text, counted, listed, row, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from holdfast.digest import Digest
    from holdfast.meta.dangling import Dangling
    from holdfast.meta.touched import Touched
    from holdfast.ops.console import JsonObject
    from holdfast.ops.verifystore.checking import Disk

_SHOWN: Final = 40


@dataclass(slots=True)
class Verified:
    """``missing``: linked, to be here, and no good copy here; ``unlinked``: good copies that nobody links, which are no fault;
    ``dangling``: references that nothing is linked for. All only ``with_metadata``; else ``why`` not.
    """

    node_id: str
    disks: list[Disk]
    with_metadata: bool
    why: str
    missing: list[Digest] = field(default_factory=list)
    unlinked: int = 0
    images: Sequence[Touched] = ()
    dangling: Sequence[Dangling] = ()

    @property
    def is_well(self) -> bool:
        return not self.missing and not self.dangling and all(disk.is_well for disk in self.disks)


def describe(found: Verified) -> Iterator[RenderableType]:
    numbers = ("copies", "bytes", "wrong", "stray", "absent", "quarantine", "trash", "staging")
    made = table("directory", *numbers, right=numbers)
    for disk in found.disks:
        counts = [len(disk.wrong), len(disk.stray), len(disk.absent)]
        counts += [disk.aside.get(name, 0) for name in ("quarantine", "trash", "staging")]
        row(made, disk.tree.root, disk.copies, bytes_text(disk.size_bytes), *map(str, counts))
    yield made
    faults = [fault for disk in found.disks for fault in _faults(disk)]
    yield from faults[:_SHOWN]
    if len(faults) > _SHOWN:
        yield f"and {len(faults) - _SHOWN} more; --json has them"
    if found.images:
        touched = table("repository", "no good copy of", "manifests", "tags")
        for one in found.images[:_SHOWN]:
            row(touched, one.repository, one.digest, len(one.manifests), listed(one.tags))
        yield touched
    yield from (
        f"{one.repository}: manifest {one.manifest} references {one.child}, which is not linked"
        for one in found.dangling[:_SHOWN]
    )
    yield _verdict(found)


def _faults(disk: Disk) -> Iterator[str]:
    yield from (f"wrong: {digest}: {fault}" for digest, fault in disk.wrong.items())
    yield from (f"does not belong there: {disk.tree.root}/{name}" for name in disk.stray)
    yield from (f"should be there: {disk.tree.root}/{name}" for name in disk.absent)


def _verdict(found: Verified) -> str:
    if not found.with_metadata:
        rest = f"; what is linked was not compared: {found.why}"
    else:
        blobs = counted(len(found.missing), "blob")
        rest = f"; {blobs} that are linked have no good copy here, {found.unlinked} copies are linked by nobody"
    return ("all is right" if found.is_well else "something is wrong; nothing was changed") + rest


def as_json(found: Verified) -> JsonObject:
    return {
        "node": found.node_id,
        "well": found.is_well,
        "disks": [
            {
                "directory": disk.tree.root,
                "copies": disk.copies,
                "bytes": disk.size_bytes,
                "wrong": [{"digest": str(digest), "fault": fault} for digest, fault in disk.wrong.items()],
                "stray": disk.stray,
                "absent": disk.absent,
                **{name: disk.aside.get(name, 0) for name in ("quarantine", "trash", "staging")},
            }
            for disk in found.disks
        ],
        "metadata": found.with_metadata,
        "missing": [str(digest) for digest in found.missing] if found.with_metadata else None,
        "unlinked": found.unlinked if found.with_metadata else None,
        "dangling": [
            {"repository": one.repository, "manifest": str(one.manifest), "digest": str(one.child)}
            for one in found.dangling
        ],
        "images": [
            {"repository": one.repository, "digest": str(one.digest), "tags": list(one.tags)} for one in found.images
        ],
    }
