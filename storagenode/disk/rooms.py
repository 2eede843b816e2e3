"""One node, several stores: blobs of some repositories lie on a disk of their own, or in an object store.

Implements ``storagenode.store.BlobStore``.

Promises
    * What is written goes to the room with the longest route that its repository is below, else to the main store: whole parts of
      names count, so ``/a`` takes ``a`` and ``a/b`` and not ``ab``.
    * What is asked for is found in whichever room it lies. The same blob may lie in several; each is a copy. A wrong one goes into
      quarantine, and the next one is taken.
    * A listing names each digest once, with the stamps of all its copies; a delete by it takes them all, and none that somebody was
      told of since, nor those that would be asked after it.
    * "There is none" is said only if every room could be asked.
    * A room that is full, or whose disk has failed, refuses what belongs there; the others go on.

Never: copies from one room to another. A blob that a repository gets by a link stays where it is.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

from holdfast.errors import BlobUnknownError, CorruptError, UnavailableError
from holdfast.patterns.routes import takes
from holdfast.rpc.node import ListedBlob, RoomStatus, StoredBlob
from storagenode.disk.sums import summed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from holdfast.digest import Digest
    from holdfast.rpc.node import LocalBlob, PartitionSum, Want
    from storagenode.disk.space import Space
    from storagenode.store import OneStore, Stage, UploadRecord

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

# Between the stamps of several copies; no stamp has it.
_AND: Final = "+"


@dataclass(frozen=True, slots=True)
class Room:
    """A further disk. ``route``: such as ``/infra``."""

    route: str
    store: OneStore
    space: Space

    def takes(self, repository: str) -> bool:
        return takes(self.route, repository)

    def status(self) -> RoomStatus:
        found = self.space.room()
        return RoomStatus(
            self.route, found.capacity_bytes, found.free_bytes, self.space.reserve_bytes, self.space.is_read_only
        )


class RoomedStore:
    """``main`` and its rooms. Safe for many threads."""

    def __init__(self, main: OneStore, rooms: Sequence[Room]) -> None:
        self._main = main
        self._rooms = sorted(rooms, key=lambda room: len(room.route), reverse=True)
        self._stores = [main, *(room.store for room in rooms)]
        # Where an upload lies is what counts for it, whatever the routes say after a restart. Who has the upload holds its stage.
        self._staged: WeakValueDictionary[str, Stage] = WeakValueDictionary()

    @property
    def activity(self) -> int:
        return sum(store.activity for store in self._stores)

    # -- where things go

    def _store_for(self, place: str) -> OneStore:
        return next((room.store for room in self._rooms if room.takes(place)), self._main)

    def _store_of(self, staged: Stage) -> OneStore:
        return next((store for store in self._stores if store.owns(staged)), self._main)

    def new_stage(self, record: UploadRecord, place: str = "") -> Stage:
        staged = self._staged[record.upload_id] = self._store_for(place).new_stage(record)
        return staged

    def note(self, record: UploadRecord) -> None:
        staged = self._staged.get(record.upload_id)
        (self._store_of(staged) if staged is not None else self._main).note(record)

    def new_copy(self, upload_id: str) -> Stage:
        return self._main.new_copy(upload_id)

    def stages(self) -> Iterator[tuple[UploadRecord, Stage]]:
        for store in self._stores:
            for record, staged in store.stages():
                self._staged[record.upload_id] = staged
                yield record, staged

    def commit(self, stage: Stage, digest: Digest, size_bytes: int) -> StoredBlob:
        return self._stamped(self._store_of(stage), digest, lambda store: store.commit(stage, digest, size_bytes))

    def put(self, digest: Digest, data: bytes, place: str = "") -> StoredBlob:
        return self._stamped(self._store_for(place), digest, lambda store: store.put(digest, data))

    def _stamped(self, store: OneStore, digest: Digest, write: Callable[[OneStore], StoredBlob]) -> StoredBlob:
        before = self._stamps(digest)
        return _with(before, store, write(store))

    def _stamps(self, digest: Digest) -> dict[OneStore, str]:
        """Of all copies. Taken before the answer they go into: whatever is said of a copy later makes them stale."""
        return {store: stamp for store in self._stores if (stamp := _stamp(store, digest))}

    # -- asking all of them

    def stat(self, want: Want) -> StoredBlob | None:
        before, trouble = self._stamps(want.digest), _Trouble()
        for store in self._stores:
            found = trouble.passing(store.stat, want)
            if found is not None:
                return _with(before, store, found)
        trouble.require_none()
        return None

    def prove(self, want: Want) -> Generator[None, None, StoredBlob | None]:
        before = self._stamps(want.digest)
        for store in self._stores:
            with contextlib.suppress(UnavailableError, OSError):  # that one cannot say so; another may
                found = yield from store.prove(want)
                if found is not None:
                    return _with(before, store, found)
        return None

    def open_local(self, want: Want) -> LocalBlob | None:
        trouble = _Trouble()
        for store in self._stores:
            found = trouble.passing(_opened_by(store), want)
            if found is not None:
                return found[0]
        raise trouble.worst(want.digest)

    def read(self, want: Want, offset_bytes: int, length_bytes: int | None) -> Iterator[bytes]:
        return self._read(want, lambda store: store.read(want, offset_bytes, length_bytes))

    def raw(self, want: Want) -> Iterator[bytes]:
        return self._read(want, lambda store: store.raw(want))

    def _read(self, want: Want, begin: Callable[[OneStore], Iterator[bytes]]) -> Iterator[bytes]:
        """From the first room that gives a first piece. What is found wrong later breaks off; the next reader gets another copy."""
        trouble = _Trouble()
        for store in self._stores:
            pieces = begin(store)
            first = trouble.passing(_first_of, pieces)
            if first is not None:
                if first:
                    yield first
                yield from pieces
                return
        raise trouble.worst(want.digest)

    # -- deleting and listing

    def delete(self, digest: Digest, stamp: str) -> bool:
        return self._remove(digest, stamp, lambda store, own: store.delete(digest, own))

    def discard(self, digest: Digest, stamp: str) -> bool:
        return self._remove(digest, stamp, lambda store, own: store.discard(digest, own))

    def _remove(self, digest: Digest, stamp: str, remove: Callable[[OneStore, str], bool]) -> bool:
        named, is_gone = frozenset(stamp.split(_AND)), False
        for store in self._stores:
            own = store.stamp_of(digest)
            if own is None:
                continue
            if own not in named or not remove(store, own):
                return False
            is_gone = True
        return is_gone

    def listing(self, partition: int) -> list[ListedBlob]:
        copies: dict[Digest, list[ListedBlob]] = {}
        for store in self._stores:
            for listed in store.listing(partition):
                copies.setdefault(listed.digest, []).append(listed)
        return [
            ListedBlob(digest, copies[digest][0].size_bytes, _AND.join(copy.stamp for copy in copies[digest]))
            for digest in sorted(copies, key=str)
        ]

    def sum_of(self, partition: int) -> PartitionSum:
        found = [store.sum_of(partition) for store in self._stores]
        filled = [one for one in found if one.copies]
        if len(filled) <= 1:
            return filled[0] if filled else found[0]
        return summed(partition, ((listed.digest, listed.size_bytes) for listed in self.listing(partition)))

    # -- all of them together

    def disks(self) -> dict[str, OneStore]:
        """By route; the main one's is empty."""
        return {"": self._main, **{room.route: room.store for room in self._rooms}}

    @property
    def quarantined(self) -> int:
        return sum(store.quarantined for store in self._stores)

    def take_bereft(self) -> set[int]:
        return set().union(*(store.take_bereft() for store in self._stores))

    def rooms(self) -> tuple[RoomStatus, ...]:
        return tuple(sorted((room.status() for room in self._rooms), key=lambda status: status.route))

    def close(self) -> None:
        for store in self._stores:
            store.close()


