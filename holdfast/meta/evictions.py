"""Taking out of a repository what came from an upstream, for lack of room or for its age.

Promises
  * What was pushed here stays, and so does everything that a pushed manifest of the repository references. A push that commits in
    between is noticed, or notices (``removals/``, ARCHITECTURE 3b).
  * What was asked for since the decision stays, and what a living worker is fetching at this moment.
  * A manifest goes with its link, its referrer entry, its refs, and its tags, which come back with the next pull. An index may stay
    without a child and an image without a layer: mirrored manifests may reference what is absent.
  * Nothing goes under a turn that is over.

Never here: what should go (``holdfast.mirrors.keeping``), and bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import revision_of
from holdfast.meta.counting import unlinked
from holdfast.meta.fetches import Fetches
from holdfast.meta.holdings import last_pull
from holdfast.meta.records import LinkRecord, ManifestRecord
from holdfast.meta.removals import Removals, references, removal_of
from holdfast.meta.store import Delete, KeyAt, RangeNotAfter, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from holdfast.digest import Digest
    from holdfast.meta.store import Compare, Entry, Store
    from holdfast.meta.turns import Turn
    from holdfast.mirrors.keeping import Held
    from holdfast.names import Repository

# Parents that are compared one by one; where there are more, no record of the repository may change meanwhile.
_PARENTS: Final = 64
# Changes in between, after which it stays until the next round.
_TRIES: Final = 3


class Outcome(Enum):
    """What became of it."""

    GONE = "gone"
    ABSENT = "not there any more"
    PULLED = "pulled meanwhile"
    PUSHED = "pushed here, or part of what was"
    FETCHED = "being fetched at this moment"
    NEEDED = "belongs to an image that is in use"
    BUSY = "its repository keeps changing"
    LOST_TURN = "another worker keeps caches now"


@dataclass(frozen=True, slots=True)
class _Found:
    """One link as it stands."""

    held: Held
    entries: Mapping[bytes, Entry]
    link_key: bytes
    record_key: bytes
    pulled_key: bytes
    fetch_key: bytes
    removals_key: bytes
    usage_key: bytes

    @property
    def link(self) -> LinkRecord | None:
        entry = self.entries.get(self.link_key)
        return LinkRecord.decode(entry.value) if entry else None

    @property
    def record(self) -> ManifestRecord | None:
        entry = self.entries.get(self.record_key)
        return ManifestRecord.decode(self.held.digest, entry.value) if entry else None

    @property
    def last_pull_seconds(self) -> float:
        return last_pull(self.link, self.entries.get(self.pulled_key)) if self.link else 0.0

    def unchanged(self) -> list[Compare]:
        standing = (self.link_key, self.record_key, self.pulled_key, self.fetch_key)
        return [KeyAt(key, revision_of(self.entries, key)) for key in standing]

    def kept(self) -> Outcome | None:
        """Why it stays, as far as this tells."""
        link, record = self.link, self.record
        if link is None:
            return Outcome.ABSENT
        if link.origin == "pushed" or (record is not None and record.origin == "pushed"):
            return Outcome.PUSHED
        return Outcome.PULLED if self.last_pull_seconds > self.held.last_pull_seconds else None


class Evictions:
    """``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, new_id: Callable[[], bytes]) -> None:
        self._store = store
        self._new_id = new_id
        self._removals = Removals(store, new_id)
        # As nobody, so that this process's own fetches count as everybody else's do.
        self._fetches = Fetches(store, new_id, "")

    def evict(self, held: Held, turn: Turn) -> Outcome:
        """Take one link out of its repository, and its manifest record if it has one.

        Raises:
            MetadataUnavailableError, OutcomeUnknownError.
        """
        for _ in range(_TRIES):
            found = self._look(held)
            kept = found.kept() or self._in_use(found)
            if kept is not None:
                return kept
            pinned = self._unpinned(held.repository, held.digest)
            if pinned is None:
                return Outcome.PUSHED
            if self._remove(found, [turn.compare, *found.unchanged(), *pinned]):
                return Outcome.GONE
            if revision_of(self._store.get_many([turn.key]).entries, turn.key) != turn.token:
                return Outcome.LOST_TURN
        return Outcome.BUSY

    def _look(self, held: Held) -> _Found:
        names = (
            keys.link(held.repository, held.digest),
            keys.manifest(held.repository, held.digest),
            keys.pulled(held.digest, held.repository),
            keys.fetch(held.digest),
            keys.removals(held.repository),
            keys.usage_of(held.repository, held.digest),
        )
        return _Found(held, self._store.get_many(names).entries, *names)

    def _in_use(self, found: _Found) -> Outcome | None:
        # A fetch that broke off stands until somebody goes on with it, and perhaps nobody ever does.
        if found.fetch_key in found.entries and self._fetches.look(found.held.digest).is_held:
            return Outcome.FETCHED
        record = found.record
        if record is None or record.subject is None:
            return None
        # A signature is asked for by listing only, so it is as recent as the image that it is of.
        image = self._look(replace(found.held, digest=record.subject))
        is_recent = image.record is not None and image.last_pull_seconds > found.held.last_pull_seconds
        return Outcome.NEEDED if is_recent else None

    def _remove(self, found: _Found, compares: list[Compare]) -> bool:
        held, record = found.held, found.record
        removals = revision_of(found.entries, found.removals_key)
        write = unlinked(held.repository, held.digest, found.entries, self._new_id())
        ops = [*write.ops, Delete(found.pulled_key)]
        compares = [*compares, *write.compares]
        if record is None:
            is_gone = self._removals.remove(held.repository, removals, compares, ops)
            if is_gone:
                self._removals.leave(held.repository)
            return is_gone
        all_ops, later = removal_of(held.repository, record, ops)
        if not self._removals.remove(held.repository, removals, compares, all_ops):
            return False
        self._removals.clean(held.repository, record, later)
        return True

    def _unpinned(self, repository: Repository, child: Digest) -> list[Compare] | None:
        """Compares that hold while no pushed manifest of the repository references it; None: one does.

        Refs that appear later are caught by the range; a record that becomes a pushed one with the refs that it has, by its key.
        """
        start, end = keys.parents_of(repository, child)
        page = self._store.range(start, end, _PARENTS, keys_only=True)
        refs: Iterator[Entry] = pages(self._store, start, end, keys_only=True) if page.more else iter(page.entries)
        compares: list[Compare] = [RangeNotAfter(start, end, page.revision)]
        if page.more:
            compares.append(RangeNotAfter(*keys.manifests_of(repository), page.revision))
        for parent in (keys.last_digest_in(entry.key) for entry in refs):
            key = keys.manifest(repository, parent)
            entry = self._store.get(key)
            record = ManifestRecord.decode(parent, entry.value) if entry else None
            if record is not None and record.origin == "pushed" and references(record, child):
                return None
            if not page.more:
                compares.append(KeyAt(key, entry.mod_revision if entry else 0))
        return compares
