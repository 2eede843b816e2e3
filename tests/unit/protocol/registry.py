"""A registry as the protocol sees it: the real code over a store in memory, storage nodes that are tables of stamps, and a clock.

Every call of the store or the node is a step, after which the caller may be paused (``exploring``). Actors do what gateways and
collectors do, in the order in which they do it. ``without`` switches one of the protocol's fences off, to see that it is needed:

    sweep/, removals/, link/, holder/, ref/    what transactions compare of keys with this prefix
    stamp                                      deletes take a copy whatever its stamp
    grace                                      what nobody needs goes when it has been seen twice
"""

from __future__ import annotations

import contextlib
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast import digest as digests
from holdfast import names
from holdfast.clock import ManualClock
from holdfast.errors import (
    BlobUnknownError,
    MetadataUnavailableError,
    MissingError,
    RemovalsMovedError,
    RepositoryUnknownError,
    StillReferencedError,
    SweepMovedError,
)
from holdfast.meta import keys
from holdfast.meta.loose import LooseLinks
from holdfast.meta.records import UsageRecord
from holdfast.meta.repos import Repositories
from holdfast.meta.store import Entry, KeyAt
from holdfast.rpc.node import ListedBlob
from storagenode.collecting.collector import Collector, Terms
from storagenode.collecting.loosening import Graces, Loosening
from storagenode.collecting.marks import Marks
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import OTHER, REPO, V1, faults, image, keys_below
from tests.unit.protocol.model import Operation
from tests.unit.protocol.remembering import STANDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.digest import Digest
    from holdfast.meta.repos import Fence, NewManifest
    from holdfast.names import Repository
    from tests.unit.protocol.exploring import Role
    from tests.unit.protocol.model import Link

    Actor = Callable[[Role], object]

# Of `_ids`.
_ID = re.compile(rb"#[0-9a-f]{10}\.[0-9]{4}")
GRACE_SECONDS = 10.0


def in_first_partition(name: str) -> str:
    """A name like this one whose digest is in partition 0, so that a cycle has only one to walk over."""
    names = (f"{name} {number}" for number in itertools.count())
    return next(one for one in names if digests.of(one.encode()).partition == 0)


A_NAME, M_NAME = in_first_partition("a"), in_first_partition("m")
A, M = digests.of(A_NAME.encode()), digests.of(M_NAME.encode())


class Node:
    """Copies with stamps: every "have it" and every write gives a new one."""

    def __init__(self, copies: tuple[Digest, ...], *, heeds_stamps: bool) -> None:
        self.stamps = dict.fromkeys(copies, 1)
        self._heeds_stamps = heeds_stamps

    def has(self, digest: Digest) -> bool:
        if digest in self.stamps:
            self.stamps[digest] += 1
        return digest in self.stamps

    def write(self, digest: Digest) -> None:
        self.stamps[digest] = self.stamps.get(digest, 0) + 1

    def listing(self, partition: int) -> list[ListedBlob]:
        here = sorted((digest for digest in self.stamps if digest.partition == partition), key=str)
        return [ListedBlob(digest, 10, str(self.stamps[digest])) for digest in here]

    def delete(self, digest: Digest, stamp: str) -> bool:
        if digest not in self.stamps or (self._heeds_stamps and str(self.stamps[digest]) != stamp):
            return False
        del self.stamps[digest]
        return True


@dataclass(frozen=True)
class Acting:
    """An actor, and what it does as the model sees it."""

    act: Actor
    operation: Operation

    def __call__(self, role: Role) -> object:
        return self.act(role)


class _Unfenced:
    """A store that leaves some compares out."""

    def __init__(self, store: MemoryStore, prefix: bytes) -> None:
        self._store = store
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def txn(self, compares: Any, *rest: Any) -> Any:
        kept = [
            one for one in compares if not (one.key if isinstance(one, KeyAt) else one.start).startswith(self._prefix)
        ]
        return self._store.txn(kept, *rest)


class _ToldClock:
    """The time is among the answers that an actor has had."""

    def __init__(self, clock: ManualClock, role: Role) -> None:
        self._clock = clock
        self._role = role

    def monotonic(self) -> float:
        now = self._clock.monotonic()
        self._role.told(now)
        return now

    def wall(self) -> float:
        now = self._clock.wall()
        self._role.told(now)
        return now


