"""Taking names away: tags, manifest records, links.

Promises
  * Nothing that a live manifest of the repository references is removed; a push that commits in between is noticed.
  * Every removal of a record, a link or a ref bumps ``removals/<repository>`` in the same transaction, so that a push which has
    checked its references before it does not commit after it (ARCHITECTURE 3b).
  * A repository goes with its last link: what reads it says that there is none, and whoever pushes makes it again.
  * What a removed record leaves behind (refs that did not fit, tags) reads as absent at once and is cleaned as far as possible.

A ``subject`` does not keep its manifest: referrers outlive it (distribution-spec, "Deleting Manifests").
Never here: bytes. They go when nothing links them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from holdfast.errors import BlobUnknownError, ManifestUnknownError, StillReferencedError, UnavailableError
from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, Change, commit, crowded, insist, revision_of
from holdfast.meta.counting import read_with, unlinked
from holdfast.meta.loosened import nothing
from holdfast.meta.manifests import live_tag, unknown
from holdfast.meta.records import ManifestRecord, encode_bump, left_revision_in, pack_digest
from holdfast.meta.store import MAX_OPS, Delete, KeyAt, Put, RangeNotAfter, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Compare, Entry, Op, Store
    from holdfast.names import Repository, Tag

# Parents whose records are compared in one transaction; more dead ones than that are cleaned first.
_PARENTS: Final = 64
_NAMED_IN_DETAIL: Final = 10
# Nothing is as old: the first revision of any store is that of its own making.
NEVER: Final = 1


class Removals:
    """``new_id`` gives 16 random bytes. ``explain``: what to write beside, where somebody has a manifest or a blob removed."""

    def __init__(
        self, store: Store, new_id: Callable[[], bytes], explain: Callable[[Digest], Sequence[Op]] = nothing
    ) -> None:
        self._store = store
        self._new_id = new_id
        self._explain = explain

    def revision(self, repository: Repository) -> int:
        """For :meth:`Manifests.put`: read it before the links."""
        entry = self._store.get(keys.removals(repository))
        return entry.mod_revision if entry else 0

    def left_at(self, repository: Repository) -> int:
        """The revision of the last removal that may have left links behind that nothing needs; 0: there was none."""
        entry = self._store.get(keys.removals(repository))
        return left_revision(entry) if entry else 0

    def tag(self, repository: Repository, tag: Tag) -> None:
        """Raises ManifestUnknownError, RepositoryUnknownError."""
        key = keys.tag(repository, tag)
        for _ in range(ATTEMPTS):
            found = live_tag(self._store, repository, tag)
            if found is None:
                raise unknown(self._store, repository, {"tag": tag})
            revision = found[0].mod_revision
            if commit(self._store, Change(key, revision, None, [KeyAt(key, revision)], [Delete(key)])).succeeded:
                return
        raise crowded()

    def manifest(self, repository: Repository, digest: Digest) -> None:
        """Raises ManifestUnknownError, RepositoryUnknownError, StillReferencedError."""
        key, removals_key = keys.manifest(repository, digest), keys.removals(repository)
        for _ in range(ATTEMPTS):
            standing = self._store.get_many([key, *read_with(repository, digest)]).entries
            entry = standing.get(key)
            if entry is None:
                raise unknown(self._store, repository, {"digest": str(digest)})
            record = ManifestRecord.decode(digest, entry.value)
            write = unlinked(repository, digest, standing, self._new_id())
            beside = [Delete(keys.pulled(digest, repository)), *self._explain(digest)]
            ops, later = removal_of(repository, record, [*write.ops, *beside])
            compares = [KeyAt(key, entry.mod_revision), *write.compares, *self.unreferenced(repository, digest)]
            if self.remove(repository, revision_of(standing, removals_key), compares, ops):
                self.clean(repository, record, later)
                return
        raise crowded()

    def blob(self, repository: Repository, digest: Digest) -> None:
        """Raises BlobUnknownError, RepositoryUnknownError, StillReferencedError."""
        link_key, record_key = keys.link(repository, digest), keys.manifest(repository, digest)
        removals_key = keys.removals(repository)
        for _ in range(ATTEMPTS):
            standing = self._store.get_many([record_key, *read_with(repository, digest)]).entries
            if link_key not in standing:
                missing = unknown(self._store, repository, {})
                if isinstance(missing, ManifestUnknownError):
                    raise BlobUnknownError("the repository does not link this blob", {"digest": str(digest)})
                raise missing
            if record_key in standing:
                raise StillReferencedError(
                    "this digest is a manifest of the repository: delete it as a manifest", {"digest": str(digest)}
                )
            write = unlinked(repository, digest, standing, self._new_id())
            compares = [KeyAt(record_key, 0), *write.compares, *self.unreferenced(repository, digest)]
            ops = [*write.ops, *self._explain(digest)]
            if self.remove(repository, revision_of(standing, removals_key), compares, ops):
                self.leave(repository)
                return
        raise crowded()

    def remove(
        self, repository: Repository, standing: int, compares: Sequence[Compare], ops: Sequence[Op], left: int = 0
    ) -> bool:
        """The operations together with a bump of ``removals``, last seen at ``standing``: it carries the operation id.

        ``left``: as ``left_at`` said, for a removal that leaves no link behind.
        """
        key, operation_id = keys.removals(repository), self._new_id()
        change = Change(
            primary=key,
            standing=standing,
            operation_id=operation_id,
            compares=compares,
            ops=[Put(key, encode_bump(operation_id, left)), *ops],
        )
        return commit(self._store, change).succeeded

    def unreferenced(self, repository: Repository, child: Digest) -> list[Compare]:
        """Compares that hold while no live manifest of the repository references ``child``.

        Refs without a live parent that references the child are leftovers, or a push that has not committed: their parents'
        records are compared as they stand. Refs that appear later are caught by the range.

        Raises:
            StillReferencedError: one does.
        """
        start, end = keys.parents_of(repository, child)
        for _ in range(ATTEMPTS):
            page = self._store.range(start, end, _PARENTS, keys_only=True)
            parents = {
                keys.manifest(repository, parent): parent
                for parent in (keys.last_digest_in(entry.key) for entry in page.entries)
            }
            records = self._store.get_many(list(parents)).entries if parents else {}
            holding = [
                str(parents[key])
                for key, entry in records.items()
                if references(ManifestRecord.decode(parents[key], entry.value), child)
            ]
            if holding:
                raise StillReferencedError(
                    "a manifest of this repository references it: delete that first",
                    {"digest": str(child), "referenced_by": holding[:_NAMED_IN_DETAIL]},
                )
            dead: list[Compare] = [KeyAt(key, revision_of(records, key)) for key in parents]
            if not page.more:
                return [RangeNotAfter(start, end, page.revision), *dead]
            self.remove(repository, self.revision(repository), dead, [Delete(entry.key) for entry in page.entries])
        raise crowded()

    def clean(
        self, repository: Repository, record: ManifestRecord, refs: Sequence[Delete], *, is_tagged: bool = True
    ) -> None:
        """After a record is gone and acknowledged; whatever cannot be cleaned now is ignored by every reader.

        ``is_tagged`` False spares reading all tags of the repository where none named it.
        """
        with contextlib.suppress(UnavailableError):
            self._clean_refs(repository, keys.manifest(repository, record.digest), refs)
            if is_tagged:
                self._clean_tags(repository, record.incarnation)
        self.leave(repository)

    def leave(self, repository: Repository) -> None:
        """After a link is gone and acknowledged: the repository goes, if that was its last. If not now, then with the next one."""
        key, (start, end) = keys.repository(repository), keys.links_of(repository)
        with contextlib.suppress(UnavailableError):
            if self._store.range(start, end, 1, keys_only=True).entries:
                return
            entry = self._store.get(key)
            if entry is not None:
                # "No key of the range was changed after revision 0": there is no link.
                insist(self._store, [KeyAt(key, entry.mod_revision), RangeNotAfter(start, end, 0)], [Delete(key)])

    def _clean_refs(self, repository: Repository, record_key: bytes, refs: Sequence[Delete]) -> None:
        """Refs of a record that is gone. Ends when it is pushed again: its refs are that push's now."""
        for first in range(0, len(refs), MAX_OPS - 1):
            batch = refs[first : first + MAX_OPS - 1]
            if not self.remove(repository, self.revision(repository), [KeyAt(record_key, 0)], batch):
                return

    def _clean_tags(self, repository: Repository, incarnation: bytes) -> None:
        """Tags of an incarnation that is gone."""
        # 16 random bytes stand in the value as they are: no need to decode every tag of the repository.
        dead = (entry for entry in pages(self._store, *keys.tags_after(repository, "")) if incarnation in entry.value)
        batch: list[Entry] = []
        for entry in dead:
            batch.append(entry)
            if len(batch) == MAX_OPS:
                self._delete_unchanged(batch)
                batch = []
        self._delete_unchanged(batch)

    def _delete_unchanged(self, entries: Sequence[Entry]) -> None:
        """All of them at once, or when one has moved meanwhile, those that have not."""
        compares = [KeyAt(entry.key, entry.mod_revision) for entry in entries]
        if entries and not insist(self._store, compares, [Delete(entry.key) for entry in entries]):
            for compare in compares:
                insist(self._store, [compare], [Delete(compare.key)])


def removal_of(repository: Repository, record: ManifestRecord, others: Sequence[Op]) -> tuple[list[Op], list[Delete]]:
    """What goes with the record, ``others`` (its link) included, and the refs that have to go after it because they do not fit."""
    digest = record.digest
    ops: list[Op] = [
        Delete(keys.manifest(repository, digest)),
        *others,
    ]
    if record.subject is not None:
        ops.append(Delete(keys.referrer(repository, record.subject, digest)))
    children = dict.fromkeys(reference.digest for reference in record.references)
    refs = [Delete(keys.ref(repository, child, digest)) for child in children]
    room = MAX_OPS - len(ops) - 1  # one for the bump
    return ([*ops, *refs], []) if len(refs) <= room else (ops, refs)


def left_revision(entry: Entry) -> int:
    """Of an entry of ``removals/``: see :meth:`Removals.left_at`."""
    return left_revision_in(entry.value) or entry.mod_revision


def references(record: ManifestRecord, child: Digest) -> bool:
    # The bytes are looked at before up to 10,000 references are decoded.
    return pack_digest(child) in record.packed_references and any(r.digest == child for r in record.references)
