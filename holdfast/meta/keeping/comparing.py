"""Names beside bytes: what is linked and has no copy of its size, and what has copies and no name.

Promises: links and copies are read side by side, partition by partition; memory does not grow with what is stored, but for the
first :data:`NAMED` digests that are told by name. What was linked from an upstream is told apart: it may be absent, and is fetched
again. What was pushed meanwhile and looked missing is looked at once more.

Never here: where copies are listed, and whether their bytes are right (a scrub's work: here sizes count).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from holdfast.digest import PARTITIONS
from holdfast.errors import UnavailableError
from holdfast.meta import keys
from holdfast.meta.records import LinkRecord
from holdfast.meta.store import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from holdfast.digest import Digest
    from holdfast.meta.store import Entry, Store
    from holdfast.names import Repository

    # The sizes of the copies in a partition.
    Shelf: TypeAlias = Callable[[int], Mapping[Digest, frozenset[int]]]

NAMED: Final = 1000


@dataclass(frozen=True, slots=True)
class Linked:
    """What the metadata says of a digest. ``repositories``: the first few. ``is_pushed``: some repository had it by a push."""

    digest: Digest
    sizes: frozenset[int]
    repositories: tuple[Repository, ...]
    is_pushed: bool


@dataclass(frozen=True, slots=True)
class Beyond:
    """A copy without a name."""

    digest: Digest
    size_bytes: int


@dataclass(slots=True)
class Comparison:
    """``missing`` pushed, ``absent`` from an upstream: no copy of the right size. ``misshapen``: of the missing, those with a
    copy of another size. ``named``: the first of the missing.
    """

    links: int = 0
    digests: int = 0
    missing: int = 0
    misshapen: int = 0
    absent: int = 0
    beyond: int = 0
    beyond_bytes: int = 0
    named: list[Linked] = field(default_factory=list)


class Links:
    """What is linked, partition by partition, asked for in order."""

    def __init__(self, store: Store) -> None:
        self._groups = groupby(pages(store, *keys.HOLDERS), lambda entry: keys.before_name(entry.key))
        self._next: tuple[Linked, int] | None = None
        self._advance()

    def of(self, partition: int) -> Iterator[tuple[Linked, int]]:
        """Digests, and how many repositories link each."""
        while self._next is not None and self._next[0].digest.partition <= partition:
            found = self._next
            self._advance()
            if found[0].digest.partition == partition:
                yield found

    def _advance(self) -> None:
        for _, entries in self._groups:
            self._next = _linked(entries)
            return
        self._next = None


_FEW: Final = 5


def _linked(entries: Iterator[Entry]) -> tuple[Linked, int]:
    sizes, names, count, is_pushed = set(), [], 0, False
    for entry in entries:
        record = LinkRecord.decode(entry.value)
        sizes.add(record.size_bytes)
        is_pushed = is_pushed or record.origin == "pushed"
        digest, count = keys.held_in(entry.key), count + 1
        if count <= _FEW:
            names.append(keys.holder_in(entry.key))
    return Linked(digest, frozenset(sizes), tuple(names), is_pushed), count


def compared(store: Store, shelf: Shelf, has: Callable[[Digest, int], bool], told: Callable[[int], None]) -> Comparison:
    """``has``: is there a copy of that size just now? ``told`` hears of partitions. Raises what the store and the shelf raise."""
    found, links = Comparison(), Links(store)
    for partition in range(PARTITIONS):
        copies = dict(shelf(partition))
        for linked, count in links.of(partition):
            found.links += count
            found.digests += 1
            _judge(found, linked, copies.pop(linked.digest, frozenset()))
        found.beyond += len(copies)
        found.beyond_bytes += sum(max(sizes) for sizes in copies.values())
        told(partition + 1)
    if found.missing == len(found.named):
        found.named = [linked for linked in found.named if not _came(linked, has)]
        found.missing = len(found.named)
    return found


def _came(linked: Linked, has: Callable[[Digest, int], bool]) -> bool:
    try:
        return all(has(linked.digest, size) for size in linked.sizes)
    except UnavailableError:
        return False  # whoever may have it does not answer


def _judge(found: Comparison, linked: Linked, sizes: frozenset[int]) -> None:
    if linked.sizes <= sizes:
        return
    if not linked.is_pushed:
        found.absent += 1
        return
    found.missing += 1
    found.misshapen += bool(sizes)
    if len(found.named) < NAMED:
        found.named.append(linked)


def beyond(store: Store, shelf: Shelf, told: Callable[[int], None]) -> Iterator[Beyond]:
    """Copies that nobody links, in the order of partitions."""
    links = Links(store)
    for partition in range(PARTITIONS):
        copies = shelf(partition)
        named = {linked.digest for linked, _ in links.of(partition)}
        for digest in sorted(copies.keys() - named, key=str):
            yield Beyond(digest, max(copies[digest]))
        told(partition + 1)