class Registry:
    """Made anew for each run. ``cast`` is filled by whoever sets the scene."""

    def __init__(self, *copies: Digest, nodes: int = 1, without: str = "") -> None:
        self.without = without
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.nodes = [Node(copies, heeds_stamps=without != "stamp") for _ in range(nodes)]
        self.repos = Repositories(self.store, _ids("before"), self.clock)
        self.cast: list[Actor] = []
        self.acknowledged: list[str] = []
        self.wrong: list[str] = []
        self.short: set[int] = set()
        self._loaded: Any = ((), ())

    def actors(self) -> list[Actor]:
        return self.cast

    def state(self) -> object:
        stamps = [sorted((str(digest), stamp) for digest, stamp in node.stamps.items()) for node in self.nodes]
        entries = [self.store.get(key) for key in keys_below(self.store, b"")]
        return stamps, entries, self.clock.now, sorted(self.acknowledged), self.wrong, self.short

    # --- as a stage (``remembering``)

    def effects(self) -> tuple[tuple[str, ...], tuple[str, ...], frozenset[int]]:
        return tuple(self.acknowledged), tuple(self.wrong), frozenset(self.short)

    def name_of(self, target: object) -> str:
        numbers = [number for number, node in enumerate(self.nodes) if node is target]
        return f"node {numbers[0]}" if numbers else "store"

    def named(self, name: str) -> Any:
        return self._fenced if name == "store" else self.nodes[int(name.removeprefix("node "))]

    def load(self, content: Any) -> None:
        entries, copies = content
        self.store.set_all(Entry(key, value, STANDING, STANDING) for key, value in entries)
        for node, digests_here in zip(self.nodes, copies, strict=True):
            node.stamps = dict.fromkeys(digests_here, STANDING)
        self._loaded = content

    def content(self) -> Any:
        entries = ((key, _ID.sub(b"#an operation id", entry.value)) for key, entry in self.store.all().items())
        return tuple(sorted(entries)), tuple(tuple(sorted(node.stamps, key=str)) for node in self.nodes)

    def changed(self) -> frozenset[Any]:
        entries, copies = self._loaded
        now = self.store.all()
        moved = {("key", key) for key in {key for key, _ in entries} - now.keys()}
        moved |= {("key", key) for key, entry in now.items() if entry.mod_revision != STANDING}
        for number, (node, before) in enumerate(zip(self.nodes, copies, strict=True)):
            stamps = {digest: node.stamps.get(digest) for digest in {*before, *node.stamps}}
            moved |= {("stamp", (f"node {number}", one)) for one, stamp in stamps.items() if stamp != STANDING}
        return frozenset(moved)

    def operations(self) -> list[Operation]:
        return [actor.operation for actor in self.cast if isinstance(actor, Acting)]

    def links_in(self, content: Any) -> frozenset[Link]:
        return frozenset(map(_link_at, (key for key, _ in content[0] if key.startswith(b"link/"))))

    def links_among(self, changed: frozenset[Any]) -> set[Link]:
        return {_link_at(key) for kind, key in changed if kind == "key" and key.startswith(b"link/")}

    def lost_in(self, content: Any) -> list[str]:
        here = {digest for copies in content[1] for digest in copies}
        return [
            f"{digest} is linked, and there are no bytes" for _, digest in self.links_in(content) if digest not in here
        ]

    def acknowledged_in(self, effects: Any) -> bool:
        return bool(effects[0])

    def summed(self, effects: Any) -> Any:
        acknowledged, wrong, short = zip(*effects, strict=True)
        return tuple(sorted(sum(acknowledged, ()))), sum(wrong, ()), frozenset().union(*short)

    def ended(self, effects: Any) -> list[str]:
        acknowledged, wrong, short = effects
        self.acknowledged, self.wrong, self.short = list(acknowledged), list(wrong), set(short)
        return self.broken()

    # --- what gateways do

    def over(self, role: Role) -> Repositories:
        return Repositories(role.stepped(self._fenced), _ids(role.name), _ToldClock(self.clock, role))

    @property
    def _fenced(self) -> Any:
        return _Unfenced(self.store, self.without.encode()) if self.without.endswith("/") else self.store

    def writing(self, digest: Digest, repository: Repository = REPO) -> Actor:
        """Pushes a blob, or finds that it is there already."""

        def act(role: Role) -> None:
            self._link(role, digest, repository)
            self.acknowledged.append(f"link {repository} {digest}")

        return Acting(act, Operation(adds=(repository, digest)))

    def _link(self, role: Role, digest: Digest, repository: Repository) -> None:
        repos, nodes = self.over(role), [role.stepped(node) for node in self.nodes]

        def link() -> None:
            role.anew("link")
            fence = repos.fence(digest)
            for node in nodes:
                if not node.has(digest):
                    node.write(digest)
            _until_not_crowded(role, fence, lambda: repos.add_link(repository, digest, 10, fence))

        _until_no_sweep(link)

    def pushing(self, new: NewManifest, *, with_layers: bool = False) -> Actor:
        """Puts a manifest; first its layers, when told to. Who does so promptly is not to be told that they are gone."""

        def act(role: Role) -> None:
            clock, since = _ToldClock(self.clock, role), None
            if with_layers:
                since = clock.monotonic()
                for reference in new.references:
                    self._link(role, reference.digest, REPO)
            if self._put(role, new):
                self.acknowledged.append(f"push {new.digest}")
            elif since is not None and clock.monotonic() - since < GRACE_SECONDS:
                self.wrong.append("a prompt push was told that what it had just brought is not there")

        return act

    def _put(self, role: Role, new: NewManifest) -> bool:
        repos, node = self.over(role), role.stepped(self.nodes[0])
        needed = [reference.digest for reference in new.references]
        fence = None
        while True:
            if fence is None:
                fence = repos.fence(new.digest)
                node.write(new.digest)
            removals = repos.removals(REPO)
            if len(repos.links(REPO, needed)) < len(needed) or not all(node.has(digest) for digest in needed):
                return False
            try:
                repos.put_manifest(REPO, new, [V1], fence, removals)
            except SweepMovedError:
                fence = None
            except RemovalsMovedError:
                continue
            else:
                return True

    def mounting(self, digest: Digest, source: Repository = REPO, target: Repository = REPO) -> Actor:
        def act(role: Role) -> None:
            repos, node = self.over(role), role.stepped(self.nodes[0])

            def mount() -> None:
                role.anew("mount")
                fence = repos.fence(digest)
                if repos.link(source, digest) is not None and node.has(digest):
                    _until_not_crowded(role, fence, lambda: repos.mount(source, target, digest, fence))
                    self.acknowledged.append(f"link {target} {digest}")

            with contextlib.suppress(BlobUnknownError, RepositoryUnknownError):
                _until_no_sweep(mount)

        return Acting(act, Operation(adds=(target, digest), needs=(source, digest)))

    def deleting_blob(self, digest: Digest, repository: Repository = REPO) -> Actor:
        def act(role: Role) -> None:
            repos = self.over(role)
            with contextlib.suppress(StillReferencedError, MissingError):
                _until_not_crowded(role, None, lambda: repos.delete_blob(repository, digest))
                self.acknowledged.append(f"unlink {repository} {digest}")

        return Acting(act, Operation(removes=(repository, digest), needs=(repository, digest)))

    def deleting_manifest(self, digest: Digest) -> Actor:
        def act(role: Role) -> None:
            with contextlib.suppress(StillReferencedError, MissingError):
                self.over(role).delete_manifest(REPO, digest)

        return act

    # --- what collectors do

    @property
    def _grace_seconds(self) -> float:
        return 0.0 if self.without == "grace" else GRACE_SECONDS

    def collecting(self, number: int = 0, *, has_looked: bool = False) -> Actor:
        """A node's collector, in two cycles, or in one when it has looked before the others began.

        Without a grace: the fences alone have to hold, however long anybody is paused.
        """
        marks, terms = Marks(self.clock), Terms(0.0, share=1)
        if has_looked:
            self._collector(number, self.store, self.repos, marks).cycle(terms, lambda: True)

        def act(role: Role) -> None:
            collector = self._collector(number, role.stepped(self.store), self.over(role), marks, role)
            for cycles in range(1 if has_looked else 2):
                role.anew("cycle", cycles, vars(marks))
                collector.cycle(terms, lambda: True)

        return Acting(act, Operation())

    def _collector(
        self, number: int, store: Any, repos: Repositories, marks: Marks, role: Role | None = None
    ) -> Collector:
        node: Any = self.nodes[number] if role is None else role.stepped(self.nodes[number])
        return Collector(node, store, repos, marks, self.short.add, lambda: None)

    def loosening(self, *, has_looked: bool = False) -> Actor:
        """What goes over the links, in two cycles, or in one when it has looked before the others began and the grace is over."""
        marks, graces = Marks(self.clock), Graces(self._grace_seconds, self._grace_seconds)
        if has_looked:
            Loosening(LooseLinks(self.store, _ids("looking")), marks).cycle(graces, lambda: True)
            self.clock.advance(GRACE_SECONDS)

        def act(role: Role) -> None:
            links = LooseLinks(role.stepped(self._fenced), _ids(f"{role.name} loosening"))
            for _ in range(1 if has_looked else 2):
                Loosening(links, marks).cycle(graces, lambda: True)

        return act

    def time_passes(self, times: int = 1) -> Actor:
        def act(role: Role) -> None:
            clock = role.stepped(self.clock)
            for _ in range(times):
                clock.advance(GRACE_SECONDS)

        return act

    # --- what has to hold when all are done

    def broken(self) -> list[str]:
        """As sentences; afterwards everything that can be collected was collected."""
        found = [*self.wrong, *self._unsound()]
        self._settle()
        return [*found, *self._unsound(), *self._left()]

    def _unsound(self) -> Iterator[str]:
        for repository in (REPO, OTHER):
            yield from faults(self.store, repository)
            yield from self._miscounted(repository)
        for digest in self._linked():
            copies = sum(digest in node.stamps for node in self.nodes)
            if not copies:
                yield f"{digest} is linked, and there are no bytes"
            elif copies < len(self.nodes) and digest.partition not in self.short:
                yield f"{digest} is linked, and has fewer copies than nobody knows of"

    def _miscounted(self, repository: Repository) -> Iterator[str]:
        links = len(keys_below(self.store, f"link/{repository}//".encode()))
        entries = [self.store.get(key) for key in keys_below(self.store, f"usage/{repository}//".encode())]
        counted = sum(UsageRecord.decode(entry.value).blobs for entry in entries if entry is not None)
        if counted != links:
            yield f"{repository} has {links} links, and counts {counted}"

    def _linked(self) -> set[Digest]:
        return {keys.last_digest_in(key) for key in keys_below(self.store, b"link/")}

    def _left(self) -> Iterator[str]:
        """What nothing needs and stays all the same."""
        needed: set[Digest] = set()
        for repository in (REPO, OTHER):
            names = [keys.last_digest_in(key) for key in keys_below(self.store, f"manifest/{repository}//".encode())]
            for digest, record in self.repos.manifests(repository, names).items():
                needed |= {digest, *(reference.digest for reference in record.references)}
        yield from (f"{digest} is linked for nothing" for digest in self._linked() - needed)
        for node in self.nodes:
            yield from (f"{digest} is stored for nothing" for digest in node.stamps.keys() - needed)

    def _settle(self) -> None:
        """Cycles with time in between, as they come when everybody has gone."""
        loosening = Loosening(LooseLinks(self.store, _ids("settling")), Marks(self.clock))
        collectors = [
            Collector(node, self.store, self.repos, Marks(self.clock), self.short.add, lambda: None)
            for node in self.nodes
        ]
        # Its links, then its bytes, each seen and waited for; and the same for what a manifest was the last to need.
        for _ in range(6):
            loosening.cycle(Graces(GRACE_SECONDS, GRACE_SECONDS), lambda: True)
            for collector in collectors:
                collector.cycle(Terms(GRACE_SECONDS, share=1), lambda: True)
            self.clock.advance(GRACE_SECONDS)


def _link_at(key: bytes) -> Link:
    return names.repository(key[len(b"link/") :].split(b"//")[0].decode()), keys.last_digest_in(key)


def manifest() -> NewManifest:
    return image(M_NAME, A)


def _until_no_sweep(change: Callable[[], object]) -> None:
    """What the one before knew is gone with its frame."""
    while True:
        with contextlib.suppress(SweepMovedError):
            change()
            return


def _until_not_crowded(role: Role, fence: Fence | None, change: Callable[[], object]) -> None:
    """The loop that the product makes of its attempts, where a test allows it only one: what is known then is the fence."""
    while True:
        role.anew("attempt", fence)
        with contextlib.suppress(MetadataUnavailableError):
            change()
            return


def _ids(whose: str) -> Callable[[], bytes]:
    """16 bytes each, none like any other, and the same in each run."""
    numbers, name = itertools.count(1), digests.of(whose.encode()).encoded[:10]

    def new_id() -> bytes:
        return f"#{name}.{next(numbers):04}".encode()

    return new_id
