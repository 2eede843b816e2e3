"""Taking out of a repository what retention lets go, as it was when that was decided.

Promises
  * A tag goes if nobody has set it since, a manifest if nobody has pushed, tagged or renewed it since; and neither if somebody has
    pulled it since, or if what it refers to is there (again). All of that is compared in the transaction that removes it.
  * A manifest that a living manifest of the repository references stays. A push that relies on what goes at the same moment
    notices (``removals/``, ARCHITECTURE 3b).
  * Dying between any two lines loses nothing: what is removed is removed by one transaction, and what that leaves (refs that did
    not fit, the repository's own key) means nothing to any reader.

Never here: what should go (``holdfast.retention``), and bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import StillReferencedError
from holdfast.meta import keys
from holdfast.meta.commit import Change, commit, insist, revision_of
from holdfast.meta.counting import read_with, unlinked
from holdfast.meta.loosened import nothing
from holdfast.meta.records import ManifestRecord
from holdfast.meta.removals import NEVER, Removals, left_revision, removal_of
from holdfast.meta.store import Delete, KeyAt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Compare, Entry, Op, Store
    from holdfast.names import Repository, Tag
    from holdfast.retention.facts import Facts, ManifestFact, Pulled, TagFact

# Two compares for each tag.
TAGS_AT_ONCE: Final = 60
# Pushes beside it move counts that a removal compares; after so many of them it stays until the next pass.
_TRIES: Final = 8


class Retiring:
    """``new_id`` gives 16 random bytes. ``explain``: what to write beside, where a manifest goes. Every method may raise
    MetadataUnavailableError, OutcomeUnknownError.
    """

    def __init__(
        self, store: Store, new_id: Callable[[], bytes], explain: Callable[[Digest], Sequence[Op]] = nothing
    ) -> None:
        self._store = store
        self._new_id = new_id
        self._removals = Removals(store, new_id)
        self._explain = explain

    def tags(self, facts: Facts, tags: Sequence[TagFact]) -> list[Tag]:
        """Those that are gone now, of at most :data:`TAGS_AT_ONCE`."""
        compares = [compare for tag in tags for compare in _as_seen(facts, tag)]
        deletes = [Delete(keys.tag(facts.repository, tag.tag)) for tag in tags]
        if insist(self._store, compares, deletes):
            return [tag.tag for tag in tags]
        return [tag.tag for tag in tags if self.tag(facts, tag, ())]

    def tag(self, facts: Facts, tag: TagFact, subjects: Iterable[Digest]) -> bool:
        """Whether it is gone now. ``subjects``: what must not be there."""
        key = keys.tag(facts.repository, tag.tag)
        compares = [*_as_seen(facts, tag), *_absent(facts.repository, subjects)]
        return commit(self._store, Change(key, tag.revision, None, compares, [Delete(key)])).succeeded

    def manifest(self, facts: Facts, fact: ManifestFact, subjects: Iterable[Digest]) -> bool:
        """Whether it is gone now. ``subjects``: what must not be there."""
        repository, digest = facts.repository, fact.digest
        unchanged = _unchanged(repository, fact, facts.pulled(digest))
        absent = _absent(repository, subjects)
        for _ in range(_TRIES):
            wanted = [*(compare.key for compare in [*unchanged, *absent]), *read_with(repository, digest)]
            standing = self._store.get_many(list(dict.fromkeys(wanted))).entries
            if any(revision_of(standing, compare.key) != compare.mod_revision for compare in [*unchanged, *absent]):
                return False
            try:
                free = self._removals.unreferenced(repository, digest)
            except StillReferencedError:
                return False
            record = ManifestRecord.decode(digest, standing[keys.manifest(repository, digest)].value)
            if self._remove(repository, record, standing, [*unchanged, *absent, *free]):
                return True
        return False

    def dead_tag(self, repository: Repository, tag: Tag, revision: int) -> None:
        """One whose manifest is gone for good, if nobody has set it since."""
        key = keys.tag(repository, tag)
        insist(self._store, [KeyAt(key, revision)], [Delete(key)])

    def _remove(
        self, repository: Repository, record: ManifestRecord, standing: Mapping[bytes, Entry], compares: list[Compare]
    ) -> bool:
        write = unlinked(repository, record.digest, standing, self._new_id())
        beside = [Delete(keys.pulled(record.digest, repository)), *self._explain(record.digest)]
        ops, later = removal_of(repository, record, [*write.ops, *beside])
        compares = list(dict.fromkeys([*compares, *write.compares]))
        # What else waits for its manifest still does: a pass every hour must not cut short pushes that take longer. What this
        # one leaves behind waits as long as they do.
        bump = standing.get(keys.removals(repository))
        left, removals = (left_revision(bump), bump.mod_revision) if bump else (NEVER, 0)
        if not self._removals.remove(repository, removals, compares, ops, left):
            return False
        self._removals.clean(repository, record, later, is_tagged=False)
        return True


def _as_seen(facts: Facts, tag: TagFact) -> list[Compare]:
    pulled = keys.pulled(tag.digest, facts.repository)
    return [KeyAt(keys.tag(facts.repository, tag.tag), tag.revision), KeyAt(pulled, facts.pulled(tag.digest).revision)]


def _unchanged(repository: Repository, fact: ManifestFact, pulled: Pulled) -> list[KeyAt]:
    return [
        KeyAt(keys.manifest(repository, fact.digest), fact.revision),
        KeyAt(keys.link(repository, fact.digest), fact.link_revision),
        KeyAt(keys.pulled(fact.digest, repository), pulled.revision),
    ]


def _absent(repository: Repository, subjects: Iterable[Digest]) -> list[KeyAt]:
    return [KeyAt(keys.manifest(repository, subject), 0) for subject in subjects]
