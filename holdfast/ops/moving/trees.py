"""A repository's manifests, and what each of them needs before it: children before indexes, subjects before referrers.

Promises: every manifest that the roots lead to is here once, or among ``failed`` with the reason. Blobs are as the manifests say;
nobody has looked for them yet.

Never: holds the bytes of more manifests than are read at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.errors import HoldfastError, UnavailableError, UpstreamUnavailableError
from holdfast.manifest import INDEXES, Reference
from holdfast.mirrors.children import selected

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor

    from holdfast.digest import Digest
    from holdfast.names import Repository
    from holdfast.ops.moving.sources import Source
    from syncworker.upstream.values import Fetched


@dataclass(frozen=True, slots=True)
class Node:
    """One manifest. ``children`` are manifests, ``blobs`` are not."""

    digest: Digest
    media_type: str
    size_bytes: int
    children: tuple[Digest, ...]
    blobs: tuple[Reference, ...]
    subject: Digest | None


@dataclass(slots=True)
class Tree:
    """``failed``: manifests that cannot be read, and why."""

    nodes: dict[Digest, Node] = field(default_factory=dict)
    failed: dict[Digest, str] = field(default_factory=dict)

    def before(self) -> dict[Digest, tuple[Digest, ...]]:
        """For each manifest those that go first; a subject only where it comes along."""
        return {
            node.digest: (
                *(child for child in node.children if child in self.nodes),
                *((node.subject,) if node.subject in self.nodes and node.subject is not None else ()),
            )
            for node in self.nodes.values()
        }

    def sizes(self) -> dict[Digest, int]:
        """Of everything that is to be there, each once."""
        found = {one.digest: one.size_bytes for node in self.nodes.values() for one in node.blobs}
        return found | {node.digest: node.size_bytes for node in self.nodes.values()}


def tree(source: Source, repository: Repository, roots: Iterable[Digest], spread: Executor) -> Tree:
    """Read it, several manifests at a time. Raises UpstreamUnavailableError: the source does not answer."""
    found = Tree()
    waiting = dict.fromkeys(roots)
    while waiting:
        seen = list(waiting)
        waiting = {}
        for digest, read in zip(seen, spread.map(lambda one: _read(source, repository, one), seen), strict=True):
            if isinstance(read, HoldfastError):
                found.failed[digest] = read.message
                continue
            node, referrers = read
            found.nodes[digest] = node
            waiting |= dict.fromkeys((*node.children, *referrers))
        waiting = {digest: None for digest in waiting if digest not in found.nodes and digest not in found.failed}
    return found


def node(fetched: Fetched) -> Node:
    """What a manifest says that it needs."""
    children: tuple[Digest, ...] = ()
    blobs = fetched.manifest.references
    if fetched.media_type in INDEXES:
        listed = selected(fetched.data, ())
        children = tuple(child.digest for child in listed if child.is_manifest)
        # Old BuildKit caches list blobs in an index.
        blobs = tuple(Reference(child.digest, child.size_bytes) for child in listed if not child.is_manifest)
    return Node(fetched.digest, fetched.media_type, len(fetched.data), children, blobs, fetched.manifest.subject)


def _read(source: Source, repository: Repository, digest: Digest) -> tuple[Node, tuple[Digest, ...]] | HoldfastError:
    try:
        return node(source.manifest(repository, digest)), tuple(source.referrers(repository, digest))
    except (UnavailableError, UpstreamUnavailableError):
        raise
    except HoldfastError as error:
        return error
