"""Which images the loss of a blob touches: repositories that link it, manifests that name it, however far up, and their tags.

Promises: one walk over the tags of each repository, however many blobs are asked about. So many manifests are followed for each
repository (:data:`MOST_MANIFESTS`) and no more: a base image's layer is in thousands.

Never here: whether a blob is lost.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.records import TagRecord
from holdfast.meta.store import pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.digest import Digest
    from holdfast.meta.repos import ManifestRecord, Repositories
    from holdfast.meta.store import Store
    from holdfast.names import Repository, Tag

MOST_MANIFESTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Touched:
    """``digest`` is lost to ``repository``: ``manifests`` that name it or are it, and all tags that lead to them.

    ``is_mirrored``: every one of these manifests came from an upstream.
    """

    digest: Digest
    repository: Repository
    manifests: tuple[Digest, ...]
    tags: tuple[Tag, ...]
    is_mirrored: bool


def touched(store: Store, repos: Repositories, lost: Iterable[Digest]) -> list[Touched]:
    """By repository, then digest. Raises MetadataUnavailableError."""
    by_repository: dict[Repository, list[Digest]] = defaultdict(list)
    for digest in lost:
        for entry in pages(store, *keys.holders_of(digest), keys_only=True):
            by_repository[keys.holder_in(entry.key)].append(digest)
    return [one for name in sorted(by_repository) for one in _in_repository(store, repos, name, by_repository[name])]


def _in_repository(store: Store, repos: Repositories, name: Repository, lost: list[Digest]) -> list[Touched]:
    above = {digest: _above(repos, name, digest) for digest in sorted(lost)}
    tags: dict[tuple[Digest, bytes], list[Tag]] = defaultdict(list)
    if any(above.values()):
        for entry in pages(store, *keys.tags_after(name, "")):
            record = TagRecord.decode(entry.value)
            tags[record.digest, record.incarnation].append(keys.tag_in(entry.key))
    return [
        Touched(
            digest,
            name,
            tuple(sorted(manifests)),
            tuple(sorted({tag for one in manifests.values() for tag in tags[one.digest, one.incarnation]})),
            bool(manifests) and all(one.origin == "upstream" for one in manifests.values()),
        )
        for digest, manifests in above.items()
    ]


def _above(repos: Repositories, name: Repository, digest: Digest) -> dict[Digest, ManifestRecord]:
    """The manifest itself, if it is one, and all that name it."""
    found = repos.manifests(name, [digest])
    todo = [digest]
    while todo and len(found) < MOST_MANIFESTS:
        for record in repos.naming(name, todo.pop()):
            if record.digest not in found:
                found[record.digest] = record
                todo.append(record.digest)
    return found
