"""Links that nothing in their repository needs: of blobs that no manifest of it references, and that are no manifest themselves.

They come from pushes that broke off before their manifest, and stay behind when a manifest is deleted.

Promises
  * One walk reads links, refs and manifests of a repository side by side, in pages, each sorted by digest: memory does not grow
    with what is stored, but for the digests of the repository's manifests, of which :data:`MANIFESTS` are kept. Where there are
    more, every ref counts as a living manifest's, so that too little is found, never too much.
  * A walk only suspects. :meth:`LooseLinks.remove` removes a link if it stands as it was seen (a renewal is a change), there is no
    manifest by its digest, and no living manifest references it, in one transaction that pushes notice (``removals/``). Many go in
    one where nothing at all references them, which is the rule.

Never here: how long a link has to have been loose, and bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from holdfast.errors import StillReferencedError
from holdfast.meta import keys
from holdfast.meta.commit import revision_of
from holdfast.meta.counting import all_unlinked, read_with, unlinked
from holdfast.meta.loosened import nothing
from holdfast.meta.records import LinkRecord
from holdfast.meta.removals import NEVER, Removals, left_revision
from holdfast.meta.store import Delete, KeyAt, RangeNotAfter, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Compare, Entry, Op, Store
    from holdfast.names import Repository

MANIFESTS: Final = 100_000
# Four operations each, and one for each shard of the count, fit into one transaction.
TOGETHER: Final = 28
_NO_REF: Final = 0


@dataclass(frozen=True, slots=True)
class Loose:
    """A link as it was seen. ``revision`` changes when it is renewed. ``is_awaited``: since it was made or renewed nothing was
    removed from its repository that could have left it behind; a manifest may be on its way. ``is_strange``: a manifest that is not
    there references it, though refs go with their manifest: it may have been lost.
    """

    repository: Repository
    digest: Digest
    size_bytes: int
    revision: int
    is_awaited: bool = False
    is_strange: bool = False


class LooseLinks:
    """``new_id`` gives 16 random bytes. ``explain``: what to write beside, where it is known why nothing needs a link. Every method
    may raise MetadataUnavailableError.
    """

    def __init__(
        self,
        store: Store,
        new_id: Callable[[], bytes],
        most_manifests: int = MANIFESTS,
        explain: Callable[[Digest], Sequence[Op]] = nothing,
    ) -> None:
        self._store = store
        self._new_id = new_id
        self._removals = Removals(store, new_id)
        self._most_manifests = most_manifests
        self._explain = explain

    def repositories(self) -> Iterator[Repository]:
        for entry in pages(self._store, *keys.repositories_after(""), keys_only=True):
            yield keys.repository_in(entry.key)

    def of(self, repository: Repository) -> Iterator[Loose]:
        """Suspects, by digest."""
        # First: what is removed during the walk is seen by the next one.
        left_at = self._removals.left_at(repository)
        manifests = self._manifests(repository)
        refs = _Refs(self._store, repository)
        for entry in pages(self._store, *keys.links_of(repository)):
            name = keys.after_name(entry.key)
            parents = refs.parents_of(name)
            if manifests is None:
                is_needed = bool(parents) or self._store.get(keys.manifest_named(repository, name)) is not None
            else:
                is_needed = name in manifests or not manifests.isdisjoint(parents)
            if not is_needed:
                digest = keys.last_digest_in(entry.key)
                size_bytes = LinkRecord.decode(entry.value).size_bytes
                is_awaited = entry.mod_revision > left_at
                yield Loose(repository, digest, size_bytes, entry.mod_revision, is_awaited, bool(parents))

    def remove(self, suspects: Sequence[Loose]) -> list[Loose]:
        """Links of one repository. Those that went: others are needed, were renewed, or are gone. Raises OutcomeUnknownError."""
        gone: list[Loose] = []
        for first in range(0, len(suspects), TOGETHER):
            gone += self._remove(suspects[first : first + TOGETHER])
        if gone:
            self._removals.leave(gone[0].repository)
        return gone

    def _remove(self, suspects: Sequence[Loose]) -> list[Loose]:
        """All that stand as they were seen, at once, or those of each half."""
        repository = suspects[0].repository
        named = {keys.manifest(repository, loose.digest): loose for loose in suspects}
        read = (key for loose in suspects for key in read_with(repository, loose.digest))
        standing = self._store.get_many([*named, *dict.fromkeys(read)]).entries
        going = [loose for key, loose in named.items() if key not in standing and _stands(loose, standing)]
        if not going or self._went(repository, going, standing):
            return going
        if len(going) == 1:
            return going if self._remove_one(going[0]) else []
        middle = len(going) // 2
        return self._remove(going[:middle]) + self._remove(going[middle:])

    def _went(self, repository: Repository, going: Sequence[Loose], standing: Mapping[bytes, Entry]) -> bool:
        """False: something has changed, or there are refs, which have to be looked at."""
        digests = [loose.digest for loose in going]
        write = all_unlinked(repository, digests, standing, self._new_id())
        compares: list[Compare] = [*write.compares]
        for digest in digests:
            unreferenced = RangeNotAfter(*keys.parents_of(repository, digest), _NO_REF)
            compares += [KeyAt(keys.manifest(repository, digest), 0), unreferenced]
        beside = [op for loose in going for op in self._beside(loose)]
        return self._take(repository, standing, compares, [*write.ops, *beside])

    def _beside(self, loose: Loose) -> list[Op]:
        """What goes and comes with the link."""
        forgotten: list[Op] = [Delete(keys.pulled(loose.digest, loose.repository))]
        return forgotten if loose.is_strange else [*forgotten, *self._explain(loose.digest)]

    def _take(
        self, repository: Repository, standing: Mapping[bytes, Entry], compares: Sequence[Compare], ops: Sequence[Op]
    ) -> bool:
        # A link that was loose leaves none behind: whatever else waits for its manifest still does.
        removals = standing.get(keys.removals(repository))
        left = left_revision(removals) if removals else NEVER
        return self._removals.remove(repository, removals.mod_revision if removals else 0, compares, ops, left)

    def _remove_one(self, loose: Loose) -> bool:
        """Refs of manifests that are gone are in nobody's way."""
        repository, digest = loose.repository, loose.digest
        record_key = keys.manifest(repository, digest)
        standing = self._store.get_many([record_key, *read_with(repository, digest)]).entries
        if not _stands(loose, standing) or record_key in standing:
            return False
        try:
            unreferenced = self._removals.unreferenced(repository, digest)
        except StillReferencedError:
            return False
        write = unlinked(repository, digest, standing, self._new_id())
        compares = [KeyAt(record_key, 0), *write.compares, *unreferenced]
        return self._take(repository, standing, compares, [*write.ops, *self._beside(loose)])

    def _manifests(self, repository: Repository) -> set[bytes] | None:
        """Names of the digests; None: too many to keep."""
        found: set[bytes] = set()
        for entry in pages(self._store, *keys.manifests_of(repository), keys_only=True):
            found.add(keys.after_name(entry.key))
            if len(found) > self._most_manifests:
                return None
        return found


def _stands(loose: Loose, standing: Mapping[bytes, Entry]) -> bool:
    """As it was seen."""
    return revision_of(standing, keys.link(loose.repository, loose.digest)) == loose.revision


class _Refs:
    """The ``ref/`` keys of a repository beside its links: children are asked about in order."""

    def __init__(self, store: Store, repository: Repository) -> None:
        self._groups = groupby(pages(store, *keys.refs_of(repository), keys_only=True), _child)
        self._next: tuple[bytes, frozenset[bytes]] | None = None
        self._advance()

    def parents_of(self, child: bytes) -> frozenset[bytes]:
        while self._next is not None and self._next[0] < child:
            self._advance()
        return self._next[1] if self._next is not None and self._next[0] == child else frozenset()

    def _advance(self) -> None:
        for child, entries in self._groups:
            self._next = (child, frozenset(keys.parent_named(entry.key) for entry in entries))
            return
        self._next = None


def _child(entry: Entry) -> bytes:
    return keys.child_named(entry.key)
