"""One disk of a node and the links of the repositories that belong to it, collected together.

Promises: blobs that lie on another disk, and links of repositories that belong to another one, are left alone, so that each disk
has its own delay, rhythm and switch. Who asked for a digest was told so by one disk, and that disk's copy has another stamp since.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.rpc.collecting import NONE, Amount, StoreReport
from storagenode.collecting.collector import Cycle, Terms

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from storagenode.collecting.collector import Collector, Links, Tell
    from storagenode.collecting.loop import GoesOn
    from storagenode.collecting.loosening import Loosened
    from storagenode.collecting.unlinking import Unlinked, Unlinking

_LOG: Final = logging.getLogger("holdfast.gc")


@dataclass(slots=True)
class Counted:
    """Since the process began, for metrics. ``held_back`` and ``waiting`` are those of the last cycle, and so is ``seconds``;
    ``succeeded_seconds``: when one was last over that was not refused, by the wall; 0: none was yet.
    """

    cycles: int = 0
    failures: int = 0
    tags: int = 0
    manifests: int = 0
    links: int = 0
    swept: Amount = NONE
    held_back: Amount = NONE
    waiting: Amount = NONE
    seconds: float = 0.0
    succeeded_seconds: float = 0.0

    def note(self, unlinked: Unlinked, report: StoreReport, seconds: float) -> None:
        self.cycles += 1
        self.tags += unlinked.retained.tags
        self.manifests += unlinked.retained.manifests
        self.links += unlinked.loosened.removed
        self.swept += report.swept
        self.held_back = report.held_back
        self.waiting = report.waiting.amount
        self.seconds = seconds


class Part:
    """``holders`` of ``links``: who links a digest, at most so many. ``counted`` is of cycles, not of dry runs."""

    def __init__(
        self,
        route: str,
        unlinking: Unlinking,
        collector: Collector,
        grace_seconds: float,
        links: Links,
        clock: Clock,
    ) -> None:
        self.route = route
        self._unlinking = unlinking
        self._collector = collector
        self._grace_seconds = grace_seconds
        self._links = links
        self._clock = clock
        self.counted = Counted()

    def cycle(self, goes_on: GoesOn, tell: Tell, allowed_bytes: int = 0) -> StoreReport:
        """Raises MetadataUnavailableError, OutcomeUnknownError, UnavailableError."""
        try:
            return self._cycle(goes_on, tell, allowed_bytes)
        except Exception:
            self.counted.failures += 1
            raise

    def _cycle(self, goes_on: GoesOn, tell: Tell, allowed_bytes: int) -> StoreReport:
        began_seconds = self._clock.monotonic()
        self._collector.require_right()
        if allowed_bytes:
            _LOG.warning("more than the usual share may go once", extra={"route": self.route, "bytes": allowed_bytes})
        tell("links", 0, 1)
        unlinked = self._unlinking.cycle(goes_on)
        _tell_links(unlinked.loosened)
        cycle = self._collector.cycle(self._terms(allowed_bytes), goes_on, tell=tell)
        _tell_blobs(cycle)
        report = self._report(unlinked, cycle)
        self.counted.note(unlinked, report, self._clock.monotonic() - began_seconds)
        if not report.refused:
            self.counted.succeeded_seconds = self._clock.wall()
        return report

    def foresee(self, goes_on: GoesOn, tell: Tell, allowed_bytes: int = 0) -> StoreReport:
        """What a cycle would do now. Changes nothing. Raises MetadataUnavailableError, UnavailableError."""
        self._collector.require_right()
        tell("links", 0, 1)
        unlinked = self._unlinking.foresee(goes_on)
        nobodys = self._nobodys(unlinked)
        cycle = self._collector.foresee(self._terms(allowed_bytes), goes_on, nobodys, unlinked.strange, tell)
        return self._report(unlinked, cycle)

    def _terms(self, allowed_bytes: int) -> Terms:
        return Terms(self._grace_seconds, allowed_bytes=allowed_bytes)

    def _nobodys(self, unlinked: Unlinked) -> Collection[Digest]:
        """What nobody would link any more."""
        return {
            digest
            for digest, leaving in unlinked.left.items()
            if leaving.issuperset(self._links.holders(digest, len(leaving) + 1))
        }

    def _report(self, unlinked: Unlinked, cycle: Cycle) -> StoreReport:
        retained, loosened = unlinked.retained, unlinked.loosened
        return StoreReport(
            route=self.route,
            blobs=Amount(cycle.blobs, cycle.bytes),
            retired=Amount(retained.tags + retained.manifests, retained.manifest_bytes),
            links=Amount(loosened.removed, loosened.removed_bytes),
            swept=Amount(cycle.swept, cycle.swept_bytes),
            kept=Amount(cycle.kept, cycle.kept_bytes),
            held_back=Amount(cycle.due, cycle.due_bytes) if cycle.refused else NONE,
            refused=cycle.refused,
            waiting=(unlinked.pending + cycle.pending).told(),
        )


def _tell_links(found: Loosened) -> None:
    if found.removed:
        _LOG.info(
            "links that nothing needed were removed",
            extra={"links": found.removed, "bytes": found.removed_bytes, "waiting": found.waiting},
        )


def _tell_blobs(found: Cycle) -> None:
    if found.refused:
        _LOG.error("nothing is collected: it would be too much", extra={"reason": found.refused})
    elif found.swept:
        _LOG.info(
            "blobs that nobody links went to the trash",
            extra={
                "swept": found.swept,
                "bytes": found.swept_bytes,
                "kept": found.kept,
                "waiting": found.waiting,
                "blobs": found.blobs,
            },
        )
