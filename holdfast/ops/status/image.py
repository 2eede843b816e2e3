"""Why an image can, or cannot, be pulled: what the metadata and each node say about every part of it. Pure.

A part is whole when it is linked and some node that answers holds a copy of the right size. A part that may be absent
(non-distributable layers, what a mirror has not fetched yet) is told and is no fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from holdfast.ops.console import bytes_text, counted, listed, row, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from holdfast.digest import Digest
    from holdfast.names import Repository
    from holdfast.ops.console import JsonObject

_SHORT: Final = 12


class Copy(StrEnum):
    """What a node says about its copy."""

    PRESENT = "present"
    MISSING = "missing"
    WRONG_SIZE = "wrong size"
    SILENT = "silent"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Part:
    """One manifest or blob of an image. ``owners`` by the newest layout, in order; ``copies`` of everybody who may have one."""

    digest: Digest
    kind: str
    size_bytes: int
    is_linked: bool
    may_be_absent: bool = False
    owners: tuple[str, ...] = ()
    copies: Mapping[str, Copy] = field(default_factory=dict)

    @property
    def living(self) -> int:
        return sum(copy is Copy.PRESENT for copy in self.copies.values())

    @property
    def missing_owners(self) -> tuple[str, ...]:
        return tuple(node for node in self.owners if self.copies.get(node) is not Copy.PRESENT)

    def fault(self) -> str:
        """Why it cannot be pulled; "" if it can, or need not be there."""
        what = f"{self.kind} {self.digest}"
        if self.may_be_absent and not self.living:
            return ""
        if not self.is_linked:
            return f"{what} is not linked by this repository; push it again"
        if self.living:
            return ""
        unasked = sorted(node for node, copy in self.copies.items() if copy in {Copy.SILENT, Copy.DOWN})
        if unasked:
            return f"no node that answers holds {what}; it may be on {listed(unasked)}"
        bad = sorted(node for node, copy in self.copies.items() if copy is Copy.WRONG_SIZE)
        if bad:
            return f"{what} has a copy of the wrong size on {listed(bad)} and no good one; push it again"
        return f"no node holds {what}; push it again"


@dataclass(frozen=True, slots=True)
class Image:
    """``trouble``: why nothing could be looked at, such as a tag that is not there."""

    repository: Repository
    reference: str
    manifest: Digest | None = None
    parts: tuple[Part, ...] = ()
    trouble: str = ""

    @property
    def faults(self) -> tuple[str, ...]:
        if self.trouble:
            return (self.trouble,)
        return tuple(fault for part in self.parts if (fault := part.fault()))

    @property
    def short(self) -> Sequence[Part]:
        """Parts that can be pulled and are not on all their owners."""
        return [part for part in self.parts if part.living and part.missing_owners]


def verdict(image: Image) -> str:
    faults = image.faults
    if faults:
        more = f" (and {counted(len(faults) - 1, 'more fault')})" if len(faults) > 1 else ""
        return f"cannot be pulled: {faults[0]}{more}"
    short = f"; {counted(len(image.short), 'part')} short of copies, which repair makes" if image.short else ""
    return f"can be pulled: {counted(len(image.parts), 'part')}{short}"


def describe(image: Image) -> Iterator[RenderableType]:
    yield verdict(image)
    yield from (f"  {fault}" for fault in image.faults[1:])
    if image.manifest is not None:
        yield f"{image.repository} {image.reference} is {image.manifest}"
    if image.parts:
        made = table("part", "digest", "size", "linked", "partition", "copies", right=("size",))
        for part in image.parts:
            row(
                made,
                part.kind,
                f"{part.digest.algorithm}:{part.digest.encoded[:_SHORT]}",
                bytes_text(part.size_bytes),
                "yes" if part.is_linked else "no",
                f"{part.digest.partition:03x}",
                copies_text(part),
            )
        yield made


def copies_text(part: Part) -> str:
    """The owners first, then who else has one: ``n1, n2 missing; n9 as handoff``."""
    own = [f"{node} {part.copies[node]}" if part.copies.get(node) else f"{node} removed" for node in part.owners]
    own = [text.removesuffix(f" {Copy.PRESENT}") for text in own]
    rest = [node for node, copy in part.copies.items() if copy is Copy.PRESENT and node not in part.owners]
    odd = [node for node, copy in part.copies.items() if copy is Copy.WRONG_SIZE and node not in part.owners]
    text = ", ".join(own)
    if rest:
        text += f"; {listed(rest)} as handoff"
    if odd:
        text += f"; {listed(odd)} wrong size"
    return text + (" (may be absent)" if part.may_be_absent else "")


def as_json(image: Image) -> JsonObject:
    return {
        "repository": image.repository,
        "reference": image.reference,
        "manifest": str(image.manifest) if image.manifest else None,
        "pullable": not image.faults,
        "verdict": verdict(image),
        "faults": list(image.faults),
        "parts": [
            {
                "digest": str(part.digest),
                "kind": part.kind,
                "sizeBytes": part.size_bytes,
                "linked": part.is_linked,
                "mayBeAbsent": part.may_be_absent,
                "partition": part.digest.partition,
                "owners": list(part.owners),
                "copies": {node: copy.value for node, copy in part.copies.items()},
                "short": bool(part.living and part.missing_owners),
            }
            for part in image.parts
        ],
    }
