"""What has become of each repository: counts, failures with their reasons, notes; as a table and as JSON.

Invariant: a repository without failures is at the target as it is at the source, but for what ``notes`` tell.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.ops.console import bytes_text, row, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from holdfast.ops.console import JsonObject


@dataclass(slots=True)
class Outcome:
    """One repository; ``add`` may be called by several threads."""

    source: str
    target: str
    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    size_bytes: int = 0
    new_tags: int = 0
    new_manifests: int = 0
    new_blobs: int = 0
    linked_blobs: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, tags: int = 0, manifests: int = 0, blobs: int = 0, linked: int = 0) -> None:
        """So many were stored."""
        with self._lock:
            self.new_tags += tags
            self.new_manifests += manifests
            self.new_blobs += blobs
            self.linked_blobs += linked

    def fail(self, what: object, why: str) -> None:
        """Something is not there, and why."""
        with self._lock:
            self.failures.append((str(what), why))

    def note(self, text: str) -> None:
        """Something that is left out on purpose; each once."""
        with self._lock:
            if text not in self.notes:
                self.notes.append(text)


def as_table(outcomes: Iterable[Outcome]) -> Table:
    numbers = ("tags", "manifests", "blobs", "size", "failed")
    made = table("repository", "becomes", *numbers, right=numbers)
    for one in outcomes:
        row(
            made,
            one.source,
            one.target if one.target != one.source else None,
            _of(one.new_tags, one.tags),
            _of(one.new_manifests, one.manifests),
            _of(one.new_blobs, one.blobs),
            bytes_text(one.size_bytes),
            len(one.failures) or None,
        )
    return made


def as_json(outcome: Outcome) -> JsonObject:
    return {
        "repository": outcome.source,
        "becomes": outcome.target,
        "tags": {"found": outcome.tags, "set": outcome.new_tags},
        "manifests": {"found": outcome.manifests, "stored": outcome.new_manifests},
        "blobs": {"found": outcome.blobs, "stored": outcome.new_blobs, "linked": outcome.linked_blobs},
        "sizeBytes": outcome.size_bytes,
        "failures": [{"what": what, "why": why} for what, why in outcome.failures],
        "notes": outcome.notes,
    }


def _of(new: int, found: int) -> str:
    return f"{new} of {found}" if new else str(found)
