"""Assembles a storage node and serves it.

One process serves one data directory, and the further disks that belong to it; a second process on any of them is refused before it
touches anything. The directory's socket is for this user alone. On SIGTERM no new call is taken, streams get a while to end, and
finishes that were begun do end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc

from holdfast.addresses import UNIX
from holdfast.clock import Clock, SystemClock
from holdfast.errors import ConfigError
from holdfast.rpc import methods as m
from holdfast.rpc.admission import admit_anybody, admit_cluster, admit_meant_for
from holdfast.rpc.channel import SERVER_OPTIONS
from holdfast.rpc.credentials import Credentials
from holdfast.rpc.host import host_id
from holdfast.rpc.serving import LanePool, ServiceHandler
from holdfast.settled import settled
from holdfast.signals import Signals
from storagenode.cluster.ear import listening
from storagenode.disk import identity, roombook
from storagenode.disk.fsio import Files
from storagenode.disk.rooms import Room, RoomedStore
from storagenode.disk.tree import Tree
from storagenode.duties import Duties, Here
from storagenode.node import StaysHere, StorageNode
from storagenode.opening import node_id_of, open_store
from storagenode.results import Finishes
from storagenode.servicer import Servicer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from storagenode.cluster.side import ClusterSide
    from storagenode.disk.identity import Identity
    from storagenode.disk.space import Space
    from storagenode.options import NodeOptions
    from storagenode.store import BlobStore

    Join: TypeAlias = Callable[[Identity, BlobStore, Space], ClusterSide]

_LOG: Final = logging.getLogger("holdfast.node")

DRAIN_SECONDS: Final = 10.0


class NodeServer:
    """A node and its gRPC server. Made once, started once, stopped once."""

    def __init__(
        self, options: NodeOptions, files: Files | None = None, clock: Clock | None = None, join: Join | None = None
    ) -> None:
        """Takes the data directory and recovers what is in it. ``join`` makes the node one of a cluster.

        Raises:
            ConfigError: the directory is in use or another's, or the certificate is of no use. UnavailableError: the disk refuses.
        """
        files, clock = files or Files(), clock or SystemClock()
        tree = Tree(str(options.data_dir.absolute()))
        self._options = options
        self._credentials = _credentials(options)
        self._lock: int | None = identity.lock(tree, options.lock_wait_seconds)
        self._rooms = contextlib.ExitStack()
        try:
            new_id = node_id_of(tree, options.bucket, options.cluster_id)
            known = identity.prepare(tree, files, options.cluster_id, new_id)
            rooms = roombook.take(tree, known, options.rooms, files, self._rooms, options.lock_wait_seconds)
            self._side, here = _assemble(options, known, [tree, *rooms], files, clock, join)
            self.node = here.node
            self._places = [one.take for one in here.opened.values()]
            if self._side is None:
                self._take_places()
            self.node.recover()
            self.duties = Duties(options, here, self._side, clock, self._rooms)
        except BaseException:
            self._rooms.close()
            os.close(self._lock)
            raise
        self._pools = {
            m.Lane.CONTROL: LanePool("control", options.control_threads),
            m.Lane.WRITE: LanePool("write", options.write_threads),
            m.Lane.COPY: LanePool("copy", options.copy_threads),
            m.Lane.READ: LanePool("read", options.read_threads),
        }
        # What belongs to no lane is refusals: they take no time, so two threads give many of them.
        self._refusals = LanePool("refuse", 2)
        self._server = grpc.server(self._refusals, options=SERVER_OPTIONS)
        admission = admit_cluster(self._credentials.peer.cluster) if self._credentials else admit_anybody
        admission = admit_meant_for(self.node.status().node_id, admission)
        behaviours = Servicer(self.node, self.duties.collect, self.duties.require_right).behaviours()
        if self._side is not None:
            behaviours = listening(behaviours, self._side.pace.heard)
        handler: Any = ServiceHandler(behaviours, self._pools, admission)
        self._server.add_generic_rpc_handlers((handler,))

    def start(self) -> str:
        """Listen; the address as bound. Raises ConfigError."""
        listen = self._options.listen
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(listen)
            else:
                port = self._server.add_secure_port(listen, self._credentials.for_server())
        except RuntimeError as error:
            raise ConfigError(f"the storage node cannot listen on {listen}; is something else there?") from error
        if listen.startswith(UNIX):
            Path(listen.removeprefix(UNIX)).chmod(0o600)
        self._server.start()
        address = listen if listen.startswith(UNIX) else f"{listen.rpartition(':')[0]}:{port}"
        status = self.node.status()
        _LOG.info("storage node is up", extra={"node": status.node_id, "listen": address, "uploads": status.uploads})
        if self._side is not None:
            self._side.start(self.node, address)
            self._take_places()  # now that no other process has this node's name
        self.duties.start()
        return address

    def _take_places(self) -> None:
        for take in self._places:
            take()

    def stop(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """No new calls; those under way get ``drain_seconds``; finishes that were begun end."""
        self.duties.stop()
        if self._side is not None:
            self._side.leave()
        self._server.stop(drain_seconds).wait()
        for pool in (*self._pools.values(), self._refusals):
            pool.shutdown()
        self.node.close()
        if self._side is not None:
            self._side.close()
        self._rooms.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _credentials(options: NodeOptions) -> Credentials | None:
    """None where the node speaks plaintext; a Unix socket is guarded by its mode."""
    if options.tls is None or options.listen.startswith(UNIX):
        return None
    return Credentials(options.tls)


def _assemble(
    options: NodeOptions, known: Identity, trees: Sequence[Tree], files: Files, clock: Clock, join: Join | None
) -> tuple[ClusterSide | None, Here]:
    """``trees``: the main one, then those of the rooms."""
    main = open_store(trees[0], options.reserve_bytes, options.bucket, known, files, clock)
    others = {
        room.route: open_store(tree, room.reserve_bytes, room.bucket, known, files, clock)
        for room, tree in zip(options.rooms, trees[1:], strict=True)
    }
    rooms = [Room(route, one.store, one.space) for route, one in others.items()]
    store: BlobStore = RoomedStore(main.store, rooms) if rooms else main.store
    finishes = Finishes(options.finish_threads, clock)
    side = join(known, main.store, main.space) if join is not None else None
    placer = side.placer if side is not None else StaysHere()
    node = StorageNode(known, store, main.space, finishes, clock, host_id(), placer, max_uploads=options.max_uploads)
    return side, Here(known, trees[0], files, {"": main, **others}, store, node)


def run(options: NodeOptions, files: Files | None = None, join: Join | None = None) -> None:
    """Serve until SIGTERM or SIGINT, which let streams end, or SIGQUIT, which does not.

    Raises:
        ConfigError: see ``NodeServer``.
    """
    os.umask(0o077)
    with Signals(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT) as told:
        server = NodeServer(options, files, join=join)
        server.start()
        settled()
        got = told.wait()
        _LOG.info("storage node is stopping", extra={"signal": got.name})
        server.stop(0.0 if got == signal.SIGQUIT else DRAIN_SECONDS)
