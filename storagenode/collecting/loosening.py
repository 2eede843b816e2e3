"""Links that nothing in their repository needs, removed after a grace. Whoever does it: two at once only do it twice.

Promises: as :mod:`holdfast.meta.loose`. A link counts as loose from this process's own first look on, while nobody renews it. One
that no manifest has left behind belongs to a push that broke off or goes on: it has as long as an upload that nobody continues,
since the last layer of an image may take hours.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import CorruptError
from holdfast.meta.loose import TOGETHER
from storagenode.collecting.pending import Pending, Thing, is_due

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.loose import Loose, LooseLinks
    from holdfast.names import Repository
    from storagenode.collecting.marks import Marks


_LOG: Final = logging.getLogger("holdfast.gc")


@dataclass(frozen=True, slots=True)
class Graces:
    """``left_seconds`` for what a manifest left behind, ``awaited_seconds`` for what waits for one; never less than the first."""

    left_seconds: float
    awaited_seconds: float

    def of(self, loose: Loose) -> float:
        return max(self.left_seconds, self.awaited_seconds) if loose.is_awaited else self.left_seconds


@dataclass(slots=True)
class Loosened:
    """``loose``: links that nothing needs; ``removed`` of them, of so many bytes as their blobs have. Of a dry run: what would be,
    and ``left``, who would not link a digest any more; ``explained``: those of which it would be known why.
    """

    loose: int = 0
    removed: int = 0
    removed_bytes: int = 0
    kept: int = 0
    pending: Pending = field(default_factory=Pending)
    left: dict[Digest, set[Repository]] = field(default_factory=dict)
    explained: set[Digest] = field(default_factory=set)

    @property
    def waiting(self) -> int:
        return self.loose - self.removed - self.kept


def _every(_repository: Repository) -> bool:
    return True


class Loosening:
    """For one thread. ``is_mine``: the repositories whose links it looks after; others lose none."""

    def __init__(self, links: LooseLinks, marks: Marks, is_mine: Callable[[Repository], bool] = _every) -> None:
        self._links = links
        self._marks = marks
        self._is_mine = is_mine

    def cycle(self, graces: Graces, goes_on: Callable[[], bool]) -> Loosened:
        """Raises MetadataUnavailableError, OutcomeUnknownError: the next one goes on."""
        found = Loosened()
        self._marks.begin()
        for repository in filter(self._is_mine, self._links.repositories()):
            if not goes_on():
                return found  # the marks stay as the last whole walk left them
            # Before anything goes: the walk reads ahead, and removing is for what it has seen.
            due = self._readable(repository, graces, found, is_noted=True)
            for first in range(0, len(due), TOGETHER):
                if not goes_on():
                    return found
                self._remove(due[first : first + TOGETHER], found)
        self._marks.end()
        return found

    def foresee(self, graces: Graces, goes_on: Callable[[], bool]) -> Loosened:
        """What a cycle would do now. Changes nothing, not even what is remembered. Raises MetadataUnavailableError."""
        found = Loosened()
        for repository in filter(self._is_mine, self._links.repositories()):
            if not goes_on():
                break
            for loose in self._readable(repository, graces, found, is_noted=False):
                found.removed += 1
                found.removed_bytes += loose.size_bytes
                found.left.setdefault(loose.digest, set()).add(repository)
                if not loose.is_strange:
                    found.explained.add(loose.digest)
        return found

    def _readable(self, repository: Repository, graces: Graces, found: Loosened, *, is_noted: bool) -> Sequence[Loose]:
        """What is due. One that cannot be read keeps its links, and holds up none of the others."""
        try:
            return self._due(repository, graces, found, is_noted=is_noted)
        except CorruptError as error:
            _LOG.error("a repository cannot be read", extra={"repository": repository, "reason": error.message})
            return []

    def _due(self, repository: Repository, graces: Graces, found: Loosened, *, is_noted: bool) -> Sequence[Loose]:
        due = []
        for loose in self._links.of(repository):
            found.loose += 1
            thing = Thing(f"{repository}//{loose.digest}", str(loose.revision), loose.size_bytes)
            if is_due(thing, graces.of(loose), self._marks, found.pending, is_noted=is_noted):
                due.append(loose)
        return due

    def _remove(self, due: Sequence[Loose], found: Loosened) -> None:
        removed = self._links.remove(due)
        found.removed += len(removed)
        found.removed_bytes += sum(loose.size_bytes for loose in removed)
        found.kept += len(due) - len(removed)
