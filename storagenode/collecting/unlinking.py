"""Names that go, before bytes do: what retention lets go, and then links that nothing needs. Of one disk's repositories.

One node of a cluster does it for all; two that believe they are the one only do it twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storagenode.collecting.loosening import Loosened
from storagenode.collecting.retaining import Retained

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.digest import Digest
    from holdfast.meta.loosened import Words
    from holdfast.names import Repository
    from storagenode.collecting.loop import GoesOn
    from storagenode.collecting.loosening import Graces, Loosening
    from storagenode.collecting.pending import Pending
    from storagenode.collecting.retaining import Retaining
    from storagenode.collecting.steadiness import Steadiness


@dataclass(frozen=True, slots=True)
class Unlinked:
    """Of a dry run: what would go."""

    retained: Retained = field(default_factory=Retained)
    loosened: Loosened = field(default_factory=Loosened)

    @property
    def pending(self) -> Pending:
        return self.retained.pending + self.loosened.pending

    @property
    def left(self) -> dict[Digest, set[Repository]]:
        """Of a dry run: who would not link a digest any more."""
        found = {digest: set(repositories) for digest, repositories in self.loosened.left.items()}
        for digest, repositories in self.retained.left.items():
            found.setdefault(digest, set()).update(repositories)
        return found

    @property
    def strange(self) -> set[Digest]:
        """Of a dry run: those of them of which nobody would know why."""
        return self.loosened.left.keys() - self.loosened.explained - self.retained.left.keys()


class Unlinking:
    """For one thread. ``retaining`` None: every tag and manifest stays. ``is_first``: whether this node is the one."""

    def __init__(
        self,
        retaining: Retaining | None,
        loosening: Loosening,
        graces: Graces,
        is_first: Callable[[], bool],
        steadiness: Steadiness,
        words: Words,
    ) -> None:
        self._retaining = retaining
        self._loosening = loosening
        self._graces = graces
        self._is_first = is_first
        self._steadiness = steadiness
        self._words = words

    def cycle(self, goes_on: GoesOn) -> Unlinked:
        """Raises MetadataUnavailableError, OutcomeUnknownError: the next one goes on."""
        if not self._is_first():
            return Unlinked()
        retained = Retained()
        if self._retaining is not None:
            retained = self._retaining.cycle(self._steadiness.now(is_noted=True), goes_on)
        loosened = self._loosening.cycle(self._graces, goes_on)
        self._words.tidy(goes_on)
        return Unlinked(retained, loosened)

    def foresee(self, goes_on: GoesOn) -> Unlinked:
        """What a cycle would do now. Changes nothing. Raises MetadataUnavailableError."""
        if not self._is_first():
            return Unlinked()
        retained = Retained()
        if self._retaining is not None:
            retained = self._retaining.foresee(self._steadiness.now(is_noted=False), goes_on)
        return Unlinked(retained, self._loosening.foresee(self._graces, goes_on))
