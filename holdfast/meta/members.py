"""Which storage nodes there are: what each said of itself, what the operator wants of it, and which are alive.

    member/<node>   durable: declared by the node at every start, ordered by the operator
    alive/<node>    under the node's lease: its process, its space, its progress; gone when the node is

Promises: a node id belongs to one living process. Another one is refused and changes nothing; who restarts is not, once the lease
of the former process has ended, or at once on the directory that it had: the lock on that is held by one process at a time.
An operator's order outweighs what the node declares, and outlives its restarts. A node that was removed does not come
back under its id. No decision here rests on a clock: alive is who holds a lease.
Never here: which partitions a node has (``layouts``), and no node is asked anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError, CorruptError, NodeTakenError, NodeUnknownError
from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, Change, commit, crowded, revision_of
from holdfast.meta.records import Codec
from holdfast.meta.store import KeyAt, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.store import Entry, Store

_GIB: Final = 1 << 30
# The largest blob that is put in one call. Who has less room than that refuses most of what comes.
_LEAST_ROOM_BYTES: Final = 4 << 20
_MEMBER: Final = Codec(wire.MemberRecord)
_ALIVE: Final = Codec(wire.AliveRecord)


class Intent(Enum):
    """What the operator wants of a node."""

    PRESENT = wire.MemberRecord.MEMBER_PRESENT
    DRAINING = wire.MemberRecord.MEMBER_DRAINING
    REMOVED = wire.MemberRecord.MEMBER_REMOVED


@dataclass(frozen=True, slots=True)
class Declared:
    """What a node says of itself. ``weight`` 0: from the capacity."""

    address: str
    zone: str
    capacity_bytes: int
    weight: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not self.address or not self.zone or min(self.capacity_bytes, self.weight) < 0:
            raise ValueError("a node has an address, a zone, and neither a negative capacity nor a negative weight")


@dataclass(frozen=True, slots=True)
class Orders:
    """What the operator said. Empty and 0: nothing, so the node's own word holds."""

    zone: str = ""
    weight: int = 0
    intent: Intent = Intent.PRESENT


@dataclass(frozen=True, slots=True)
class Member:
    """A storage node of the cluster. ``joined_seconds``: wall clock, for people."""

    node_id: str
    declared: Declared
    orders: Orders
    joined_seconds: float

    @property
    def address(self) -> str:
        return self.declared.address

    @property
    def zone(self) -> str:
        return self.orders.zone or self.declared.zone

    @property
    def weight(self) -> int:
        """Its share among the others': the operator's, its own, or one for each GiB."""
        return self.orders.weight or self.declared.weight or max(1, self.declared.capacity_bytes // _GIB)

    @property
    def takes_part(self) -> bool:
        """Whether the next layout gives it partitions."""
        return self.orders.intent is Intent.PRESENT


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a node is with comparing its copies with the others'. ``total`` 0: no round under way.

    ``version`` is the newest layout when the round began; the counts of copies run since the process began. ``answered``: the
    revision of ``task/repair`` that the last finished round began after.
    """

    version: int = 0
    done: int = 0
    total: int = 0
    copied_blobs: int = 0
    copied_bytes: int = 0
    failures: int = 0
    answered: int = 0


@dataclass(frozen=True, slots=True)
class Alive:
    """A node's process, as it described itself last. ``directory``: which one it has locked, of all on its host; "": not told.

    ``reserve_bytes``: free space that it never uses; 0: not told. ``wall_seconds``: what its wall clock showed; 0: not told.
    """

    boot_id: bytes
    version: str
    host_id: str
    free_bytes: int
    capacity_bytes: int
    read_only: bool = False
    quarantined: int = 0
    repair: Progress = Progress()
    directory: str = ""
    reserve_bytes: int = 0
    wall_seconds: float = 0.0

    @property
    def is_full(self) -> bool:
        """Whether it takes nothing more until there is room, or hardly anything: it stops at its reserve and not below it."""
        return bool(self.reserve_bytes) and self.free_bytes < self.reserve_bytes + _LEAST_ROOM_BYTES

    def follows(self, former: Alive) -> bool:
        """Whether ``former`` is this process, or one that has ended: its directory is locked by this one."""
        here = (self.host_id, self.directory)
        return self.boot_id == former.boot_id or (all(here) and here == (former.host_id, former.directory))


class Members:
    """Every method may raise MetadataUnavailableError, changes OutcomeUnknownError. ``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, new_id: Callable[[], bytes], clock: Clock) -> None:
        self._store = store
        self._new_id = new_id
        self._clock = clock

    def register(self, node_id: str, declared: Declared) -> Member:
        """A node starts.

        Raises:
            ConfigError: it was removed from the cluster.
        """
        return self._change(node_id, lambda known: self._registered(node_id, known, declared))

    def _registered(self, node_id: str, known: Member | None, declared: Declared) -> Member:
        if known is None:
            return Member(node_id, declared, Orders(), self._clock.wall())
        if known.orders.intent is Intent.REMOVED:
            raise ConfigError(
                f"node {node_id} was removed from this cluster; give it an empty data directory to join as a new node"
            )
        return replace(known, declared=declared)

    def join(self, node_id: str, declared: Declared, alive: Alive, lease_id: int) -> bool:
        """Register and announce, both or neither. False: the lease is gone.

        Raises:
            ConfigError: it was removed from the cluster. NodeTakenError: another process is alive under this id.
        """
        key, under_lease = keys.member(node_id), keys.alive(node_id)
        for _ in range(ATTEMPTS):
            found = self._store.get_many([key, under_lease]).entries
            known = decode_member(node_id, found[key].value) if key in found else None
            wanted = self._registered(node_id, known, declared)
            _require_free(node_id, alive, found.get(under_lease))
            operation_id, stood = self._new_id(), [KeyAt(name, revision_of(found, name)) for name in (key, under_lease)]
            puts = [Put(key, _encode_member(wanted, operation_id)), Put(under_lease, _encode_alive(alive), lease_id)]
            change = Change(key, stood[0].mod_revision, operation_id, stood, puts, also_read=[under_lease])
            result = commit(self._store, change)
            if result.succeeded:
                return True
            if all(revision_of(result.found, at.key) == at.mod_revision for at in stood):
                return False
        raise crowded()

    def order(
        self, node_id: str, *, zone: str | None = None, weight: int | None = None, intent: Intent | None = None
    ) -> Member:
        """The operator's word; None leaves as it is, an empty zone and weight 0 give the node its own back.

        Raises:
            NodeUnknownError.
        """

        def change(known: Member | None) -> Member:
            if known is None:
                raise NodeUnknownError("no such storage node", {"node": node_id})
            orders = known.orders
            return replace(
                known,
                orders=Orders(
                    orders.zone if zone is None else zone,
                    orders.weight if weight is None else weight,
                    orders.intent if intent is None else intent,
                ),
            )

        return self._change(node_id, change)

    def all(self) -> list[Member]:
        """In the order of their ids, the removed ones among them."""
        return [decode_member(keys.node_in(entry.key), entry.value) for entry in pages(self._store, *keys.MEMBERS)]

    def alive(self) -> dict[str, Alive]:
        """Who holds a lease, by node id."""
        return {keys.node_in(entry.key): decode_alive(entry.value) for entry in pages(self._store, *keys.ALIVE)}

    def announce(self, node_id: str, alive: Alive, lease_id: int) -> bool:
        """Say that a node is there, under its lease. False: the lease is gone.

        Raises:
            NodeTakenError: another process is alive under this id.
        """
        key = keys.alive(node_id)
        for _ in range(ATTEMPTS):
            entry = self._store.get(key)
            _require_free(node_id, alive, entry)
            stood = KeyAt(key, entry.mod_revision if entry else 0)
            result = self._store.txn([stood], [Put(key, _encode_alive(alive), lease_id)], [key])
            if result.succeeded:
                return True
            if revision_of(result.found, key) == stood.mod_revision:
                return False
        raise crowded()

    def _change(self, node_id: str, change: Callable[[Member | None], Member]) -> Member:
        key = keys.member(node_id)
        for _ in range(ATTEMPTS):
            entry = self._store.get(key)
            known = decode_member(node_id, entry.value) if entry else None
            wanted = change(known)
            if wanted == known:
                return wanted
            standing = entry.mod_revision if entry else 0
            operation_id = self._new_id()
            put = Put(key, _encode_member(wanted, operation_id))
            if commit(self._store, Change(key, standing, operation_id, [KeyAt(key, standing)], [put])).succeeded:
                return wanted
        raise crowded()


