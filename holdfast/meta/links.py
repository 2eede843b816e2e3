"""Links: which repository may see which blob, kept in both directions, and the fences that keep sweeps away from them.

Promises
  * ``link/`` and ``holder/`` are written together, with ``usage/`` when the link is new and ``repo/`` when it is the repository's
    first (``holdfast.meta.counting``).
  * A link appears only if no sweep of the digest's partition began since its fence was taken (ARCHITECTURE 3b).

Never here: the removal of links (``holdfast.meta.removals``), and no opinion about which bytes exist.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast.errors import BlobUnknownError, LayoutMovedError, SweepMovedError
from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, Change, commit, crowded, revision_of
from holdfast.meta.counting import linked, read_with
from holdfast.meta.records import LinkRecord
from holdfast.meta.store import KeyAt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.ceilings import Room
    from holdfast.meta.records import Origin
    from holdfast.meta.store import Entry, Store
    from holdfast.names import Repository


@dataclass(frozen=True, slots=True)
class Fence:
    """``sweep/<partition>`` as it stood before the nodes were asked; ``revision`` 0: never swept.

    ``layout_revision`` is that of the layout by which new copies were placed; None: no copies were made, so none are misplaced.
    """

    partition: int
    revision: int
    layout_revision: int | None = None

    def placed_by(self, layout_revision: int) -> Fence:
        """For linking copies that were made under this fence, by the layout of that revision."""
        return replace(self, layout_revision=layout_revision)

    def compares(self, digest: Digest) -> list[KeyAt]:
        """Hold while no sweep has begun and no layout was applied since.

        Raises:
            ValueError: a fence of another partition protects nothing.
        """
        if digest.partition != self.partition:
            raise ValueError(f"the fence is of partition {self.partition:03x}, {digest} is not in it")
        compares = [KeyAt(keys.sweep(self.partition), self.revision)]
        if self.layout_revision is not None:
            compares.append(KeyAt(keys.LAYOUT_CURRENT, self.layout_revision))
        return compares

    def require(self, found: Mapping[bytes, Entry], digest: Digest) -> None:
        """Tell why a transaction with these compares did not succeed, if that was the fence.

        Raises:
            SweepMovedError, LayoutMovedError.
        """
        sweep, *layout = self.compares(digest)
        if revision_of(found, sweep.key) != sweep.mod_revision:
            raise SweepMovedError(
                "a sweep ran in between: take a new fence and look at the copies again", {"digest": str(digest)}
            )
        if any(revision_of(found, compare.key) != compare.mod_revision for compare in layout):
            raise LayoutMovedError(
                "the layout changed while copies were made by the one before", {"digest": str(digest)}
            )


@dataclass(frozen=True, slots=True)
class Link:
    """A repository may see a blob. ``renewed_seconds``: wall clock, a hint for when to renew."""

    digest: Digest
    size_bytes: int
    renewed_seconds: float
    origin: Origin = "pushed"


class Links:
    """``new_id`` gives 16 random bytes; ``room`` is asked before a repository is made."""

    def __init__(self, store: Store, new_id: Callable[[], bytes], clock: Clock, room: Room) -> None:
        self._room = room
        self._store = store
        self._new_id = new_id
        self._clock = clock

    def fence(self, digest: Digest) -> Fence:
        entry = self._store.get(keys.sweep(digest.partition))
        return Fence(digest.partition, entry.mod_revision if entry else 0)

    def fences(self, digests: Iterable[Digest]) -> dict[Digest, Fence]:
        by_key = {digest: keys.sweep(digest.partition) for digest in digests}
        entries = self._store.get_many(sorted(set(by_key.values()))).entries
        return {digest: Fence(digest.partition, revision_of(entries, key)) for digest, key in by_key.items()}

    def link(self, repository: Repository, digest: Digest) -> Link | None:
        entry = self._store.get(keys.link(repository, digest))
        return _read(digest, entry) if entry else None

    def links(self, repository: Repository, digests: Iterable[Digest]) -> dict[Digest, Link]:
        by_key = {keys.link(repository, digest): digest for digest in digests}
        entries = self._store.get_many(list(by_key)).entries
        return {by_key[key]: _read(by_key[key], entry) for key, entry in entries.items()}

    def holders(self, digest: Digest, limit: int) -> list[Repository]:
        page = self._store.range(*keys.holders_of(digest), limit, keys_only=True)
        return [keys.holder_in(entry.key) for entry in page.entries]

    def add(
        self, repository: Repository, digest: Digest, size_bytes: int, fence: Fence, origin: Origin = "pushed"
    ) -> None:
        """Link it, or renew the link, which keeps the stronger origin.

        Raises:
            SweepMovedError, LayoutMovedError, TooManyRepositoriesError.
        """
        for _ in range(ATTEMPTS):
            standing = self._store.get_many(read_with(repository, digest)).entries
            known = standing.get(keys.link(repository, digest))
            kept: Origin = "pushed" if known and LinkRecord.decode(known.value).origin == "pushed" else origin
            if self._write(repository, Link(digest, size_bytes, self._clock.wall()), standing, fence, [], kept):
                return
        raise crowded()

    def renew(self, repository: Repository, digest: Digest, fence: Fence) -> bool:
        """As if it were made now. False: it is gone, and stays so. Raises SweepMovedError, LayoutMovedError."""
        for _ in range(ATTEMPTS):
            standing = self._store.get_many(read_with(repository, digest)).entries
            known = standing.get(keys.link(repository, digest))
            if known is None:
                return False
            link = replace(_read(digest, known), renewed_seconds=self._clock.wall())
            if self._write(repository, link, standing, fence, [], link.origin):
                return True
        raise crowded()

    def mount(self, source: Repository, target: Repository, digest: Digest, fence: Fence) -> Link:
        """Link what ``source`` links. Raises SweepMovedError, BlobUnknownError, TooManyRepositoriesError."""
        source_key = keys.link(source, digest)
        for _ in range(ATTEMPTS):
            standing = self._store.get_many(list({source_key, *read_with(target, digest)})).entries
            found = standing.get(source_key)
            if found is None:
                raise BlobUnknownError("the repository to mount from does not link this blob", {"digest": str(digest)})
            link = Link(digest, _read(digest, found).size_bytes, self._clock.wall())
            if self._write(target, link, standing, fence, [KeyAt(source_key, found.mod_revision)]):
                return link
        raise crowded()

    def _write(
        self,
        repository: Repository,
        link: Link,
        standing: Mapping[bytes, Entry],
        fence: Fence,
        compares: list[KeyAt],
        origin: Origin = "pushed",
    ) -> bool:
        """Write both directions. False: something else than the fence moved, look again."""
        operation_id = self._new_id()
        link_key = keys.link(repository, link.digest)
        fences = fence.compares(link.digest)
        record = LinkRecord(link.size_bytes, operation_id, link.renewed_seconds, origin)
        write = linked(repository, link.digest, record, standing, self._room)
        change = Change(
            primary=link_key,
            standing=revision_of(standing, link_key),
            operation_id=operation_id,
            compares=[*fences, *compares, *write.compares],
            ops=write.ops,
            also_read=[compare.key for compare in fences],
        )
        result = commit(self._store, change)
        if not result.succeeded:
            fence.require(result.found, link.digest)
        return result.succeeded


def _read(digest: Digest, entry: Entry) -> Link:
    record = LinkRecord.decode(entry.value)
    return Link(digest, record.size_bytes, record.renewed_seconds, record.origin)
