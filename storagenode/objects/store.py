"""Blobs in an object store. Implements ``storagenode.store.BlobStore``.

The order that makes a copy: its bytes become one object under a key that is final before the digest is known, so that nothing is
copied or read back; then an empty object under the digest's name says which bytes those are. That second put is the commit. Dying
before it leaves bytes that nobody names, which ``orphans`` finds; dying after it leaves a whole blob.

Pushing again makes a new copy and then takes away the former ones. "Have it" is answered only after the object store has been
asked for the bytes, and by a name that only this process and those after it can take away (``owner``). A wrong copy is set aside
with a note, its bytes stay. Where the object store cannot be asked, UnavailableError: never "there is none".
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import BlobUnknownError, CorruptError, DigestInvalidError, RangeInvalidError, UnavailableError
from holdfast.rpc.node import ListedBlob, StoredBlob, Want
from storagenode.disk.stamps import Stripes
from storagenode.objects import keys
from storagenode.objects.index import Index
from storagenode.objects.keys import Entry
from storagenode.objects.stage import ObjectStage, Outgoing, Senders
from storagenode.store import Examined

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.rpc.node import LocalBlob, PartitionSum, RoomStatus
    from storagenode.disk.proofs import Proofs
    from storagenode.disk.stage import DiskStage
    from storagenode.disk.stamps import Stamps
    from storagenode.disk.store import DiskStore
    from storagenode.objects.bucket import Bucket
    from storagenode.objects.owner import Tenure
    from storagenode.store import Stage, UploadRecord

_LOG: Final = logging.getLogger("holdfast.node")

# Messages of 1 MiB that are read between two signs of life.
_PIECES_A_SIGN: Final = 16


class ObjectStore:
    """One prefix of one bucket, and a local directory for what is on its way. Until the caller has taken the prefix nothing is
    stored in it, and nothing said to be there.
    """

    def __init__(
        self, bucket: Bucket, local: DiskStore, stamps: Stamps, proofs: Proofs, tenure: Tenure, clock: Clock
    ) -> None:
        """``local`` holds uploads and no blob."""
        self._bucket = bucket
        self._local = local
        self._stamps = stamps
        self._proofs = proofs
        self._tenure = tenure
        self._stripes = Stripes()
        self.index = Index(bucket)
        self._senders = Senders(clock)
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._quarantined = sum(1 for _ in bucket.list(keys.QUARANTINE))
        self._bereft: set[int] = set()

    @property
    def quarantined(self) -> int:
        return self._quarantined

    @property
    def activity(self) -> int:
        return self._stamps.given

    def take_bereft(self) -> set[int]:
        with self._lock:
            bereft, self._bereft = self._bereft, set()
        return bereft

    def rooms(self) -> tuple[RoomStatus, ...]:
        return ()

    # -- uploads

    def new_stage(self, record: UploadRecord, place: str = "") -> ObjectStage:
        return self._stage(self._local.new_stage(record, place))

    def note(self, record: UploadRecord) -> None:
        self._local.note(record)

    def new_copy(self, upload_id: str) -> ObjectStage:
        return self._stage(self._local.new_copy(upload_id))

    def stages(self) -> Iterator[tuple[UploadRecord, ObjectStage]]:
        return ((record, self._stage(local)) for record, local in self._local.stages())

    def _stage(self, local: DiskStage) -> ObjectStage:
        return ObjectStage(local, Outgoing(self._bucket, self._senders, self._begun, self._settled), self._drop)

    def _begun(self, unique: str) -> None:
        with self._lock:
            self._under_way.add(unique)

    def under_way(self) -> set[str]:
        """Bytes that nothing names and that may still be named."""
        with self._lock:
            return set(self._under_way)

    def _settled(self, unique: str) -> None:
        with self._lock:
            self._under_way.discard(unique)

    def _drop(self, unique: str) -> None:
        with contextlib.suppress(UnavailableError):  # they are found again as nobody's
            self._bucket.delete([keys.data(unique)])
        self._settled(unique)

    def owns(self, staged: object) -> bool:
        return isinstance(staged, ObjectStage) and self._local.owns(staged.local)

    # -- storing

    def commit(self, staged: Stage, digest: Digest, size_bytes: int) -> StoredBlob:
        """Raises UnavailableError: it may be stored all the same; asking again goes on."""
        if not isinstance(staged, ObjectStage) or not self.owns(staged):
            raise TypeError("a stage of another store")
        reign = self._tenure.reign
        entry = Entry(digest, size_bytes, staged.complete(size_bytes), reign)
        staged.is_named = True
        stored = self._name(entry)
        with contextlib.suppress(UnavailableError):  # the next start finds an upload that nobody goes on with
            staged.local.destroy()
        return stored

    def put(self, digest: Digest, data: bytes, place: str = "") -> StoredBlob:  # noqa: ARG002 - there is one
        if digests.of(data, digest.algorithm) != digest:
            raise DigestInvalidError("the bytes have another digest than was named", {"digest": str(digest)})
        entry = Entry(digest, len(data), secrets.token_hex(16), self._tenure.reign)
        self._begun(entry.unique)
        try:
            self._bucket.put(entry.data, data)
            return self._name(entry)
        finally:
            self._settled(entry.unique)

    def _name(self, entry: Entry) -> StoredBlob:
        with self._stripes.of(entry.digest):
            self._stamps.forget(entry.digest)
            former = [one for one in self.index.of(entry.digest) if one.unique != entry.unique]
            self.index.add(entry)
            self._settled(entry.unique)
            stored = StoredBlob(entry.digest, entry.size_bytes, self._stamps.touch(entry.digest))
            with contextlib.suppress(UnavailableError):  # one copy too many; the next delete takes it as well
                if former:
                    self._tenure.require()
                    self._to_trash(former)  # somebody may be reading it
        return stored

    def _to_trash(self, names: Sequence[Entry]) -> None:
        """They were looked for, and then the tenure. Callers hold the lock."""
        for entry in {one.unique: one for one in names}.values():
            self._bucket.put(entry.aside(keys.TRASH, secrets.token_hex(8)), b"")
        for entry in names:
            self.index.remove(entry)

    # -- asking

    def stat(self, want: Want) -> StoredBlob | None:
        with self._stripes.of(want.digest):
            entry = self._checked(want)
            if entry is None:
                return None
            return StoredBlob(want.digest, entry.size_bytes, self._stamps.touch(want.digest))

    def _checked(self, want: Want) -> Entry | None:
        """A copy of the right size whose bytes are there. Callers hold the lock."""
        known, reign = self.index.known(want.digest), self._tenure.reign
        own_first = sorted(known or (), key=lambda entry: entry.reign != reign)
        tried: set[str] = set()
        for there in chain(own_first, self._anew(want.digest, known)):
            if there.unique in tried:
                continue  # another name of the same bytes
            tried.add(there.unique)
            if want.size_bytes not in (None, there.size_bytes):
                continue  # the size in the name was counted when the bytes were hashed: it is the asker's that is wrong
            entry = self._named_by(reign, there)
            found = self._bucket.head(entry.data)
            if found is not None and found.size_bytes == entry.size_bytes:
                self._let_go_of(there, entry)
                return entry
            reason = "its bytes are gone" if found is None else f"it has {found.size_bytes} bytes"
            self._isolate(entry, f"{reason} instead of {entry.size_bytes}")
        return None

    def _anew(self, digest: Digest, known: tuple[Entry, ...] | None) -> Iterator[Entry]:
        """What there is beside what was known; looked for only when nothing of that is of use."""
        yield from (entry for entry in self.index.look(digest) if entry not in (known or ()))

    def _named_by(self, reign: str, entry: Entry) -> Entry:
        """The same bytes, by a name that no process before this one can take away. Callers hold the lock."""
        if entry.reign == reign:
            return entry
        mine = replace(entry, reign=reign)
        self.index.add(mine)
        return mine

    def _let_go_of(self, former: Entry, mine: Entry) -> None:
        """Another reign's name of the same bytes, or each reign would leave one. Callers hold the lock."""
        if former == mine:
            return
        with contextlib.suppress(UnavailableError):  # one name too many; it goes with the others
            self._tenure.require()
            self.index.remove(former)

    def _isolate(self, entry: Entry, reason: str) -> None:
        """Callers hold the lock."""
        _LOG.error("a copy is corrupt and goes into quarantine", extra={"digest": str(entry.digest), "reason": reason})
        self._bucket.put(entry.aside(keys.QUARANTINE, secrets.token_hex(8)), reason.encode())
        for name in self._names_of(entry):
            self.index.remove(name)
        self._stamps.forget(entry.digest)
        with self._lock:
            self._quarantined += 1
            self._bereft.add(entry.digest.partition)

    def _names_of(self, entry: Entry) -> list[Entry]:
        """Of the same bytes."""
        return [one for one in self.index.look(entry.digest) if one.unique == entry.unique]

    def _reporter(self, entry: Entry) -> Callable[[str], bool]:
        """What sets exactly this copy aside; False: it has gone already. One that has replaced it meanwhile stays."""

        def corrupt(reason: str) -> bool:
            with self._stripes.of(entry.digest):
                is_there = bool(self._names_of(entry))
                if is_there:
                    self._isolate(entry, reason)
                return is_there

        return corrupt

    def prove(self, want: Want) -> Generator[None, None, StoredBlob | None]:
        try:
            is_proven = yield from self._prove(want)
        except (BlobUnknownError, CorruptError):
            return None
        return self.stat(want) if is_proven else None

    def _prove(self, want: Want) -> Generator[None, None, bool]:
        entry = self._entry(Want(want.digest))  # of whatever size: the bytes are looked at
        seen = self._bucket.head(entry.data)
        if seen is None or seen.size_bytes != entry.size_bytes:
            return self.stat(Want(want.digest)) is not None  # it is set aside; there may be another one
        if self._proofs.has(want.digest, seen):
            return True
        turn = yield from self._proofs.turn()
        if turn is None:
            return False
        with turn:
            if not self._proofs.has(want.digest, seen):  # somebody else may have read it meanwhile
                for number, _ in enumerate(self._verified(entry), 1):
                    if number % _PIECES_A_SIGN == 0:
                        yield
                self._proofs.add(want.digest, seen)
        return True

    def _entry(self, want: Want) -> Entry:
        """A copy to read from. Raises BlobUnknownError; CorruptError: of another size."""
        entries = self.index.known(want.digest) or self.index.look(want.digest)
        if not entries:
            raise BlobUnknownError("the storage node has no copy of this blob", {"digest": str(want.digest)})
        entry = entries[0]
        if want.size_bytes not in (None, entry.size_bytes):
            raise CorruptError("the copy has another size than was asked for", {"digest": str(want.digest)})
        return entry

    def open_local(self, want: Want) -> LocalBlob | None:
        """No file can be opened here; says as well whether there is anything to read."""
        with self._stripes.of(want.digest):
            before = self._quarantined
            if self._checked(want) is not None:
                return None
            if self._quarantined != before:
                raise CorruptError("the copy has another size; it is in quarantine now", {"digest": str(want.digest)})
        raise BlobUnknownError("the storage node has no copy of this blob", {"digest": str(want.digest)})

    def read(self, want: Want, offset_bytes: int, length_bytes: int | None) -> Iterator[bytes]:
        entry = self._entry(want)
        size = entry.size_bytes
        if offset_bytes > size or (offset_bytes == size and size):
            raise RangeInvalidError("the blob ends before this range", size)
        if offset_bytes == 0 and (length_bytes is None or length_bytes >= size):
            yield from self._verified(entry)
            return
        end = size if length_bytes is None else min(size, offset_bytes + length_bytes)
        yield from self._span(entry, offset_bytes, end)

    def raw(self, want: Want) -> Iterator[bytes]:
        entry = self._entry(want)
        yield from self._span(entry, 0, entry.size_bytes)

    def _span(self, entry: Entry, offset_bytes: int, end_bytes: int) -> Iterator[bytes]:
        try:
            yield from self._bucket.read(entry.data, offset_bytes, end_bytes, entry.size_bytes)
        except FileNotFoundError:
            self._reporter(entry)("its bytes are gone")
            raise CorruptError("the copy's bytes are gone; it is in quarantine now") from None
        except CorruptError as error:
            self._reporter(entry)(error.message)
            raise CorruptError(f"the copy is in quarantine now: {error.message}") from error

    def _verified(self, entry: Entry) -> Iterator[bytes]:
        """All bytes; the last message only if they are the bytes of the digest."""
        hasher = digests.algorithm(entry.digest.algorithm).new()
        held = b""
        for data in self._span(entry, 0, entry.size_bytes):
            if held:
                yield held
            hasher.update(data)
            held = data
        if hasher.hexdigest() != entry.digest.encoded:
            self._reporter(entry)("the bytes have another digest")
            raise CorruptError(
                "the copy's bytes are not those of its digest; it is in quarantine now", {"digest": str(entry.digest)}
            )
        if held:
            yield held

    # -- looking after them

    def examine(self, digest: Digest, moved: Callable[[int], None]) -> Examined | None:
        """Read its copies, and set those aside that are wrong; None: there is none (any more).

        ``moved`` is told of each piece, may wait, and may raise to end it. Raises UnavailableError: nobody can be asked.
        """

        def fault_of(entry: Entry) -> str:
            hasher = digests.algorithm(digest.algorithm).new()
            for piece in self._bucket.read(entry.data, 0, entry.size_bytes, entry.size_bytes):
                hasher.update(piece)
                moved(len(piece))
            return "" if hasher.hexdigest() == digest.encoded else "the bytes have another digest"

        return self._examined(digest, fault_of)

    def glance(self, digest: Digest) -> Examined | None:
        """As ``examine``, but only whether there are bytes, and how many: reading costs money. Raises UnavailableError."""
        found = self._examined(digest, lambda _: "")
        return replace(found, is_read=False) if found is not None else None

    def _examined(self, digest: Digest, fault_of: Callable[[Entry], str]) -> Examined | None:
        found: Examined | None = None
        for entry in {one.unique: one for one in self.index.look(digest)}.values():
            # What went wrong on the way once is no fault.
            fault = self._fault(entry, fault_of) and self._fault(entry, fault_of)
            if fault and not self._reporter(entry)(fault):
                continue  # it has gone, or another one has come in its place
            if found is None or not found.fault:
                found = Examined(entry.size_bytes, fault)
        return found

    def _fault(self, entry: Entry, fault_of: Callable[[Entry], str]) -> str:
        found = self._bucket.head(entry.data)
        if found is None:
            return "its bytes are gone"
        if found.size_bytes != entry.size_bytes:
            return f"it has {found.size_bytes} bytes instead of {entry.size_bytes}"
        try:
            return fault_of(entry)
        except FileNotFoundError:
            return "its bytes are gone"
        except CorruptError as error:
            return error.message

    # -- deleting and listing

    def delete(self, digest: Digest, stamp: str) -> bool:
        with self._stripes.of(digest):
            if self._stamps.current(digest) != stamp:
                return False
            names = self.index.look(digest)
            if not names:
                return False
            self._tenure.require()
            self._stamps.forget(digest)
            self._to_trash(names)
            return True

    def discard(self, digest: Digest, stamp: str) -> bool:
        """As ``delete``: bytes that went at once might be those that whoever has taken the place over relies on."""
        return self.delete(digest, stamp)

    def forget(self, entry: Entry, note: str) -> None:
        """Have done with a copy in the trash. Bytes that are somebody's again, or never ceased to be, stay.

        Raises ReadOnlyError: another process has the place. UnavailableError.
        """
        with self._stripes.of(entry.digest):
            if not self._names_of(entry):
                self._tenure.require()  # after the look: who has taken the place since may have named them meanwhile
                self._bucket.delete([entry.data])
            self._bucket.delete([note])

    def sum_of(self, partition: int) -> PartitionSum:
        return self.index.sum_of(partition)

    def listing(self, partition: int) -> list[ListedBlob]:
        sizes = self.index.listing(partition)
        return [ListedBlob(digest, size, self._stamps.current(digest)) for digest, size in sizes.items()]

    def names(self, partition: int) -> list[Digest]:
        """What is named there, in the order of digests' texts."""
        return sorted(self.index.listing(partition), key=str)

    def stamp_of(self, digest: Digest) -> str | None:
        """As a listing would have it; None: no copy is here."""
        stamp = self._stamps.current(digest)
        return stamp if self.index.of(digest) else None

    def close(self) -> None:
        self._local.close()
