"""Whether the metadata has gone back in time: a node leaves a value in it, and looks whether it is still the last one.

    witness/<node>       the last value that the node left; whoever restores an older state of the metadata brings back an older one
    task/trust           bumped when an operator says that the metadata is right as it is
    cluster/restored     left by `holdfast restore`: when the backup was made; goes when an operator says so

Promises
  * A value is remembered by the node before it is left in the metadata, so whatever dies in between, the one that stands is known.
  * After a restore nothing else than an operator's word makes the metadata count again, however many changes have been made since.

What a node was told in the moment before it died, and had not left a value after yet, is not witnessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.errors import RolledBackError
from holdfast.meta import keys
from holdfast.meta.commit import insist, revision_of
from holdfast.meta.records import encode_bump
from holdfast.meta.store import Delete, KeyAt, Put

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.meta.store import Entry, Store


_OLDER: Final = (
    "the metadata is older than what this node has seen: was a backup restored? Nothing is deleted until an operator says that it"
    " is right"
)


@dataclass(frozen=True, slots=True)
class Memory:
    """``known``: hex values, of which one should stand; "": none at all. ``doubted_at``: how ``task/trust`` stood when none of
    them did; "": there is no doubt.
    """

    known: tuple[str, ...] = ()
    doubted_at: str = ""


class Book(Protocol):
    """Where a node remembers it, durably."""

    def load(self) -> Memory: ...

    def save(self, memory: Memory) -> None:
        """Raises UnavailableError."""
        ...


class Witness:
    """For one thread. ``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, node_id: str, book: Book, new_id: Callable[[], bytes]) -> None:
        self._store = store
        self._key = keys.witness(node_id)
        self._book = book
        self._new_id = new_id

    def require_right(self) -> None:
        """Raises RolledBackError, MetadataUnavailableError."""
        found = self._store.get_many([self._key, keys.TRUST_TASK, keys.CLUSTER_RESTORED]).entries
        restored = found.get(keys.CLUSTER_RESTORED)
        try:
            self._require_own(found)
        except RolledBackError:
            if restored is None:
                raise
        if restored is not None:
            # Also where this node has no memory, or nothing was told in between as far as it knows.
            raise RolledBackError(
                f"the metadata was restored from a backup of {restored.value.decode(errors='replace')}: nothing is deleted until"
                " `holdfast gc trust` says that it is right"
            )

    def _require_own(self, found: Mapping[bytes, Entry]) -> None:
        memory = self._book.load()
        standing = found[self._key].value.hex() if self._key in found else ""
        trust = found[keys.TRUST_TASK].value.hex() if keys.TRUST_TASK in found else "never"
        if memory.doubted_at and memory.doubted_at != trust:
            self._book.save(Memory((standing,)))
            return
        if not memory.doubted_at and (not memory.known or standing in memory.known):
            return
        if not memory.doubted_at:
            self._book.save(Memory(memory.known, trust))
        raise RolledBackError(_OLDER)

    def leave(self) -> None:
        """Another value. Raises RolledBackError, MetadataUnavailableError, OutcomeUnknownError."""
        self.require_right()
        value = encode_bump(self._new_id())
        found = self._store.get_many([self._key]).entries
        standing = found[self._key].value.hex() if self._key in found else ""
        self._book.save(Memory((standing, value.hex())))
        if insist(self._store, [KeyAt(self._key, revision_of(found, self._key))], [Put(self._key, value)]):
            self._book.save(Memory((value.hex(),)))


def looks_right(store: Store, node_id: str, book: Book) -> bool:
    """As ``Witness.require_right``, for another thread: nothing is remembered, and a value on its way may count as a doubt."""
    memory, key = book.load(), keys.witness(node_id)
    found = store.get_many([key, keys.CLUSTER_RESTORED]).entries
    standing = found[key].value.hex() if key in found else ""
    is_known = not memory.known or standing in memory.known
    return is_known and not memory.doubted_at and keys.CLUSTER_RESTORED not in found


def require_it_looks_right(store: Store, node_id: str, book: Book) -> None:
    """For any thread. Raises RolledBackError, MetadataUnavailableError."""
    # Again, as a value may have been on its way.
    if not (looks_right(store, node_id, book) or looks_right(store, node_id, book)):
        raise RolledBackError(_OLDER)


def trust(store: Store, new_id: Callable[[], bytes]) -> None:
    """Say that the metadata is right as it is. Raises MetadataUnavailableError, OutcomeUnknownError."""
    insist(store, (), [Put(keys.TRUST_TASK, encode_bump(new_id())), Delete(keys.CLUSTER_RESTORED)])
