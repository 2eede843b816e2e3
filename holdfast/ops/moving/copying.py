"""A repository of a source, copied to a registry: blobs before manifests, children before indexes, tags after what they name.

Promises
    * One image after the other: an image has its tags while others are still to come, so that a registry that collects what has no
      tag does not take the first ones before the last one has come.
    * A manifest that the target has is not walked again: all that it needs is there with it.
    * A tag that names something else at the target stays as it is, and is a failure, unless ``move_tags``.
    * What fails is told with its reason, and takes with it only what needs it.

Never: deletes anything, changes a manifest.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, UnavailableError, UpstreamDeniedError, UpstreamUnavailableError
from holdfast.ops.moving.trees import Tree, tree

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.names import Repository, Tag
    from holdfast.ops.moving.bodies import Bodies
    from holdfast.ops.moving.meter import Meter
    from holdfast.ops.moving.outcomes import Outcome
    from holdfast.ops.moving.sources import Contents, Source
    from holdfast.ops.moving.trees import Node
    from syncworker.upstream.target import Target


# A registry may fail at one thing for ever; one that fails at so many in a row, each tried several times, is down.
_SILENT: Final = 8


@dataclass(frozen=True, slots=True)
class Ends:
    """Between what is copied."""

    source: Source
    target: Target


@dataclass(frozen=True, slots=True)
class _Trip:
    """Of one repository. ``failed``: manifests that are not at the target, and why; ``unset``: tags. ``named``: what tags name."""

    repository: Repository
    name: Repository
    outcome: Outcome
    failed: dict[Digest, str]
    named: dict[Digest, list[Tag]]
    unset: dict[Tag, str] = field(default_factory=dict)


class Copying:
    """``spread`` does ``width`` things at once. For one thread."""

    def __init__(
        self, ends: Ends, bodies: Bodies, meter: Meter, spread: Executor, width: int, *, move_tags: bool
    ) -> None:
        self._source = ends.source
        self._target = ends.target
        self._bodies = bodies
        self._meter = meter
        self._spread = spread
        self._width = width
        self._move_tags = move_tags
        self._silent = 0

    def copy(self, repository: Repository, name: Repository, outcome: Outcome) -> None:
        """What becomes of it goes into ``outcome``.

        Raises:
            UpstreamUnavailableError: source or target do not answer. UnavailableError: by the meter.
        """
        try:
            contents, found = look(self._source, repository, outcome, self._spread)
        except HoldfastError as error:
            self._endure(error)
            outcome.fail(repository, error.message)
            return
        self._meter.expect(outcome.size_bytes)
        trip = _Trip(repository, name, outcome, dict(found.failed), _named(contents))
        try:
            self._manifests(trip, found)
            for digest, why in trip.failed.items():
                outcome.fail(digest, why)
            for tag, digest in contents.tags.items():
                if digest in trip.failed:
                    outcome.fail(tag, f"its manifest {digest} is not there")
                elif tag in trip.unset:
                    outcome.fail(tag, trip.unset[tag])
        except UpstreamDeniedError as error:
            outcome.fail(repository, error.message)
        finally:
            self._bodies.forget()

    def _manifests(self, trip: _Trip, found: Tree) -> None:
        order, ranks = TopologicalSorter(found.before()), _ranks(found, trip.named)
        order.prepare()
        ready: list[tuple[int, Digest]] = []
        running: dict[Future[None], Digest] = {}
        try:
            while order.is_active():
                for digest in order.get_ready():
                    heappush(ready, (ranks[digest], digest))
                # No more at once than are worked on, or what becomes ready later would stand behind all that is now.
                while ready and len(running) < self._width:
                    _, digest = heappop(ready)
                    running[self._spread.submit(self._image, trip, found.nodes[digest])] = digest
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    digest = running.pop(future)
                    self._settle(trip, digest, future)
                    order.done(digest)
        except BaseException as error:
            if not isinstance(error, UpstreamDeniedError):
                self._meter.stop()
            for future in running:
                future.cancel()
            wait(running)
            raise

    def _settle(self, trip: _Trip, digest: Digest, future: Future[None]) -> None:
        try:
            future.result()
        except UnavailableError:
            raise
        except UpstreamDeniedError:
            raise  # whoever may not write one thing there may not write the others
        except HoldfastError as error:
            self._endure(error)
            trip.failed[digest] = error.message
        else:
            self._silent = 0

    def _endure(self, error: HoldfastError) -> None:
        """Raises UpstreamUnavailableError: so many in a row were not answered that the whole end is down."""
        self._silent = self._silent + 1 if isinstance(error, UpstreamUnavailableError) else 0
        if self._silent >= _SILENT and isinstance(error, UpstreamUnavailableError):
            raise error

    def _image(self, trip: _Trip, node: Node) -> None:
        """With its tags."""
        self._manifest(trip, node)
        if node.digest in trip.failed:
            return
        for tag in trip.named.get(node.digest, ()):
            why = self._tag(trip, tag, node.digest)
            if why:
                trip.unset[tag] = why

    def _manifest(self, trip: _Trip, node: Node) -> None:
        self._meter.moved(0)
        if self._target.head(trip.name, node.digest) is not None:
            self._bodies.there(trip.name, node.blobs)
            self._meter.there(node.size_bytes)
            return
        lacking = [child for child in node.children if child in trip.failed]
        if lacking:
            trip.failed[node.digest] = f"it lists {lacking[0]}, which is not there"
            return
        self._bodies.bring(trip.repository, trip.name, node.blobs, trip.outcome)
        fetched = self._source.manifest(trip.repository, node.digest)
        self._target.put_manifest(trip.name, node.digest, fetched.data, node.media_type, node.digest)
        self._meter.moved(node.size_bytes)
        trip.outcome.add(manifests=1)

    def _tag(self, trip: _Trip, tag: Tag, digest: Digest) -> str:
        """Why it is not set; "": it is."""
        self._meter.moved(0)
        try:
            standing = self._target.head(trip.name, tag)
            if standing is not None and standing.digest == digest:
                return ""
            if standing is not None and not self._move_tags:
                return f"it names {standing.digest} there, and {digest} here; --move-tags would move it"
            fetched = self._source.manifest(trip.repository, digest)
            self._target.put_manifest(trip.name, tag, fetched.data, fetched.media_type, digest)
        except UnavailableError:
            raise
        except UpstreamDeniedError:
            raise
        except HoldfastError as error:
            self._endure(error)
            return error.message
        self._silent = 0
        trip.outcome.add(tags=1)
        return ""


def _named(contents: Contents) -> dict[Digest, list[Tag]]:
    named: dict[Digest, list[Tag]] = defaultdict(list)
    for tag, digest in contents.tags.items():
        named[digest].append(tag)
    return named


def _ranks(found: Tree, named: dict[Digest, list[Tag]]) -> dict[Digest, int]:
    """What goes first of what may go: the images that tags name, each before what it needs and all of that before the next one."""
    ranks: dict[Digest, int] = {}
    pending = [*reversed(found.nodes), *reversed(named)]
    while pending:
        digest = pending.pop()
        node = found.nodes.get(digest)
        if node is not None and digest not in ranks:
            ranks[digest] = len(ranks)
            pending += reversed(node.children)
            if node.subject is not None:
                pending.append(node.subject)
    return ranks


def look(source: Source, repository: Repository, outcome: Outcome, spread: Executor) -> tuple[Contents, Tree]:
    """What is to be moved of a repository; counts and notes go into ``outcome``.

    Raises:
        HoldfastError: nothing can be read of it. UpstreamUnavailableError: the source does not answer.
    """
    contents = source.contents(repository)
    found = tree(source, repository, contents.roots, spread)
    for text in contents.notes:
        outcome.note(text)
    for tag, why in contents.broken.items():
        outcome.fail(tag, why)
    sizes = found.sizes()
    outcome.tags = len(contents.tags) + len(contents.broken)
    outcome.manifests = len(found.nodes) + len(found.failed)
    outcome.blobs = len(sizes) - len(found.nodes)
    outcome.size_bytes = sum(sizes.values())
    return contents, found
