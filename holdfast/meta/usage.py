"""What repositories hold: distinct blobs and manifests that they link, and the bytes of these, counted with every link.

    counted     the sum over some repositories, from a few keys each
    recount     makes the counts what the links come to

A blob that two repositories link counts in both, as it does for whoever pays for one of them; on disk it lies once.

Promises: a recount is right although links come and go meanwhile: a count is set only if neither it nor ``removals/`` has changed
since before the links were looked at, and every link that is made or removed changes one of them.

Never here: limits, and who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, crowded, insist, revision_of
from holdfast.meta.counting import put_usage, usage_at
from holdfast.meta.records import LinkRecord, UsageRecord
from holdfast.meta.store import KeyAt, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.meta.store import Store
    from holdfast.names import Repository


@dataclass(frozen=True, slots=True)
class Counted:
    """``blobs`` and ``size_bytes`` of all links together."""

    blobs: int = 0
    size_bytes: int = 0

    def __add__(self, other: Counted | UsageRecord) -> Counted:
        return Counted(self.blobs + other.blobs, self.size_bytes + other.size_bytes)


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repository whose count was another than its links come to."""

    repository: Repository
    before: Counted
    after: Counted


class Usage:
    """``new_id`` gives 16 random bytes. Every method may raise MetadataUnavailableError."""

    def __init__(self, store: Store, new_id: Callable[[], bytes]) -> None:
        self._store = store
        self._new_id = new_id

    def counted(self, path: str, covers: Callable[[Repository], bool]) -> Counted:
        """The sum over the repositories that ``covers`` takes, of those named ``path`` or below it; all of them if it is empty."""
        total = Counted()
        for entry in pages(self._store, *keys.usage_below(path)):
            if covers(keys.usage_in(entry.key)):
                total += UsageRecord.decode(entry.value)
        return total

    def of(self, repository: Repository) -> Counted:
        return self.counted(repository, lambda name: name == repository)

    def recount(self) -> Iterator[Repaired]:
        """Every repository, one after the other; those that were wrong. Raises OutcomeUnknownError."""
        for entry in pages(self._store, *keys.repositories_after(""), keys_only=True):
            yield from self._recounted(keys.repository_in(entry.key))
        # Counts of repositories that are gone.
        last = None
        for entry in pages(self._store, *keys.usage_below(""), keys_only=True):
            name = keys.usage_in(entry.key)
            if name != last and self._store.get(keys.repository(name)) is None:
                yield from self._recounted(name)
            last = name

    def _recounted(self, repository: Repository) -> Iterator[Repaired]:
        before = self.of(repository)
        is_wrong = [self._right(repository, shard) for shard in range(keys.USAGE_SHARDS)]
        if any(is_wrong):
            yield Repaired(repository, before, self.of(repository))

    def _right(self, repository: Repository, shard: int) -> bool:
        """Whether the count had to be set."""
        key, removals = keys.usage(repository, shard), keys.removals(repository)
        for _ in range(ATTEMPTS):
            standing = self._store.get_many([key, removals]).entries
            found = self._links(repository, shard)
            if usage_at(standing, key) == found:
                return False
            compares = [KeyAt(read, revision_of(standing, read)) for read in (key, removals)]
            if insist(self._store, compares, [put_usage(key, found, self._new_id())]):
                return True
        raise crowded()

    def _links(self, repository: Repository, shard: int) -> UsageRecord:
        found = UsageRecord()
        for entry in pages(self._store, *keys.links_of(repository)):
            if keys.last_digest_in(entry.key).partition % keys.USAGE_SHARDS == shard:
                found = found.changed(1, LinkRecord.decode(entry.value).size_bytes)
        return found
