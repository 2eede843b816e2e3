"""One repository of a registry, fetched into an OCI layout: blobs and manifests as they come, index.json last.

Promises: index.json names an image only if every part of it is there, compared with its digest; foreign layers excepted, which are
noted. Whatever cannot be had is a failure of the outcome, and keeps nothing else from being fetched.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.local import open_blob
from holdfast.errors import BlobUnknownError, HoldfastError, UnavailableError, UpstreamUnavailableError
from holdfast.ops.moving.sources import Contents
from holdfast.ops.moving.trees import tree
from holdfast.rpc.node import Want

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from holdfast.digest import Digest
    from holdfast.manifest import Reference
    from holdfast.names import Repository, Tag
    from holdfast.ops.moving.giving import Giving
    from holdfast.ops.moving.meter import Meter
    from holdfast.ops.moving.outcomes import Outcome
    from holdfast.ops.moving.remote import Remote
    from holdfast.ops.moving.shelving import Shelf
    from holdfast.ops.moving.trees import Tree
    from syncworker.upstream.upstream import Upstream


@dataclass(slots=True)
class Wish:
    """Of one repository. Nothing named: all tags."""

    tags: list[Tag] = field(default_factory=list)
    digests: list[Digest] = field(default_factory=list)
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What a run stands on."""

    source: Remote
    upstream: Upstream
    meter: Meter
    spread: Executor
    giving: Giving | None


def fill(work: Work, repository: Repository, wish: Wish, shelf: Shelf, outcome: Outcome) -> None:
    """Raises UpstreamUnavailableError: the registry does not answer. UnavailableError: the directory cannot be written."""
    contents = _contents(work, repository, wish, outcome)
    found = tree(work.source, repository, contents.roots, work.spread)
    sizes = found.sizes()
    outcome.tags, outcome.manifests = len(contents.tags), len(found.nodes) + len(found.failed)
    outcome.blobs, outcome.size_bytes = len(sizes) - len(found.nodes), sum(sizes.values())
    work.meter.expect(outcome.size_bytes)
    lost = dict(found.failed) | _blobs(work, repository, found, shelf, outcome)
    for node in found.nodes.values():
        why = _manifest(work, repository, node.digest, node.size_bytes, shelf, outcome)
        if why:
            lost[node.digest] = why
    _spread_loss(found, lost)
    for digest, why in lost.items():
        outcome.fail(digest, why)
    tags = {tag: found.nodes[digest] for tag, digest in contents.tags.items() if digest not in lost}
    for tag, digest in contents.tags.items():
        if digest in lost:
            outcome.fail(tag, f"its manifest {digest} cannot be had whole")
    children = {child for node in found.nodes.values() for child in node.children}
    roots = set(contents.untagged)
    untagged = [
        node
        for digest, node in found.nodes.items()
        if digest not in lost and (digest in roots or digest not in children) and digest not in contents.tags.values()
    ]
    if tags or untagged:
        shelf.close(tags, untagged)
    outcome.add(tags=len(tags))


def _contents(work: Work, repository: Repository, wish: Wish, outcome: Outcome) -> Contents:
    """The tags and digests that are meant, as far as they are there."""
    whole = work.source.contents(repository) if wish.is_whole else Contents()
    tags = dict(whole.tags)
    for broken, why in whole.broken.items():
        outcome.fail(broken, why)
    if wish.is_whole and not tags:
        outcome.fail(repository, "it is not there, or has no tags")
    for tag in wish.tags:
        described = work.upstream.head(repository, tag)
        if described is None:
            outcome.fail(tag, "there is no such tag")
        else:
            tags[tag] = described.digest
    return Contents(tags, tuple(wish.digests))


def _blobs(work: Work, repository: Repository, found: Tree, shelf: Shelf, outcome: Outcome) -> dict[Digest, str]:
    """Those that cannot be had, and why."""
    wanted = {one.digest: one for node in found.nodes.values() for one in node.blobs}
    whys = work.spread.map(lambda one: _blob(work, repository, one, shelf, outcome), wanted.values())
    return {digest: why for digest, why in zip(wanted, whys, strict=True) if why}


def _blob(work: Work, repository: Repository, reference: Reference, shelf: Shelf, outcome: Outcome) -> str:
    work.meter.moved(0)
    if shelf.has(reference.digest, reference.size_bytes):
        work.meter.there(reference.size_bytes)
        return ""
    try:
        if _linked(work, reference, shelf):
            work.meter.there(reference.size_bytes)
            outcome.add(blobs=1, linked=1)
            return ""
        pieces = work.source.read(repository, reference.digest, 0)
        shelf.store(reference.digest, work.meter.counted(pieces))
    except UnavailableError:
        raise
    except BlobUnknownError as error:
        if reference.may_be_absent:
            outcome.note(f"{reference.digest} is a foreign layer that is not here; clients get it from its own URLs")
            return ""
        return error.message
    except HoldfastError as error:
        return error.message
    outcome.add(blobs=1)
    return ""


def _linked(work: Work, reference: Reference, shelf: Shelf) -> bool:
    if work.giving is None:
        return False
    with _local(work.giving, reference) as descriptor:
        return descriptor is not None and shelf.link(reference.digest, descriptor)


@contextlib.contextmanager
def _local(node: Giving, reference: Reference) -> Iterator[int | None]:
    """The registry's own file, if its node is here and has it."""
    descriptor = None
    with contextlib.suppress(HoldfastError):
        # Without the size, which anybody may have written: a node that is asked for another one takes its copy for a wrong one.
        blob = node.open_blob(Want(reference.digest))
        descriptor = open_blob(blob) if blob is not None and blob.size_bytes == reference.size_bytes else None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _manifest(
    work: Work, repository: Repository, digest: Digest, size_bytes: int, shelf: Shelf, outcome: Outcome
) -> str:
    """Why it cannot be had; "": it is there."""
    if shelf.has(digest, size_bytes):
        work.meter.there(size_bytes)
        return ""
    try:
        shelf.store(digest, [work.source.manifest(repository, digest).data])
    except (UnavailableError, UpstreamUnavailableError):
        raise
    except HoldfastError as error:  # deleted meanwhile, for one
        return error.message
    work.meter.moved(size_bytes)
    outcome.add(manifests=1)
    return ""


def _spread_loss(found: Tree, lost: dict[Digest, str]) -> None:
    """A manifest is lost with anything that it needs."""
    grown = True
    while grown:
        grown = False
        for node in found.nodes.values():
            needs = (*node.children, *(one.digest for one in node.blobs))
            missing = next((digest for digest in needs if digest in lost), None)
            if missing is not None and node.digest not in lost:
                lost[node.digest] = f"it needs {missing}"
                grown = True
