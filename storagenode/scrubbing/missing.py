"""What somebody links and this node should have, and has not: does another node have it, or is it lost?

Promises: a digest is called lost only if every node was asked and said no, while a link stood unchanged (``holdfast.meta.lost``).
Handoffs are asked before owners, as copies move from those to these. What others have is marked short of copies, so that repair
brings it. Nothing is ever deleted here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.errors import UnavailableError
from holdfast.meta.lost import Lost
from holdfast.meta.scrubs import State
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.lost import LostBook
    from holdfast.replicas.view import View
    from holdfast.rpc.node import NodeClient

_AT_A_TIME: Final = 500


class Others(Protocol):
    """The rest of the registry."""

    def is_ours(self, partition: int) -> bool:
        """Whether this node is to have what is linked in it."""
        ...

    def having(self, partition: int, digests: Sequence[Digest]) -> tuple[set[Digest], bool]:
        """Those that another node has, and whether all who may have them have answered."""
        ...

    def short(self, partition: int) -> None:
        """This node lacks a copy of what others have. Raises MetadataUnavailableError, OutcomeUnknownError."""
        ...


class Nobody:
    """A registry of one node. Implements ``Others``."""

    def is_ours(self, _partition: int) -> bool:
        return True

    def having(self, _partition: int, _digests: Sequence[Digest]) -> tuple[set[Digest], bool]:
        return set(), True

    def short(self, _partition: int) -> None:
        """There is nobody to bring it."""


class Cluster:
    """Implements ``Others``. ``me``: this node's id."""

    def __init__(
        self, me: str, view: Callable[[], View], client: Callable[[str], NodeClient], short: Callable[[int], object]
    ) -> None:
        self._me = me
        self._view = view
        self._client = client
        self._short = short

    def is_ours(self, partition: int) -> bool:
        return self._me in self._view().keepers(partition)

    def having(self, partition: int, digests: Sequence[Digest]) -> tuple[set[Digest], bool]:
        view, has_heard_all = self._view(), True
        found: set[Digest] = set()
        if not digests:
            return found, has_heard_all
        for node in reversed(view.everybody(partition)):
            if node == self._me:
                continue
            if node not in view.alive:
                has_heard_all = False
                continue
            asked = [digest for digest in digests if digest not in found]
            try:
                for first in range(0, len(asked), _AT_A_TIME):
                    wants = [Want(digest) for digest in asked[first : first + _AT_A_TIME]]
                    answers = self._client(node).stat_blobs(wants)
                    found.update(answer.digest for answer in answers if answer is not None)
            except UnavailableError:
                has_heard_all = False
        return found, has_heard_all

    def short(self, partition: int) -> None:
        self._short(partition)


@dataclass(frozen=True, slots=True)
class Judged:
    """``is_unclear``: not everybody could be asked."""

    state: State
    is_unclear: bool = False


class Missing:
    """For one thread. ``present``: what lies here in a partition. Every method may raise MetadataUnavailableError, those that
    write OutcomeUnknownError.
    """

    def __init__(
        self, book: LostBook, others: Others, present: Callable[[int], Iterable[Digest]], clock: Clock
    ) -> None:
        self._book = book
        self._others = others
        self._present = present
        self._clock = clock

    def of(self, partition: int) -> list[Digest]:
        """What looks so at first sight. Raises UnavailableError: nothing can be seen here."""
        if not self._others.is_ours(partition):
            return []
        here = set(self._present(partition))  # before the links: a push stores first, and links then
        return [digest for digest in self._book.linked(partition) if digest not in here]

    def _here(self, partition: int) -> set[Digest] | None:
        """None: that cannot be read."""
        try:
            return set(self._present(partition))
        except UnavailableError:
            return None

    def is_here(self, digest: Digest) -> bool:
        """Whether it is seen here; False also where nothing can be seen."""
        return digest in (self._here(digest.partition) or ())

    def judge(self, partition: int, faults: Mapping[Digest, str]) -> dict[Digest, Judged]:
        """What has become of copies of one partition that were wrong or missing; losses are noted."""
        stood = {digest: self._book.standing(digest) for digest in faults}
        here = self._here(partition)
        if here is None:
            return dict.fromkeys(faults, Judged(State.OPEN, is_unclear=True))
        absent = [digest for digest in faults if digest not in here and stood[digest]]
        found, has_heard_all = self._others.having(partition, absent)
        judged = {digest: Judged(State.HEALED if digest in here else State.UNLINKED) for digest in faults}
        is_ours = self._others.is_ours(partition)
        for digest in absent:
            if digest in found and not is_ours:
                judged[digest] = Judged(State.UNLINKED)  # others have it, and nobody brings it to one that is no owner
            elif digest in found or not has_heard_all:
                judged[digest] = Judged(State.OPEN, is_unclear=digest not in found)
            elif stood[digest].isdisjoint(self._book.standing(digest)):
                judged[digest] = Judged(State.OPEN)  # links came and went meanwhile: it is looked at again
            elif (here_now := self._here(partition)) is None:
                judged[digest] = Judged(State.OPEN, is_unclear=True)
            elif digest in here_now:
                judged[digest] = Judged(State.HEALED)  # it came while the others were asked, who then let go of theirs
            else:
                judged[digest] = Judged(State.LOST)
                self._book.add(Lost(digest, faults[digest], self._clock.wall()))
        if found and is_ours:
            self._others.short(partition)
        return judged

    def known(self) -> dict[Digest, Lost]:
        """What is noted as lost; what has come again, or is not wanted any more, is struck out on the way."""
        found = {}
        for lost in self._book.all():
            if self.is_here(lost.digest) or not self._book.standing(lost.digest):
                self._book.remove(lost.digest)
            else:
                found[lost.digest] = lost
        return found
