"""The layouts in the metadata store: which versions are live, who has synced with which, and what is short of copies.

    layout/current               the live versions, oldest first; its revision is the layout revision
    layout/version/<n>           one version, written in the transaction that makes it live, never changed
    layout/synced/<n>/<node>     the node's round that began after version n was live has come to its end
    dirty/<partition>/<n>        a write was short of copies by version n, or a copy was lost; repair clears it under the revision
                                 that it saw

Promises: versions become live one after the other, each planned on the one before (LayoutMovedError otherwise). An old version is
retired only when every node that any live version names has synced with the newest, removed ones excepted.
Never here: how partitions are assigned (``holdfast.placement``), nodes, bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import CorruptError, LayoutMovedError
from holdfast.meta import keys
from holdfast.meta.commit import Change, commit, insist
from holdfast.meta.records import Codec, encode_bump
from holdfast.meta.store import MAX_OPS, Delete, KeyAt, Put, pages
from holdfast.placement import encoding
from holdfast.placement.history import Layouts
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from holdfast.clock import Clock
    from holdfast.meta.store import Entry, Store
    from holdfast.placement.layout import Layout

_CURRENT: Final = Codec(wire.LayoutsRecord)
_VERSION: Final = Codec(wire.LayoutRecord)


@dataclass(frozen=True, slots=True)
class LiveLayouts:
    """What is live, and the layout revision it was read at. ``layouts`` None: no layout was ever applied."""

    revision: int
    layouts: Layouts | None


NO_LAYOUT: Final = LiveLayouts(0, None)


@dataclass(frozen=True, slots=True)
class PastLayout:
    """A version as it was applied. ``created_seconds``: wall clock, for people."""

    layout: Layout
    created_seconds: float


@dataclass(frozen=True, slots=True)
class DirtyMark:
    """A partition that may be short of copies by ``version``; ``revision`` is what clearing it compares."""

    partition: int
    version: int
    revision: int


class LayoutBook:
    """Every method may raise MetadataUnavailableError, changes OutcomeUnknownError. ``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, new_id: Callable[[], bytes], clock: Clock) -> None:
        self._store = store
        self._new_id = new_id
        self._clock = clock
        self._known: dict[int, Layout] = {}  # versions never change

    def live(self) -> LiveLayouts:
        entry = self._store.get(keys.LAYOUT_CURRENT)
        if entry is None:
            return LiveLayouts(0, None)
        numbers = _CURRENT.decode(entry.value).live
        return LiveLayouts(entry.mod_revision, Layouts(tuple(self._version(number) for number in numbers)))

    def _version(self, number: int) -> Layout:
        found = self._known.get(number)
        if found is None:
            entry = self._store.get(keys.layout_version(number))
            if entry is None:
                raise CorruptError(f"layout version {number} is live and not in the metadata")
            found = self._known[number] = _decode(entry).layout
        return found

    def publish(self, layout: Layout, planned_on: LiveLayouts) -> LiveLayouts:
        """Make a new version live beside those that are; what is live then.

        Raises:
            LayoutMovedError: another one was applied since ``planned_on`` was read.
            LayoutInvalidError: its version is not higher than those that are live.
        """
        live = planned_on.layouts.after_applied(layout).live if planned_on.layouts else (layout,)
        operation_id = self._new_id()
        version = wire.LayoutRecord(
            operation_id=operation_id, layout=encoding.encode(layout), created_seconds=self._clock.wall()
        )
        self._set_live(
            live,
            planned_on,
            operation_id,
            compares=[KeyAt(keys.layout_version(layout.version), 0)],
            ops=[Put(keys.layout_version(layout.version), _VERSION.encode(version))],
        )
        self._known[layout.version] = layout
        # Both read anew: with these versions and the revision of later, whoever goes on from here would undo what came between.
        return self.live()

    def _set_live(
        self,
        live: Iterable[Layout],
        standing: LiveLayouts,
        operation_id: bytes,
        compares: Iterable[KeyAt] = (),
        ops: Iterable[Put | Delete] = (),
    ) -> None:
        record = wire.LayoutsRecord(operation_id=operation_id, live=[layout.version for layout in live])
        change = Change(
            primary=keys.LAYOUT_CURRENT,
            standing=standing.revision,
            operation_id=operation_id,
            compares=[KeyAt(keys.LAYOUT_CURRENT, standing.revision), *compares],
            ops=[Put(keys.LAYOUT_CURRENT, _CURRENT.encode(record)), *ops],
        )
        if not commit(self._store, change).succeeded:
            raise LayoutMovedError("another layout was applied in between; look again")

    def history(self) -> list[PastLayout]:
        """Every version that was ever applied, oldest first."""
        return [_decode(entry) for entry in pages(self._store, *keys.LAYOUT_VERSIONS, 16)]

    def report_synced(self, version: int, node_id: str) -> None:
        """A round of the node that began after the version was live is over."""
        insist(self._store, (), [Put(keys.layout_synced(version, node_id), encode_bump(self._new_id()))])

    def synced_with(self, version: int) -> set[str]:
        return {keys.node_in(entry.key) for entry in pages(self._store, *keys.synced_with(version), keys_only=True)}

    def waited_for(self, live: LiveLayouts, removed: Iterable[str]) -> set[str]:
        """The nodes whose report still keeps older versions live. Empty also when there is only one version."""
        if live.layouts is None or len(live.layouts.live) == 1:
            return set()
        named = {role.node_id for layout in live.layouts.live for role in layout.roles}
        return named - set(removed) - self.synced_with(live.layouts.newest.version)

    def retire(self, live: LiveLayouts, removed: Iterable[str]) -> bool:
        """Let go of all versions but the newest, if nobody is waited for. Whether that was done.

        Raises:
            LayoutMovedError: somebody else changed what is live.
        """
        if live.layouts is None or len(live.layouts.live) == 1 or self.waited_for(live, removed):
            return False
        self._set_live([live.layouts.newest], live, self._new_id())
        return True

    def mark_dirty(self, partition: int, version: int) -> None:
        """Before the answer to a write that was short of copies. Setting it again keeps a repair from clearing it too early."""
        insist(self._store, (), [Put(keys.dirty(partition, version), encode_bump(self._new_id()))])

    def dirty(self) -> list[DirtyMark]:
        """In the order of partitions."""
        return [
            DirtyMark(*keys.dirty_in(entry.key), entry.mod_revision)
            for entry in pages(self._store, *keys.DIRTY, keys_only=True)
        ]

    def join_dirty(self, marks: Sequence[DirtyMark]) -> bool:
        """One mark in place of several of a partition, in the order of their versions: the last, as if it had been set again, since
        who is about to clear that one has not seen why the others are there. False: one of them was set again since it was read.
        """
        known = [KeyAt(keys.dirty(mark.partition, mark.version), mark.revision) for mark in marks[-MAX_OPS:]]
        *older, newest = (compare.key for compare in known)
        ops: list[Put | Delete] = [Delete(key) for key in older]
        ops.append(Put(newest, encode_bump(self._new_id())))
        return self._store.txn(known, ops).succeeded

    def clear_dirty(self, mark: DirtyMark) -> bool:
        """False: it was set again since it was read."""
        key = keys.dirty(mark.partition, mark.version)
        return self._store.txn([KeyAt(key, mark.revision)], [Delete(key)]).succeeded


def _decode(entry: Entry) -> PastLayout:
    record = _VERSION.decode(entry.value)
    return PastLayout(encoding.decode(record.layout), record.created_seconds)
