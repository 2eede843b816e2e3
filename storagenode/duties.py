"""What a node does by itself, beside what it is asked: collect garbage, read its copies again, keep backups of names, tidy up.

Promises: each has a thread of its own and a rhythm of its own, and none holds up a push or a pull. Stopping waits for the step that
is under way. Never here: how any of it is done.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.exposition import Port
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.witness import Witness, looks_right, require_it_looks_right
from holdfast.meters import Meters
from storagenode import metrics
from storagenode.backups import Backups
from storagenode.collecting.assembly import Disk, Side, collecting
from storagenode.collecting.orders import refuse
from storagenode.disk.rooms import RoomedStore
from storagenode.disk.witnessbook import WitnessBook
from storagenode.housekeeping import Housekeeping
from storagenode.objects.witnessbook import Books
from storagenode.scrubbing.assembly import Scrub
from storagenode.scrubbing.assembly import Side as ScrubSide
from storagenode.scrubbing.book import ScrubBook
from storagenode.scrubbing.missing import Nobody
from storagenode.tidying import Bin, Keep, Tidying

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from holdfast.clock import Clock
    from holdfast.meta.keeping.making import Source
    from holdfast.meta.witness import Book
    from holdfast.meters import Family
    from holdfast.rpc.collecting import News, Order
    from storagenode.cluster.side import ClusterSide
    from storagenode.collecting.orders import Collecting
    from storagenode.disk.fsio import Files
    from storagenode.disk.identity import Identity
    from storagenode.disk.tree import Tree
    from storagenode.node import StorageNode
    from storagenode.opening import Opened
    from storagenode.options import NodeOptions
    from storagenode.store import BlobStore

_HOUSEKEEPING_SECONDS: Final = 60.0
# Where an object store remembers what was left: each time costs it two puts.
_LEAVES_EVERY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Here:
    """What a node is made of. ``opened``: its disks by route, the main one first, whose route is empty; ``store``: all together."""

    identity: Identity
    tree: Tree
    files: Files
    opened: Mapping[str, Opened]
    store: BlobStore
    node: StorageNode


class Duties:
    """``start`` once, ``stop`` once."""

    def __init__(
        self, options: NodeOptions, here: Here, side: ClusterSide | None, clock: Clock, stack: contextlib.ExitStack
    ) -> None:
        """``stack`` closes what is opened for them, after they were stopped."""
        self._options = options
        self._here = here
        self._side = side
        self._clock = clock
        self._began_seconds = clock.wall()
        self._metadata = _metadata(options, side, clock, stack)
        bins = [Bin(route, one.trash, one.space, one.leftovers) for route, one in here.opened.items()]
        tidying = Tidying(here.node, bins, Keep(options.upload_expiry_seconds, options.trash_seconds), clock)
        self.collecting = self._collecting(tidying)
        self.scrub = self._scrub()
        self._backups = self._backing_up()
        self._tidying = tidying
        self._meters = self._metering()
        self._port = Port(options.metrics_listen, (self._measured,)) if options.metrics_listen else None
        self._housekeeping = Housekeeping(self._round, _HOUSEKEEPING_SECONDS)
        self._are_started = False

    def collect(self, order: Order) -> Generator[News]:
        """Raises what ``Collecting.collect`` does, and RequestInvalidError: garbage stays here."""
        return (self.collecting.collect if self.collecting is not None else refuse)(order)

    def require_right(self) -> None:
        """For any thread: before a copy goes because another process found that nothing links it.

        Raises RolledBackError, MetadataUnavailableError.
        """
        if self._metadata is not None:
            require_it_looks_right(self._metadata, self._here.identity.node_id, self._book())

    def start(self) -> None:
        self._are_started = True
        self._housekeeping.start()
        for one in (self.collecting, self._backups, self.scrub, self._meters):
            if one is not None:
                one.start()
        if self._port is not None:
            self._port.start_or_tell()

    def stop(self) -> None:
        """Also where a node could not join, and they were never started."""
        if not self._are_started:
            return
        for opened in self._here.opened.values():
            opened.stopping.set()
        for one in (self.scrub, self.collecting, self._backups):
            if one is not None:
                one.stop()
        self._housekeeping.stop()
        for last in (self._meters, self._port):
            if last is not None:
                last.stop()

    def _round(self) -> None:
        self._here.node.expire_uploads(self._options.upload_expiry_seconds)
        if self.collecting is None:  # else its thread empties the trash, as it knows whether the metadata is right
            self._tidying.look(self._require_right)

    def _require_right(self) -> None:
        """Also where garbage stays: what was collected before may be what an older backup names.

        Raises RolledBackError, MetadataUnavailableError.
        """
        side = self._collecting_side()
        if side is not None:
            side.witness.require_right()

    def _collecting(self, tidying: Tidying) -> Collecting | None:
        """None where garbage stays, or nobody says what is linked."""
        side = self._collecting_side() if self._options.collects else None
        if side is None:
            return None
        terms = {"": self._options.collect, **{room.route: room.collect for room in self._options.rooms}}
        store = self._here.store
        whole = store.disks() if isinstance(store, RoomedStore) else {"": store}
        disks = [Disk(route, one, terms[route]) for route, one in whole.items()]
        if any(one.book is not None for one in self._here.opened.values()):
            side = replace(side, leaves_every_seconds=_LEAVES_EVERY_SECONDS)
        return collecting(disks, store, side, tidying, self._clock)

    def _collecting_side(self) -> Side | None:
        book = self._book()
        if self._side is not None:
            return self._side.for_collecting(book)
        if self._metadata is None:
            return None
        witness = Witness(self._metadata, self._here.identity.node_id, book, lambda: secrets.token_bytes(16))
        return Side(self._metadata, witness, lambda _: None, lambda: True)

    def _book(self) -> Book:
        """In the directory, and beside the blobs of each object store: a directory is brought back without those."""
        opened = self._here.opened
        beside = [book for route in sorted(opened, reverse=True) if (book := opened[route].book) is not None]
        return Books([WitnessBook(self._here.tree, self._here.files), *beside])

    def _scrub(self) -> Scrub | None:
        """None where copies are not read again."""
        if self._options.scrub is None:
            return None
        told = self._side.for_scrubbing() if self._side is not None else None
        if told is None and self._metadata is not None:
            told = ScrubSide(self._here.identity.node_id, self._metadata, Nobody())
        book = ScrubBook(self._here.tree, self._here.files)
        return Scrub(self._options.scrub, [one.store for one in self._here.opened.values()], book, told, self._clock)

    def _backing_up(self) -> Backups | None:
        """None where none are wanted, or there is no metadata to make them of."""
        side, here, store = self._side, self._here, self._metadata
        if self._options.backups is None or store is None:
            return None
        book = self._book()

        def is_wanted() -> bool:
            return (side is None or side.keeps_backups()) and looks_right(store, here.identity.node_id, book)

        place, space = Path(here.tree.backups), here.opened[""].space
        return Backups(place, store, space, self._clock, self._options.backups, is_wanted)

    def _metering(self) -> Meters | None:
        if self._options.metrics is None:
            return None
        name = f"storagenode-{os.getpid()}-{secrets.token_hex(4)}"
        return Meters(self._options.metrics, name, (self._measured,))

    def _measured(self) -> Iterator[Family]:
        """Everything that this node counts. Asks nobody but its own disks how much room they have."""
        opened, side = self._here.opened, self._side
        yield from metrics.node(self._here.node.open_uploads, self._here.store.quarantined, self._began_seconds)
        yield from metrics.disks({route: one.space for route, one in opened.items()}, self._tidying.trashed)
        if self.collecting is not None:
            yield from metrics.collected(self.collecting.counted)
        if self.scrub is not None:
            yield from metrics.scrubbed(self.scrub.counters, self.scrub.report)
        if self._backups is not None:
            yield from metrics.backed_up(self._backups.last_seconds)
        if side is not None and side.progress is not None:
            yield from metrics.repaired(side.short_partitions, side.progress)


def _metadata(
    options: NodeOptions, side: ClusterSide | None, clock: Clock, stack: contextlib.ExitStack
) -> Source | None:
    """None: nobody says what is linked."""
    if side is not None:
        return side.metadata
    if options.metadata is None:
        return None
    return stack.enter_context(contextlib.closing(SqliteStore(options.metadata, clock)))
