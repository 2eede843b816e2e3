"""The directory of a cluster: follows the metadata, keeps a client for each member, orders them for each operation.

One reading of layouts, members and leases makes a :class:`View`; a new one is made when a watch reports a change, and every few
seconds in any case, so a lost watch costs seconds and nothing else. Being behind is harmless: whoever links what was written
compares the layout revision that it was written by (ARCHITECTURE 3b). With it comes the minimum version, for what is written.

Readers are ordered: owners on this host, then owners from which an answer is expected soonest, then everybody else in the same way;
those without a lease or at rest come last. Uploads go round all nodes that have room: the emptiest one alone would take in
everything.
"""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING, Any, Final, cast

from holdfast.errors import ConfigError, HoldfastError, NodeUnreachableError, UploadUnknownError
from holdfast.meta import keys, versions
from holdfast.replicas.directory import Placing
from holdfast.replicas.outofreach import OutOfReach
from holdfast.replicas.pulse import Pulse
from holdfast.replicas.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.layouts import LayoutBook
    from holdfast.meta.members import Members
    from holdfast.meta.store import Event, Store
    from holdfast.rpc.node import NodeClient

_LOG: Final = logging.getLogger("holdfast.cluster")

_NEVER: Final = float("-inf")
_REFRESH_SECONDS: Final = 5.0
_WATCH_POLL_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.5
# A view this young is not read again for the sake of an unknown name.
_YOUNG_SECONDS: Final = 1.0
# Handoffs that one write may come to. They alternate between zones, so these have as many as any quorum wants.
_HANDOFFS: Final = 16
# A node with less than this share of its space left above its reserve, or less than a layer may take, takes uploads in only when
# the others cannot: it would have to refuse one in the middle.
_LEAST_FREE_SHARE: Final = 0.05
_LEAST_FREE_BYTES: Final = 1 << 30


