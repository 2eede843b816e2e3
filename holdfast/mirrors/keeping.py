"""What goes from caches that are full or old.

Promises: least recently used first, and no more than it takes to get within the budget. What is pushed here never goes, and is
in nobody's budget; what nobody pulled for longer than its age goes in any case. A digest that several repositories of one
budget hold is counted once, is as recent as its latest pull in any of them, and goes from all of them together: only then are
its bytes free. Links of other budgets stay as they are, so what is shared stays readable there.

Memory does not grow with what is held: it is read once to measure, and a second time only where something has to go, to pick at
most ``most`` digests of a budget. ``Eviction.more`` says that this was not enough.

Invariants: equal input gives equal output; ties go by digest, then by repository. The links of a digest come one after the other.

Never: deletes. Dropping a link is safe at any time: a mirrored manifest may reference what is absent, and it is fetched again.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from holdfast.digest import Digest
    from holdfast.mirrors.ways import Limits
    from holdfast.names import Repository

    LimitsOf: TypeAlias = Callable[[Repository], Limits | None]

MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """One link: a repository holds a digest. ``links``: how many repositories hold it in all, of whatever kind.

    Raises:
        ValueError: fewer links than this one, or a negative size.
    """

    repository: Repository
    digest: Digest
    size_bytes: int
    last_pull_seconds: float
    is_pushed: bool = False
    links: int = 1

    def __post_init__(self) -> None:
        if self.links < 1 or self.size_bytes < 0:
            raise ValueError("a held digest has a size and at least the link it stands for")


@dataclass(frozen=True, slots=True)
class Eviction:
    """What goes, in this order, and how many bytes that frees when nothing else changes. ``used_bytes``: by budget, of what is not
    too old, before anything goes. ``more``: as much again may have to go.
    """

    going: tuple[Held, ...] = ()
    freed_bytes: int = 0
    used_bytes: dict[str, int] = field(default_factory=dict)
    more: bool = False


def evict(held: Callable[[], Iterable[Held]], limits_of: LimitsOf, now_seconds: float, most: int = MOST) -> Eviction:
    """What goes now. ``held`` is read from its beginning each time it is called; ``limits_of`` gives what bounds a repository;
    None: nothing does.
    """
    used: dict[str, int] = defaultdict(int)
    sizes: dict[str, int | None] = {}
    expired = _Oldest(most)
    for share in _shares(held(), limits_of, now_seconds):
        if share.is_old:
            expired.add(share)
        else:
            sizes[share.limits.budget] = share.limits.size_bytes
            used[share.limits.budget] += share.size_bytes
    over = {name: used[name] - size for name, size in sizes.items() if size is not None and used[name] > size}
    chosen = {name: _Oldest(most, excess) for name, excess in over.items()}
    for share in _shares(held(), limits_of, now_seconds) if over else ():
        # An empty blob frees nothing.
        if not share.is_old and share.size_bytes and share.limits.budget in chosen:
            chosen[share.limits.budget].add(share)
    all_chosen = [expired, *chosen.values()]
    going = sorted((item for oldest in all_chosen for item in oldest.items()), key=_order)
    return Eviction(tuple(going), _freed(going), dict(used), any(oldest.is_cut for oldest in all_chosen))


@dataclass(frozen=True, slots=True)
class _Share:
    """The links of one digest within one budget, old ones apart from the others."""

    limits: Limits
    items: tuple[Held, ...]
    is_old: bool

    @property
    def size_bytes(self) -> int:
        return self.items[0].size_bytes

    @property
    def last_pull_seconds(self) -> float:
        return max(item.last_pull_seconds for item in self.items)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Among which the newest comes first out of a heap."""

    last_pull_seconds: float
    share: _Share

    def __lt__(self, other: _Candidate) -> bool:
        if self.last_pull_seconds != other.last_pull_seconds:
            return self.last_pull_seconds > other.last_pull_seconds
        return self.share.items[0].digest > other.share.items[0].digest


def _shares(held: Iterable[Held], limits_of: LimitsOf, now_seconds: float) -> Iterator[_Share]:
    for _, links in groupby(held, lambda item: item.digest):
        shares: dict[tuple[str, bool], tuple[Limits, list[Held]]] = {}
        for item in links:
            limits = None if item.is_pushed else limits_of(item.repository)
            if limits is not None:
                age = now_seconds - item.last_pull_seconds
                is_old = limits.max_age_seconds is not None and age > limits.max_age_seconds
                shares.setdefault((limits.budget, is_old), (limits, []))[1].append(item)
        for (_, is_old), (limits, items) in shares.items():
            yield _Share(limits, tuple(items), is_old)


class _Oldest:
    """The oldest of what is added: as few as make up ``excess_bytes`` (None: all), and not more than ``most``."""

    def __init__(self, most: int, excess_bytes: int | None = None) -> None:
        self._most = most
        self._excess_bytes = excess_bytes
        self._bytes = 0
        self._heap: list[_Candidate] = []
        self.is_cut = False

    def add(self, share: _Share) -> None:
        candidate = _Candidate(share.last_pull_seconds, share)
        # Nearly all of what a cache holds is newer than what goes.
        if self._heap and candidate < self._heap[0] and (self._is_enough(self._bytes) or self._is_full()):
            self.is_cut = self.is_cut or not self._is_enough(self._bytes)
            return
        heapq.heappush(self._heap, candidate)
        self._bytes += share.size_bytes
        while self._is_enough(self._bytes - self._heap[0].share.size_bytes):
            self._drop()
        if len(self._heap) > self._most:
            self._drop()
            self.is_cut = True

    def _is_enough(self, size_bytes: int) -> bool:
        return self._excess_bytes is not None and size_bytes >= self._excess_bytes

    def _is_full(self) -> bool:
        return len(self._heap) == self._most

    def _drop(self) -> None:
        self._bytes -= heapq.heappop(self._heap).share.size_bytes

    def items(self) -> Iterator[Held]:
        return (item for candidate in self._heap for item in candidate.share.items)


def _order(item: Held) -> tuple[float, Digest, str]:
    return item.last_pull_seconds, item.digest, item.repository


def _freed(going: Sequence[Held]) -> int:
    """The bytes of digests that lose every link they have."""
    by_digest: dict[Digest, list[Held]] = defaultdict(list)
    for item in going:
        by_digest[item.digest].append(item)
    return sum(items[0].size_bytes for items in by_digest.values() if len(items) >= items[0].links)
