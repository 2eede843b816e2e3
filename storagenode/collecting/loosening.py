"""Links that nothing in their repository needs, removed after a grace. Whoever does it: two at once only do it twice.

Promises: as :mod:`holdfast.meta.loose`. A link counts as loose from this process's own first look on, while nobody renews it. One
that no manifest has left behind belongs to a push that broke off or goes on: it has as long as an upload that nobody continues,
since the last layer of an image may take hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.loose import Loose, LooseLinks
    from storagenode.collecting.marks import Marks


@dataclass(frozen=True, slots=True)
class Graces:
    """``left_seconds`` for what a manifest left behind, ``awaited_seconds`` for what waits for one; never less than the first."""

    left_seconds: float
    awaited_seconds: float

    def of(self, loose: Loose) -> float:
        return max(self.left_seconds, self.awaited_seconds) if loose.is_awaited else self.left_seconds


@dataclass(slots=True)
class Loosened:
    """``loose``: links that nothing needs; ``removed`` of them, of so many bytes as their blobs have."""

    loose: int = 0
    removed: int = 0
    removed_bytes: int = 0
    kept: int = 0

    @property
    def waiting(self) -> int:
        return self.loose - self.removed - self.kept


class Loosening:
    """For one thread."""

    def __init__(self, links: LooseLinks, marks: Marks) -> None:
        self._links = links
        self._marks = marks

    def cycle(self, graces: Graces, goes_on: Callable[[], bool]) -> Loosened:
        """Raises MetadataUnavailableError, OutcomeUnknownError: the next one goes on."""
        found = Loosened()
        self._marks.begin()
        for repository in self._links.repositories():
            if not goes_on():
                return found  # the marks stay as the last whole walk left them
            # Before anything goes: the walk reads ahead, and removing is for what it has seen.
            due = [loose for loose in self._links.of(repository) if self._is_due(loose, graces, found)]
            for loose in due:
                if not goes_on():
                    return found
                self._remove(loose, found)
        self._marks.end()
        return found

    def _is_due(self, loose: Loose, graces: Graces, found: Loosened) -> bool:
        found.loose += 1
        age_seconds = self._marks.see(f"{loose.repository}//{loose.digest}", str(loose.revision))
        return age_seconds is not None and age_seconds >= graces.of(loose)

    def _remove(self, loose: Loose, found: Loosened) -> None:
        if self._links.remove(loose):
            found.removed += 1
            found.removed_bytes += loose.size_bytes
        else:
            found.kept += 1
