"""Manifests that reference what their repository does not link: what a push promises not to be.

Promises: refs and links of a repository are read side by side, in pages, each sorted by digest: memory does not grow with either.
What looks so is looked at again, link and record as of one moment, so that a deletion under way is no finding. References that may
be absent are none, and neither are those of manifests that came from an upstream, whose blobs come when somebody asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.meta import keys
from holdfast.meta.records import ManifestRecord
from holdfast.meta.store import pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from holdfast.meta.store import Store
    from holdfast.names import Repository


@dataclass(frozen=True, slots=True)
class Dangling:
    """``manifest`` of ``repository`` references ``child``, which that does not link."""

    repository: Repository
    manifest: Digest
    child: Digest


def dangling(store: Store) -> Iterator[Dangling]:
    """Of all repositories. Raises MetadataUnavailableError, CorruptError."""
    for entry in pages(store, *keys.repositories_after(""), keys_only=True):
        yield from _of(store, keys.repository_in(entry.key))


def _of(store: Store, name: Repository) -> Iterator[Dangling]:
    links = (keys.after_name(entry.key) for entry in pages(store, *keys.links_of(name), keys_only=True))
    linked = next(links, None)
    for ref in pages(store, *keys.refs_of(name), keys_only=True):
        child = keys.child_named(ref.key)
        while linked is not None and linked < child:
            linked = next(links, None)
        if linked != child and _is_dangling(store, name, ref.key):
            yield Dangling(name, keys.last_digest_in(ref.key), keys.child_in(ref.key))


def _is_dangling(store: Store, name: Repository, ref: bytes) -> bool:
    parent, child = keys.last_digest_in(ref), keys.child_in(ref)
    link, record = keys.link(name, child), keys.manifest(name, parent)
    found = store.get_many([link, record]).entries
    if link in found or record not in found:
        return False
    manifest = ManifestRecord.decode(parent, found[record].value)
    return manifest.origin == "pushed" and any(
        reference.digest == child and not reference.may_be_absent for reference in manifest.references
    )