class _Trouble:
    """Why rooms did not give what they were asked for. That one cannot be asked says more than that others have nothing."""

    def __init__(self) -> None:
        self._wrong: CorruptError | None = None
        self._unasked: Exception | None = None

    def passing(self, ask: Callable[[_Asked], _Answer | None], asked: _Asked) -> _Answer | None:
        """What ``ask`` says; None if there is no good copy, or the room cannot be asked."""
        try:
            return ask(asked)
        except BlobUnknownError:
            pass
        except CorruptError as error:
            self._wrong = error
        except (UnavailableError, OSError) as error:
            self._unasked = error
        return None

    def require_none(self) -> None:
        """Raises UnavailableError: some could not be asked."""
        if self._unasked is not None:
            raise UnavailableError(f"a disk of the storage node does not answer: {self._unasked}") from self._unasked

    def worst(self, digest: Digest) -> Exception:
        self.require_none()
        return self._wrong or BlobUnknownError("the storage node has no copy of this blob", {"digest": str(digest)})


def _stamp(store: OneStore, digest: Digest) -> str | None:
    try:
        return store.stamp_of(digest)
    except (UnavailableError, OSError):
        return None  # a copy that nobody can see is no delete's


def _opened_by(store: OneStore) -> Callable[[Want], tuple[LocalBlob | None]]:
    """One that has a copy and no file of it has answered as well."""
    return lambda want: (store.open_local(want),)


def _first_of(pieces: Iterator[bytes]) -> bytes:
    return next(pieces, b"")


def _with(before: dict[OneStore, str], store: OneStore, stored: StoredBlob) -> StoredBlob:
    stamps = {**before, store: stored.stamp}
    return StoredBlob(stored.digest, stored.size_bytes, _AND.join(stamps.values()))
