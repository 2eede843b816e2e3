"""Links that nothing in their repository needs: of blobs that no manifest of it references, and that are no manifest themselves.

They come from pushes that broke off before their manifest, and stay behind when a manifest is deleted.

Promises
  * One walk reads links, refs and manifests of a repository side by side, in pages, each sorted by digest: memory does not grow
    with what is stored, but for the digests of the repository's manifests, of which :data:`MANIFESTS` are kept. Where there are
    more, every ref counts as a living manifest's, so that too little is found, never too much.
  * A walk only suspects. :meth:`LooseLinks.remove` removes a link if it stands as it was seen (a renewal is a change), there is no
    manifest by its digest, and no living manifest references it, in one transaction that pushes notice (``removals/``).

Never here: how long a link has to have been loose, and bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from holdfast.errors import StillReferencedError
from holdfast.meta import keys
from holdfast.meta.commit import revision_of
from holdfast.meta.counting import read_with, unlinked
from holdfast.meta.loosened import nothing
from holdfast.meta.records import LinkRecord
from holdfast.meta.removals import NEVER, Removals, left_revision
from holdfast.meta.store import Delete, KeyAt, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.store import Entry, Op, Store
    from holdfast.names import Repository

MANIFESTS: Final = 100_000


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

    def remove(self, loose: Loose) -> bool:
        """False: it is needed, was renewed, or is gone. Raises OutcomeUnknownError."""
        repository, digest = loose.repository, loose.digest
        link_key, record_key = keys.link(repository, digest), keys.manifest(repository, digest)
        standing = self._store.get_many([record_key, *read_with(repository, digest)]).entries
        if revision_of(standing, link_key) != loose.revision or record_key in standing:
            return False
        try:
            unreferenced = self._removals.unreferenced(repository, digest)
        except StillReferencedError:
            return False
        write = unlinked(repository, digest, standing, self._new_id())
        compares = [KeyAt(record_key, 0), *write.compares, *unreferenced]
        ops = [*write.ops, Delete(keys.pulled(digest, repository))]
        if not loose.is_strange:
            ops += self._explain(digest)
        # A link that was loose leaves none behind: whatever else waits for its manifest still does.
        removals = standing.get(keys.removals(repository))
        left = left_revision(removals) if removals else NEVER
        is_gone = self._removals.remove(repository, removals.mod_revision if removals else 0, compares, ops, left)
        if is_gone:
            self._removals.leave(repository)
        return is_gone

    def _manifests(self, repository: Repository) -> set[bytes] | None:
        """Names of the digests; None: too many to keep."""
        found: set[bytes] = set()
        for entry in pages(self._store, *keys.manifests_of(repository), keys_only=True):
            found.add(keys.after_name(entry.key))
            if len(found) > self._most_manifests:
                return None
        return found


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
