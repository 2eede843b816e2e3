"""The directory of a cluster: follows the metadata, keeps a client for each member, orders them for each operation.

One reading of layouts, members and leases makes a :class:`View`; a new one is made when a watch reports a change, and every few
seconds in any case, so a lost watch costs seconds and nothing else. Being behind is harmless: whoever links what was written
compares the layout revision that it was written by (ARCHITECTURE 3b).

Readers are ordered: own host, then those that are alive and have answered, by latency; those without a lease or at rest come last.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, NodeUnreachableError, UploadUnknownError
from holdfast.meta import keys
from holdfast.replicas.directory import Placing
from holdfast.replicas.pulse import Pulse
from holdfast.replicas.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.layouts import LayoutBook
    from holdfast.meta.members import Members
    from holdfast.meta.store import Event, Store
    from holdfast.rpc.node import NodeClient

_LOG: Final = logging.getLogger("holdfast.cluster")

_REFRESH_SECONDS: Final = 5.0
_WATCH_POLL_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.5


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
    ) -> None:
        """``host_id``: nodes that report the same one are asked first; "" for none."""
        self._store = store
        self._book = book
        self._members = members
        self._connect = connect
        self._host_id = host_id
        self.pulse = Pulse(clock)
        self._view = View()
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
        watched = {"layout": keys.LAYOUT_KEYS, "member": keys.MEMBERS, "alive": keys.ALIVE}
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
        # The layout before the members: who is named by a layout was a member before.
        live = self._book.live()
        members = {member.node_id: member for member in self._members.all()}
        view = View(live, members, self._members.alive())
        with self._changed:
            self._view = view
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

    def client(self, node_id: str) -> NodeClient:
        """Raises NodeUnreachableError: no member of that name."""
        member = self._view.members.get(node_id)
        if member is None:
            raise NodeUnreachableError("the storage node is not a member of this cluster", {"node": node_id})
        with self._lock:
            known = self._clients.get(node_id)
            if known is not None and known[0] == member.address:
                return known[1]
            client = self._connect(node_id, member.address)
            self._clients[node_id] = (member.address, client)
        if known is not None:
            known[1].close()
        return client

    def readers(self, digest: Digest) -> Sequence[NodeClient]:
        view = self._view
        everybody = view.everybody(digest.partition)
        owners = frozenset(view.layouts.write_owners(digest.partition)) if view.layouts else frozenset()
        # sorted() keeps the layout's order among equals.
        return [self.client(name) for name in sorted(everybody, key=lambda name: self._rank(view, name, owners))]

    def _rank(self, view: View, node_id: str, owners: frozenset[str]) -> tuple[bool, bool, bool, float]:
        latency = round(self.pulse.latency_seconds(node_id), 3)
        return self._is_down(view, node_id), node_id not in owners, not self._is_near(view, node_id), latency

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
        view, partition = self.refresh() if fresh else self._view, digest.partition
        if view.layouts is None:
            raise NodeUnreachableError("no layout is applied yet: `holdfast layout apply` says where copies go")
        everybody = view.everybody(partition)
        owners = tuple(name for name in view.layouts.write_owners(partition) if name in everybody)
        rest = [name for name in view.layouts.newest.order(partition) if name in everybody and name not in owners]
        order = (*owners, *rest)
        return Placing(
            partition=partition,
            version=view.layouts.newest.version,
            layout_revision=view.live.revision,
            rules=view.layouts.newest.rules,
            owners=owners,
            order=order,
            zones={name: view.zone_of(name) for name in order},
            nodes={name: self.client(name) for name in order},
            down=frozenset(name for name in order if self._is_down(view, name) or view.alive[name].read_only),
        )

    def by_upload(self, upload_id: str) -> NodeClient:
        node_id = upload_id.partition("-")[0]
        view = self._view
        if node_id not in view.members or node_id in view.removed:
            raise UploadUnknownError("no such upload; start another one")
        return self.client(node_id)

    def ingest(self) -> Sequence[NodeClient]:
        view = self._view
        candidates = [name for name in view.alive if name in view.members and name not in view.removed]
        if not candidates:
            raise NodeUnreachableError("no storage node is alive; try again later")

        named = {role.node_id for role in view.layouts.newest.roles} if view.layouts else set()

        def rank(name: str) -> tuple[bool, bool, bool, float]:
            alive = view.alive[name]
            # A copy on a node that owns nothing only has to move on.
            is_out = not view.members[name].takes_part or name not in named
            return (
                self.pulse.is_resting(name) or alive.read_only,
                is_out,
                not self._is_near(view, name),
                -alive.free_bytes,
            )

        return [self.client(name) for name in sorted(candidates, key=rank)]

    def answered(self, node: NodeClient, seconds: float) -> None:
        self.pulse.answered(node.node_id, seconds)

    def failed(self, node: NodeClient) -> None:
        self.pulse.failed(node.node_id)


def _matters(event: Event) -> bool:
    """Not a lease holder's next word about itself: those come every few seconds from every node."""
    is_next_word = event.entry is not None and event.entry.create_revision != event.entry.mod_revision
    return not (is_next_word and event.key.startswith(keys.ALIVE[0]))
