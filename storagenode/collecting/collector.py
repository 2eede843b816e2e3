"""A cycle: what nobody links is found, waited for, and moved to the trash, while everything goes on.

    walk      copies and links side by side, each sorted by partition and digest; what nobody links is marked
    judge     more than a set share of what is here, or everything because nobody links anything: not without being told to. What
              was unlinked for a reason (``holdfast.meta.loosened``) is not counted: the share is for metadata that has lost entries
    sweep     of what has been marked for the grace: `sweep/<partition>` is bumped where nothing links it, then each copy goes if it
              still has the stamp that was listed
    mend      what somebody links all the same by then has lost one of its copies: its partition is marked as short of copies

Promises
  * Who links a digest at any moment either made the link first, and nothing goes; or finds that a sweep has begun, and looks at the
    copies again; or was told "have it" by this node, which changes the stamp (ARCHITECTURE 3b).
  * Memory does not grow with what is stored: of each partition one listing at a time, and the marks.
  * No lock is held that a push or pull waits for. Metadata that has gone back in time deletes
    nothing (``holdfast.meta.witness``).

Never here: how long the grace is, when a cycle is due, links.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from holdfast.digest import PARTITIONS
from holdfast.meta.holders import Held
from holdfast.meta.loosened import Explained
from storagenode.collecting.pending import Pending, Thing, is_due

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Store
    from holdfast.rpc.node import ListedBlob
    from storagenode.collecting.marks import Marks

# Told the step, how many of its parts are done, and how many there are.
Tell: TypeAlias = "Callable[[str, int, int], None]"


def _nobody_listens(_step: str, _done: int, _total: int) -> None:
    """For cycles that nobody has ordered."""


# Copies of which one transaction says that nobody links them: few enough for no push to wait for it.
_TOGETHER: Final = 64
# A few copies may always go, or an empty registry could never be tidied up.
_FEW: Final = 100


class Copies(Protocol):
    """What a collector needs of ``storagenode.store.BlobStore``."""

    def listing(self, partition: int) -> list[ListedBlob]: ...

    def delete(self, digest: Digest, stamp: str) -> bool: ...


class Links(Protocol):
    """What a collector needs of ``holdfast.meta.repos.Repositories``."""

    def begin_sweep(self, digests: Sequence[Digest]) -> list[Digest]: ...

    def held(self, digests: Sequence[Digest]) -> list[Digest]: ...

    def holders(self, digest: Digest, limit: int) -> Sequence[object]: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """``grace_seconds``: how long a copy has to have been nobody's. ``share``: of the node's bytes that one cycle may take, 0 to 1;
    1: all of them, and without any doubt about the metadata. ``allowed_bytes``: somebody has seen that so many would go, and says
    that it is right; where it would be more, the share counts again.
    """

    grace_seconds: float
    share: float = 0.5
    allowed_bytes: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if self.grace_seconds < 0 or not 0 <= self.share <= 1:
            raise ValueError("a grace is not negative, and a share is between 0 and 1")


@dataclass(slots=True)
class Cycle:
    """What came of it; of a dry run, what would. ``refused``: why nothing was taken although something could have been.

    ``waiting``: marked, and neither taken nor ``kept``, which were due, and linked or asked for again meanwhile. ``pending``: not
    yet due; ``due``: the others. ``swept_bytes`` are those moved to the trash. ``strange``: orphans of which nobody knows why.
    """

    blobs: int = 0
    bytes: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    strange: int = 0
    strange_bytes: int = 0
    swept: int = 0
    swept_bytes: int = 0
    kept: int = 0
    kept_bytes: int = 0
    due: int = 0
    due_bytes: int = 0
    pending: Pending = field(default_factory=Pending)
    refused: str = ""
    mended: set[int] = field(default_factory=set)

    @property
    def waiting(self) -> int:
        return self.orphans - self.swept - self.kept


class Collector:
    """For one thread. ``short``: told a partition that has lost a copy of what is linked. ``require_right`` raises an
    UnavailableError where the metadata is not to be believed.
    """

    def __init__(
        self,
        copies: Copies,
        store: Store,
        links: Links,
        marks: Marks,
        short: Callable[[int], object],
        require_right: Callable[[], None],
    ) -> None:
        self._copies = copies
        self._store = store
        self._links = links
        self._marks = marks
        self._short = short
        self.require_right = require_right
        # Taken, and not yet asked about whether somebody links them all the same.
        self._gone: list[Digest] = []

    def cycle(self, terms: Terms, goes_on: Callable[[], bool], *, tell: Tell = _nobody_listens) -> Cycle:
        """One of them; ends early, and takes nothing more, when ``goes_on`` says so.

        Raises:
            MetadataUnavailableError, OutcomeUnknownError, UnavailableError: what was not done is done by the next one.
        """
        cycle = Cycle()
        if self._gone:
            self.require_right()
            self._mend(cycle)  # what the last one could not, because something failed
        self._marks.begin()
        due = self._found(Held, (), terms, cycle, goes_on, tell)
        if due is None:
            return cycle  # the marks stay as the last whole walk left them
        self._marks.end()
        if due and not cycle.refused:
            self.require_right()
            for first in range(0, len(due), _TOGETHER):
                if not goes_on():
                    break
                tell("sweep", first, len(due))
                self._sweep(due[first : first + _TOGETHER], cycle)
        return cycle

    def foresee(
        self,
        terms: Terms,
        goes_on: Callable[[], bool],
        unlinked: Collection[Digest] = (),
        strange: Collection[Digest] = (),
        tell: Tell = _nobody_listens,
    ) -> Cycle:
        """What a cycle would do now, if nobody linked ``unlinked``, of which nobody would know why of those that are ``strange``.
        Changes nothing, not even what is remembered.

        Raises:
            MetadataUnavailableError, UnavailableError.
        """
        cycle = Cycle()
        hold = partial(Held, but=unlinked)
        explained = frozenset(unlinked).difference(strange)
        due = self._found(hold, explained, terms, cycle, goes_on, tell, is_noted=False)
        if due and not cycle.refused:
            cycle.swept, cycle.swept_bytes = cycle.due, cycle.due_bytes
        return cycle

    def _found(
        self,
        hold: Callable[[Store], Held],
        foreseen: Container[Digest],
        terms: Terms,
        cycle: Cycle,
        goes_on: Callable[[], bool],
        tell: Tell,
        *,
        is_noted: bool = True,
    ) -> list[ListedBlob] | None:
        """What is due, partition by partition, also where ``cycle.refused`` says why it stays; None: the walk was ended.

        ``foreseen``: of what it would be known why nobody links it.
        """
        self.require_right()
        held, words = hold(self._store), Explained(self._store)
        is_empty = held.is_empty
        due: list[ListedBlob] = []
        for partition in range(PARTITIONS):
            if not goes_on():
                return None
            tell("blobs", partition, PARTITIONS)
            explained = set(words.in_partition(partition))
            for copy in self._unheld(partition, held, cycle):
                cycle.orphans += 1
                cycle.orphan_bytes += copy.size_bytes
                if copy.digest not in explained and copy.digest not in foreseen:
                    cycle.strange += 1
                    cycle.strange_bytes += copy.size_bytes
                thing = Thing(str(copy.digest), copy.stamp, copy.size_bytes)
                if is_due(thing, terms.grace_seconds, self._marks, cycle.pending, is_noted=is_noted):
                    cycle.due += 1
                    cycle.due_bytes += copy.size_bytes
                    due.append(copy)
        cycle.refused = self._judged(cycle, due, terms, is_empty=is_empty)
        return due

    def _unheld(self, partition: int, held: Held, cycle: Cycle) -> Iterator[ListedBlob]:
        # Links are read ahead, so what was linked a moment ago may look like nobody's: it is marked, and not taken.
        copies = self._copies.listing(partition)
        linked = set(held.in_partition(partition)) if copies else ()
        for copy in copies:
            cycle.blobs += 1
            cycle.bytes += copy.size_bytes
            if copy.digest not in linked:
                yield copy

    @staticmethod
    def _judged(cycle: Cycle, due: Sequence[ListedBlob], terms: Terms, *, is_empty: bool) -> str:
        if not due or terms.share == 1 or 0 < cycle.due_bytes <= terms.allowed_bytes:
            return ""
        if is_empty:
            return f"nobody links anything, and {cycle.blobs} blobs are here: is this the right metadata?"
        # All of them, due or not: a cycle takes no more than are remembered, and the next one would take the rest.
        others_bytes = cycle.bytes - cycle.orphan_bytes + cycle.strange_bytes
        if cycle.strange > _FEW and cycle.strange_bytes > terms.share * others_bytes:
            return f"{cycle.strange} blobs of {cycle.strange_bytes} bytes are nobody's, of {others_bytes} bytes that are here"
        return ""

    def _sweep(self, copies: Sequence[ListedBlob], cycle: Cycle) -> None:
        free = set(self._links.begin_sweep([copy.digest for copy in copies]))
        for copy in copies:
            if copy.digest in free and self._copies.delete(copy.digest, copy.stamp):
                self._gone.append(copy.digest)
                cycle.swept += 1
                cycle.swept_bytes += copy.size_bytes
            else:
                cycle.kept += 1
                cycle.kept_bytes += copy.size_bytes
        self._mend(cycle)

    def _mend(self, cycle: Cycle) -> None:
        """Somebody was told "have it" by another node, and links it by now: it has fewer copies than it should."""
        for partition in sorted({digest.partition for digest in self._links.held(self._gone)}):
            self._short(partition)
            cycle.mended.add(partition)
        self._gone.clear()
