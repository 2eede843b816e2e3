"""A repository world over a fake store, and short names for what tests put into it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.manifest import OCI_INDEX, OCI_MANIFEST, Reference
from holdfast.meta import keys
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.store import pages
from holdfast.names import repository, tag
from tests.fakes.memory_store import MemoryStore

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.meta.store import Store

REPO = repository("library/alpine")
OTHER = repository("library/alpine-extra")
V1, V2 = tag("v1"), tag("v2")


def new_ids():
    """16 bytes each, none of them like anything else."""
    numbers = itertools.count(1)

    def new_id() -> bytes:
        return digests.of(b"operation %d" % next(numbers)).encoded[:16].encode()

    return new_id


def world(store: Store | None = None) -> tuple[MemoryStore, Repositories]:
    store = store or MemoryStore(ManualClock())
    return store, Repositories(store, new_ids(), ManualClock())


def blob(name: str) -> Digest:
    return digests.of(name.encode())


def image(name: str, *children: Digest, subject: Digest | None = None) -> NewManifest:
    references = tuple(Reference(child, 10) for child in children)
    return NewManifest(blob(name), OCI_MANIFEST, 100, references, subject, "application/x")


def index(name: str, *children: Digest) -> NewManifest:
    return NewManifest(blob(name), OCI_INDEX, 100, tuple(Reference(child, 10, is_manifest=True) for child in children))


def link(repos: Repositories, *children: Digest, repo=REPO) -> None:
    for child in children:
        repos.add_link(repo, child, 10, repos.fence(child))


def push(repos: Repositories, new: NewManifest, *tags, repo=REPO):
    """As a gateway does it, with everything linked first."""
    link(repos, *(reference.digest for reference in new.references), repo=repo)
    return repos.put_manifest(repo, new, tags, repos.fence(new.digest), repos.removals(repo))


def keys_below(store: Store, prefix: bytes) -> list[bytes]:
    return [entry.key for entry in pages(store, prefix, prefix + b"\xff")]


def faults(store: Store, repo=REPO) -> list[str]:
    """Broken invariants, as sentences."""
    links = {keys.last_digest_in(key) for key in keys_below(store, f"link/{repo}//".encode())}
    return [*_faults_of_manifests(store, repo, links), *_faults_of_links(store, repo, links)]


def _faults_of_manifests(store: Store, repo, links: set[Digest]) -> list[str]:
    _, repos = world(store)
    refs = set(keys_below(store, f"ref/{repo}//".encode()))
    records = [keys.last_digest_in(key) for key in keys_below(store, f"manifest/{repo}//".encode())]
    found = []
    for digest, record in repos.manifests(repo, records).items():
        if digest not in links:
            found.append(f"manifest {digest} is not linked itself")
        if record.subject and digest not in repos.referrers(repo, record.subject):
            found.append(f"referrer {digest} is not listed")
        children = {reference.digest for reference in record.references}
        needed = {reference.digest for reference in record.references if not reference.may_be_absent}
        found += [f"{digest} references {child}, which is not linked" for child in needed - links]
        found += [
            f"{digest} has no ref from {child}" for child in children if keys.ref(repo, child, digest) not in refs
        ]
    return found


def _faults_of_links(store: Store, repo, links: set[Digest]) -> list[str]:
    _, repos = world(store)
    found = [f"the link to {digest} has no holder" for digest in links if repo not in repos.holders(digest, 100)]
    if links and not repos.exists(repo):
        found.append("the repository has links, but does not exist")
    for key in keys_below(store, b"holder/"):
        name, digest = keys.holder_in(key), key.split(b"/")[2].decode()
        if store.get(f"link/{name}//{digest}".encode()) is None:
            found.append(f"{name} holds {digest} without a link")
    return found