def _require_free(node_id: str, alive: Alive, entry: Entry | None) -> None:
    if entry is not None and not alive.follows(decode_alive(entry.value)):
        raise NodeTakenError(
            f"another process is alive as node {node_id}", {"node": node_id, "last_heard": entry.mod_revision}
        )


def decode_member(node_id: str, value: bytes) -> Member:
    """The value of ``member/<node>``. Raises CorruptError."""
    record = _MEMBER.decode(value)
    try:
        declared = Declared(record.address, record.zone, record.capacity_bytes, record.weight)
        orders = Orders(record.zone_ordered, record.weight_ordered, Intent(record.intent))
    except ValueError as cause:
        raise CorruptError(f"the member record of node {node_id} does not make sense") from cause
    return Member(node_id, declared, orders, record.joined_seconds)


def _encode_member(member: Member, operation_id: bytes) -> bytes:
    return _MEMBER.encode(
        wire.MemberRecord(
            operation_id=operation_id,
            address=member.declared.address,
            zone=member.declared.zone,
            capacity_bytes=member.declared.capacity_bytes,
            weight=member.declared.weight,
            zone_ordered=member.orders.zone,
            weight_ordered=member.orders.weight,
            intent=member.orders.intent.value,
            joined_seconds=member.joined_seconds,
        )
    )


def decode_alive(value: bytes) -> Alive:
    """The value of ``alive/<node>``. Raises CorruptError."""
    record = _ALIVE.decode(value)
    done = record.repair
    return Alive(
        boot_id=record.boot_id,
        version=record.version,
        host_id=record.host_id,
        free_bytes=record.free_bytes,
        capacity_bytes=record.capacity_bytes,
        read_only=record.read_only,
        quarantined=record.quarantined,
        repair=Progress(
            done.version,
            done.partitions_done,
            done.partitions_total,
            done.copied_blobs,
            done.copied_bytes,
            done.failures,
            done.answered,
        ),
        directory=record.directory,
        reserve_bytes=record.reserve_bytes,
        wall_seconds=record.wall_seconds,
    )


def _encode_alive(alive: Alive) -> bytes:
    repair = alive.repair
    return _ALIVE.encode(
        wire.AliveRecord(
            boot_id=alive.boot_id,
            version=alive.version,
            host_id=alive.host_id,
            free_bytes=alive.free_bytes,
            capacity_bytes=alive.capacity_bytes,
            read_only=alive.read_only,
            quarantined=alive.quarantined,
            directory=alive.directory,
            reserve_bytes=alive.reserve_bytes,
            wall_seconds=alive.wall_seconds,
            repair=wire.RepairProgress(
                version=repair.version,
                partitions_done=repair.done,
                partitions_total=repair.total,
                copied_blobs=repair.copied_blobs,
                copied_bytes=repair.copied_bytes,
                failures=repair.failures,
                answered=repair.answered,
            ),
        )
    )
