"""The oldest version that may run (``cluster/min_version``): read, obeyed, raised.

    process/<kind>/<id>     a gateway's process and its version, under its lease; storage nodes say theirs in ``alive/<node>``

Promises
  * A process that is older than the minimum does not start (ConfigError), and none starts while metadata is being copied there.
  * The minimum is raised only while every living process is new enough. A process announces itself, then sets ``cluster/entered``,
    then reads the minimum; raising compares ``cluster/entered``: so either a process is seen, or it sees. It never goes down.
  * A process that lost its lease while it was stopped is not seen. It then finds records that it cannot read and says so
    (CorruptError); what it writes are older forms, which everybody reads.

Never here: what a form is (``forms``, ``records``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError, RequestInvalidError
from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, crowded, insist, revision_of
from holdfast.meta.forms import OLDEST, RUNNING, Version, parse
from holdfast.meta.members import decode_alive
from holdfast.meta.records import Codec, encode_bump
from holdfast.meta.store import KeyAt, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from holdfast.meta.store import Entry, Store

_PROCESS: Final = Codec(wire.ProcessRecord)


@dataclass(frozen=True, slots=True)
class Living:
    """A process that holds a lease. ``kind``: ``node``, ``gateway`` or ``worker``; ``version`` as it said itself.

    ``address``: where a worker listens for gateways.
    """

    kind: str
    process_id: str
    version: str
    address: str = ""

    def is_at_least(self, minimum: Version) -> bool:
        """False also for a version that is none."""
        try:
            return parse(self.version) >= minimum
        except RequestInvalidError:
            return False

    def __str__(self) -> str:
        return f"{self.kind} {self.process_id} ({self.version})"


def minimum(store: Store) -> Version:
    """As it stands now; this process's encoders hear of it."""
    entry = store.get(keys.CLUSTER_MIN_VERSION)
    found = parse(entry.value.decode()) if entry else OLDEST
    RUNNING.heard(found)
    return found


def require_entry(store: Store, version: str) -> None:
    """May a process of this version work on this metadata?

    Raises:
        ConfigError: it is older than the minimum, or the metadata is being copied there.
    """
    if store.get(keys.CLUSTER_COPYING) is not None:
        raise ConfigError(
            "metadata is being copied into this cluster.etcd.prefix, or the copy broke off: `holdfast metadata copy` completes it,"
            " or `holdfast restore` if it came from a backup"
        )
    least = minimum(store)
    if parse(version) < least:
        raise ConfigError(
            f"this is holdfast {version}, and the cluster's minimum version is {least}: its metadata may hold what this version"
            f" would misread; run {least} or newer"
        )


def enter(store: Store, version: str, operation_id: bytes, lease_id: int) -> None:
    """After a process has announced itself, before it acts. Raises ConfigError, as ``require_entry``."""
    # Under the lease, so that nothing is left of a process that came to a place that is empty otherwise.
    insist(store, (), [Put(keys.CLUSTER_ENTERED, encode_bump(operation_id), lease_id)])
    require_entry(store, version)


def announce(store: Store, kind: str, process_id: str, version: str, lease_id: int, address: str = "") -> bool:
    """Say that a process is there, under its lease. False: the lease is gone."""
    value = _PROCESS.encode(wire.ProcessRecord(version=version, address=address))
    return store.txn([], [Put(keys.process(kind, process_id), value, lease_id)]).succeeded


def workers(store: Store) -> list[Living]:
    """The sync workers, in the order of their ids."""
    return [_living(entry) for entry in pages(store, *keys.WORKERS)]


def _living(entry: Entry) -> Living:
    record = _PROCESS.decode(entry.value)
    return Living(*keys.process_in(entry.key), record.version, record.address)


def living(store: Store) -> list[Living]:
    """Storage nodes first."""
    nodes = [
        Living("node", keys.node_in(entry.key), decode_alive(entry.value).version)
        for entry in pages(store, *keys.ALIVE)
    ]
    return nodes + [_living(entry) for entry in pages(store, *keys.PROCESSES)]


def too_old(processes: list[Living], wanted: Version) -> list[Living]:
    """Who stands against raising the minimum to ``wanted``."""
    return [process for process in processes if not process.is_at_least(wanted)]


def raise_minimum(store: Store, wanted: Version) -> None:
    """Declare that nothing older than ``wanted`` runs. Does nothing if that was declared before.

    Raises:
        ConfigError: an older process lives, or the minimum is higher already.
    """
    for _ in range(ATTEMPTS):
        # Before the living are counted: who enters after that changes it.
        found = store.get_many([keys.CLUSTER_MIN_VERSION, keys.CLUSTER_ENTERED]).entries
        standing = minimum(store)
        if standing > wanted:
            raise ConfigError(
                f"the minimum version is {standing}, and never goes down: newer records may have been written"
            )
        if standing == wanted:
            return
        older = too_old(living(store), wanted)
        if older:
            raise ConfigError(
                f"{', '.join(map(str, older))}: older than {wanted}; upgrade and restart, then raise the minimum version"
            )
        unchanged = [KeyAt(key, revision_of(found, key)) for key in (keys.CLUSTER_MIN_VERSION, keys.CLUSTER_ENTERED)]
        insist(store, unchanged, [Put(keys.CLUSTER_MIN_VERSION, str(wanted).encode())])
    raise crowded()
