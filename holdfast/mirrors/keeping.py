"""What goes from caches that are full or old.

Promises: least recently used first, and no more than it takes to get within the budget. What is pushed here never goes, and is
in nobody's budget; what nobody pulled for longer than its age goes in any case. A digest that several repositories of one
budget hold is counted once, is as recent as its latest pull in any of them, and goes from all of them together: only then are
its bytes free. Links of other budgets stay as they are, so what is shared stays readable there.

Invariants: equal input gives equal output; ties go by digest, then by repository.

Never: deletes. Dropping a link is safe at any time: a mirrored manifest may reference what is absent, and it is fetched again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from holdfast.digest import Digest
    from holdfast.mirrors.ways import Limits
    from holdfast.names import Repository


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
    """What goes, in this order, and how many bytes that frees when nothing else changes."""

    going: tuple[Held, ...] = ()
    freed_bytes: int = 0


def evict(held: Iterable[Held], limits_of: Callable[[Repository], Limits | None], now_seconds: float) -> Eviction:
    """What goes now. ``limits_of`` gives what bounds a repository; None: nothing does."""
    budgets: dict[str, dict[Digest, list[Held]]] = defaultdict(lambda: defaultdict(list))
    limits: dict[str, int | None] = {}
    old: set[Held] = set()
    for item in held:
        bound = None if item.is_pushed else limits_of(item.repository)
        if bound is None:
            continue
        limits[bound.budget] = bound.size_bytes
        budgets[bound.budget][item.digest].append(item)
        if bound.max_age_seconds is not None and now_seconds - item.last_pull_seconds > bound.max_age_seconds:
            old.add(item)
    going = [item for name, shared in budgets.items() for item in _going(shared, limits[name], old)]
    going.sort(key=_order)
    return Eviction(tuple(going), _freed(going))


def _going(shared: dict[Digest, list[Held]], size_bytes: int | None, old: set[Held]) -> list[Held]:
    """What one budget loses: what is old, then whole digests until the rest fits."""
    going = [item for items in shared.values() for item in items if item in old]
    kept = {digest: [item for item in items if item not in old] for digest, items in shared.items()}
    kept = {digest: items for digest, items in kept.items() if items}
    used = sum(_size(items) for items in kept.values())
    for items in sorted(kept.values(), key=_latest):
        if size_bytes is None or used <= size_bytes:
            break
        # An empty blob frees nothing.
        if _size(items):
            used -= _size(items)
            going += items
    return going


def _size(items: Sequence[Held]) -> int:
    return items[0].size_bytes


def _latest(items: Sequence[Held]) -> tuple[float, Digest]:
    return max(item.last_pull_seconds for item in items), items[0].digest


def _order(item: Held) -> tuple[float, Digest, str]:
    return item.last_pull_seconds, item.digest, item.repository


def _freed(going: Sequence[Held]) -> int:
    """The bytes of digests that lose every link they have."""
    by_digest: dict[Digest, list[Held]] = defaultdict(list)
    for item in going:
        by_digest[item.digest].append(item)
    return sum(_size(items) for items in by_digest.values() if len(items) >= items[0].links)