class ClusterDirectory:
    """Implements ``NodeDirectory``. ``connect`` makes a client of a node id and an address; it is asked again when that changes."""

    def __init__(
        self,
        store: Store,
        book: LayoutBook,
        members: Members,
        connect: Callable[[str, str], NodeClient],
        clock: Clock,
        host_id: str,
        *,
        first_turn: int = 0,
    ) -> None:
        """``host_id``: nodes that report the same one are asked first; "" for none. ``first_turn``: where this process begins to go
        round, best not where all others do.
        """
        self._store = store
        self._book = book
        self._members = members
        self._connect = connect
        self._host_id = host_id
        self.pulse = Pulse(clock)
        self._turns = itertools.count(first_turn)
        self._clock = clock
        self._view = View()
        self._read_at = _NEVER
        self._reading = threading.Lock()
        self._clients: dict[str, tuple[str, NodeClient]] = {}
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    @property
    def view(self) -> View:
        return self._view

    def start(self) -> None:
        """Read once, then follow. Raises MetadataUnavailableError."""
        self.refresh()
        watched = {
            "version": keys.MIN_VERSION_ALONE,
            "layout": keys.LAYOUT_KEYS,
            "member": keys.MEMBERS,
            "alive": keys.ALIVE,
        }
        self._threads = [
            threading.Thread(target=self._watch, args=span, name=f"watch-{name}", daemon=True)
            for name, span in watched.items()
        ]
        self._threads.append(threading.Thread(target=self._follow, name="cluster-view", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads and closes all clients."""
        self._stopping.set()
        self._wanted.set()
        for thread in self._threads:
            thread.join()
        with self._lock:
            clients, self._clients = self._clients, {}
        for _, client in clients.values():
            client.close()

    def refresh(self) -> View:
        """Read the metadata now. Raises MetadataUnavailableError."""
        versions.minimum(self._store)
        # One at a time: of two readings the one that began first may end last, and the view would go back.
        with self._reading:
            began = self._clock.monotonic()
            # The layout before the members: who is named by a layout was a member before.
            live = self._book.live()
            members = {member.node_id: member for member in self._members.all()}
            view = View(live, members, self._members.alive())
            with self._changed:
                self._view, self._read_at = view, began
                self._changed.notify_all()
            return view

    def wait_for(self, holds: Callable[[View], bool], timeout_seconds: float) -> bool:
        """Until the view is such, or the time is out."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self._view), timeout_seconds)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait(_REFRESH_SECONDS)
            self._wanted.clear()
            if self._stopping.is_set():
                return
            try:
                self.refresh()
            except HoldfastError as error:
                _LOG.warning("the cluster's metadata cannot be read", extra={"reason": error.message})
                self._stopping.wait(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - a view that nobody follows any more would be worse than any surprise
                _LOG.exception("the cluster's metadata could not be read; it is tried again")
                self._stopping.wait(_RETRY_SECONDS)

    def _watch(self, start: bytes, end: bytes) -> None:
        while not self._stopping.is_set():
            try:
                now = self._store.range(start, end, 1, keys_only=True).revision
                self._wanted.set()  # for what happened while nobody watched
                with self._store.watch(start, end, now + 1) as watch:
                    while not self._stopping.is_set():
                        if any(_matters(event) for event in watch.poll(_WATCH_POLL_SECONDS)):
                            self._wanted.set()
            except HoldfastError:  # gone, or so far behind that it was compacted: begin again
                self._stopping.wait(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - as above
                _LOG.exception("a watch on the cluster's metadata broke; it begins again")
                self._stopping.wait(_RETRY_SECONDS)

    def client(self, node_id: str) -> NodeClient:
        """Raises NodeUnreachableError: no member of that name."""
        member = self._view.members.get(node_id)
        if member is None:
            raise NodeUnreachableError("the storage node is not a member of this cluster", {"node": node_id})
        with self._lock:
            known = self._clients.get(node_id)
            if known is not None and known[0] == member.address:
                return known[1]
            client = self._connected(node_id, member.address)
            self._clients[node_id] = (member.address, client)
        if known is not None:
            known[1].close()
        return client

    def _connected(self, node_id: str, address: str) -> NodeClient:
        try:
            return self._connect(node_id, address)
        except ConfigError as error:
            out_of_reach: Any = OutOfReach(node_id, error)
            return cast("NodeClient", out_of_reach)

    def readers(self, digest: Digest) -> Iterator[NodeClient]:
        """One after the other: who comes after the owners is found out only when somebody gets that far.

        Raises:
            NodeUnreachableError: whom to ask is not known, which must not look like nobody having anything.
        """
        view = self._view
        if not view.present:
            self._require_reading()
            raise NodeUnreachableError("this cluster has no storage node that could be asked")
        return self._in_order(view, digest.partition)

    def _require_reading(self) -> None:
        if self._read_at == _NEVER:
            raise NodeUnreachableError("the cluster's metadata has not been read yet; try again in a moment")

    def _in_order(self, view: View, partition: int) -> Iterator[NodeClient]:
        everybody, owners = view.everybody(partition), frozenset(view.keepers(partition))
        # sorted() keeps the layout's order among equals; the owners stand in front.
        first = [name for name in everybody[: len(owners)] if not self._is_down(view, name)]
        for name in sorted(first, key=lambda name: self._rank(view, name, owners)):
            yield self.client(name)
        others = [name for name in everybody if name not in first]
        for name in sorted(others, key=lambda name: self._rank(view, name, owners)):
            yield self.client(name)

    def _rank(self, view: View, node_id: str, owners: frozenset[str]) -> tuple[bool, bool, bool, float]:
        expected = self.pulse.expected_seconds(node_id)
        return self._is_down(view, node_id), node_id not in owners, not self._is_near(view, node_id), expected

    def _is_down(self, view: View, node_id: str) -> bool:
        return node_id not in view.alive or self.pulse.is_resting(node_id)

    def near(self, digest: Digest) -> Sequence[NodeClient]:
        view = self._view
        here = [name for name in view.everybody(digest.partition) if self._is_near(view, name)]
        return [self.client(name) for name in here if not self._is_down(view, name)]

    def _is_near(self, view: View, node_id: str) -> bool:
        alive = view.alive.get(node_id)
        return bool(self._host_id) and alive is not None and alive.host_id == self._host_id

    def placing(self, digest: Digest, *, fresh: bool = False) -> Placing:
        # A node that was killed and is back may still count as alive, and be asked before it has read anything.
        must_read = fresh or self._view.layouts is None
        view, partition = self.refresh() if must_read else self._view, digest.partition
        if view.layouts is None:
            raise NodeUnreachableError("no layout is applied yet: `holdfast layout apply` says where copies go")
        newest, owners = view.layouts.newest, view.keepers(partition)
        order = (*owners, *self._handoffs(view, partition, owners))
        return Placing(
            partition=partition,
            version=newest.version,
            layout_revision=view.live.revision,
            rules=newest.rules,
            owners=owners,
            order=order,
            zones=view.zones,
            nodes={name: self.client(name) for name in order},
            down=frozenset(name for name in order if self._takes_nothing(view, name)),
            vacant=sum(name not in view.present for name in newest.owners(partition)),
        )

    def _handoffs(self, view: View, partition: int, owners: Sequence[str]) -> list[str]:
        """The first that are well; where these are fewer than one write wants, also some that seem to be down."""
        well: list[str] = []
        ill: list[str] = []
        for name in view.everybody(partition)[len(owners) :]:
            if name not in view.placed:
                continue
            (ill if self._takes_nothing(view, name) else well).append(name)
            if len(well) == _HANDOFFS:
                return well
        return (well + ill)[:_HANDOFFS]

    def _takes_nothing(self, view: View, node_id: str) -> bool:
        if self._is_down(view, node_id):
            return True
        alive = view.alive[node_id]
        return alive.read_only or alive.is_full

    def by_upload(self, upload_id: str) -> NodeClient:
        node_id = upload_id.partition("-")[0]
        if node_id not in self._view.members and self._clock.monotonic() - self._read_at > _YOUNG_SECONDS:
            self.refresh()  # another gateway knows a node that has just joined, and this one does not yet
        if node_id not in self._view.present:
            raise UploadUnknownError("no such upload; start another one")
        return self.client(node_id)

    def ingest(self) -> Sequence[NodeClient]:
        view, turn = self._view, next(self._turns)
        if view.layouts is None:
            self._require_reading()
            raise NodeUnreachableError(
                "no layout is applied yet, so nothing can be stored; run `holdfast layout apply`"
            )
        candidates = sorted(view.present & view.alive.keys())
        if not candidates:
            raise NodeUnreachableError("no storage node is alive; try again later")

        def rank(name: str) -> tuple[bool, bool, bool, bool]:
            alive = view.alive[name]
            is_out = name not in view.placed or not view.members[name].takes_part
            room_bytes = alive.free_bytes - alive.reserve_bytes
            is_low = room_bytes < max(alive.capacity_bytes * _LEAST_FREE_SHARE, _LEAST_FREE_BYTES)
            takes_nothing = self.pulse.is_resting(name) or alive.read_only or alive.is_full
            return takes_nothing, is_low, is_out, not self._is_near(view, name)

        start = turn % len(candidates)
        return [self.client(name) for name in sorted(candidates[start:] + candidates[:start], key=rank)]

    def began(self, node: NodeClient) -> None:
        self.pulse.began(node.node_id)

    def ended(self, node: NodeClient) -> None:
        self.pulse.ended(node.node_id)

    def answered(self, node: NodeClient, seconds: float | None) -> None:
        self.pulse.answered(node.node_id, seconds)

    def failed(self, node: NodeClient) -> None:
        self.pulse.failed(node.node_id)


def _matters(event: Event) -> bool:
    """Not a lease holder's next word about itself: those come every few seconds from every node."""
    is_next_word = event.entry is not None and event.entry.create_revision != event.entry.mod_revision
    return not (is_next_word and event.key.startswith(keys.ALIVE[0]))
