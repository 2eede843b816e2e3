"""Blobs on a disk. Implements ``storagenode.store.BlobStore``.

The order that makes a copy durable: fsync the file, take the digest's lock, rename over whatever is there (so pushing again heals a
damaged copy), fsync the partition directory, give it a new stamp. "Have it" is answered only for a copy that this process has
committed, or has fsynced once (file and directory): a former process may have died between rename and fsync.

An fsync that fails is never retried: the bytes are dropped and the node takes no more writes.

A copy is put aside for what its bytes are, never for the size that somebody asked for it at: such a request gets nothing, and the
copy is looked into (``doubts``).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from holdfast import digest as digests
from holdfast.errors import BlobUnknownError, CorruptError, DigestInvalidError, RangeInvalidError, UnavailableError
from holdfast.rpc.node import ListedBlob, LocalBlob, StoredBlob, Want
from storagenode.disk import examining, read, stage
from storagenode.disk.fsio import SyncFailedError
from storagenode.disk.proofs import of_file
from storagenode.disk.quarantine import Quarantine
from storagenode.disk.stage import DiskStage
from storagenode.disk.stamps import Stamps, Stripes
from storagenode.disk.sums import Sums
from storagenode.disk.tree import blob_name, parse_blob_name
from storagenode.disk.uploadlog import UploadLog
from storagenode.store import Examined

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from holdfast.digest import Digest
    from holdfast.rpc.node import PartitionSum, RoomStatus
    from storagenode.disk.doubts import Doubts
    from storagenode.disk.fsio import Files
    from storagenode.disk.proofs import Proofs
    from storagenode.disk.space import Space
    from storagenode.disk.tree import Tree
    from storagenode.store import Stage, UploadRecord

# Pieces of 1 MiB that are read between two signs of life.
_PIECES_A_SIGN: Final = 16
# Two flushes at a time keep a disk busy; more only make each other wait.
_FLUSH_THREADS = 2


class DiskStore:
    """One data directory, prepared and locked by the caller."""

    def __init__(self, tree: Tree, files: Files, space: Space, stamps: Stamps, proofs: Proofs, doubts: Doubts) -> None:
        self._tree = tree
        self._files = files
        self._space = space
        self._stamps = stamps
        self._proofs = proofs
        self._doubts = doubts
        self._stripes = Stripes()
        self._quarantine = Quarantine(tree, files)
        self._sums = Sums(tree)
        self._log = UploadLog(tree, files)
        self._flusher = ThreadPoolExecutor(_FLUSH_THREADS, thread_name_prefix="flush")
        # Whoever is at work on a stage holds it.
        self._stages: WeakValueDictionary[str, DiskStage] = WeakValueDictionary()
        # What goes while they are walked through does no harm, what comes breaks the walk.
        self._stages_lock = threading.Lock()
        self._puts: set[str] = set()

    @property
    def quarantined(self) -> int:
        return self._quarantine.count

    @property
    def activity(self) -> int:
        """Grows with everything that somebody may rely on."""
        return self._stamps.given

    def take_bereft(self) -> set[int]:
        return self._quarantine.take_bereft()

    def rooms(self) -> tuple[RoomStatus, ...]:
        return ()

    def new_stage(self, record: UploadRecord, place: str = "") -> DiskStage:  # noqa: ARG002 - there is one
        staged = self.new_copy(record.upload_id)
        try:
            self._log.note(record)
        except BaseException:
            staged.destroy()
            raise
        return staged

    def note(self, record: UploadRecord) -> None:
        self._log.note(record)

    def new_copy(self, upload_id: str) -> DiskStage:
        self._space.require()
        return self._known(stage.create(self._tree, self._files, self._flusher, self._space, upload_id))

    def stages(self) -> Iterator[tuple[UploadRecord, DiskStage]]:
        for record, staged in stage.recover(self._tree, self._files, self._flusher, self._space, self._log):
            yield record, self._known(staged)

    def _known(self, staged: DiskStage) -> DiskStage:
        with self._stages_lock:
            self._stages[staged.upload_id] = staged
        return staged

    def staged(self) -> set[str]:
        """What the names of staged files begin with that somebody is at work on."""
        with self._stages_lock:
            stages = set(self._stages.keys())
        return stages | self._puts.copy()

    def commit(self, staged: Stage, digest: Digest, size_bytes: int) -> StoredBlob:
        if not isinstance(staged, DiskStage) or not self.owns(staged):
            raise TypeError("a stage of another store")
        with self._tripping():
            staged.sync(size_bytes)
            stored = self._place(staged.path, digest, size_bytes)
        staged.release()
        return stored

    def owns(self, staged: object) -> bool:
        return isinstance(staged, DiskStage) and staged.path.startswith(f"{self._tree.staging}/")

    def put(self, digest: Digest, data: bytes, place: str = "") -> StoredBlob:  # noqa: ARG002 - as above
        if digests.of(data, digest.algorithm) != digest:
            raise DigestInvalidError("the bytes have another digest than was named", {"digest": str(digest)})
        self._space.require(len(data))
        name = f"put.{secrets.token_hex(16)}"
        self._puts.add(name)
        try:
            return self._put(f"{self._tree.staging}/{name}", digest, data)
        finally:
            self._puts.discard(name)

    def _put(self, path: str, digest: Digest, data: bytes) -> StoredBlob:
        descriptor = self._files.create(path)
        try:
            with self._tripping():
                self._files.write(descriptor, data, 0)
                self._files.sync(descriptor)
                return self._place(path, digest, len(data))
        except BaseException:
            with contextlib.suppress(UnavailableError):  # the first error tells more; the next start removes the file
                self._files.unlink(path)
            raise
        finally:
            os.close(descriptor)

    def _place(self, path: str, digest: Digest, size_bytes: int) -> StoredBlob:
        with self._stripes.of(digest):
            self._stamps.forget(digest)  # if the directory's fsync fails, the copy counts as not durable
            self._files.rename(path, self._tree.blob(digest))
            self._sums.changed(digest.partition)
            self._files.sync_directory(self._tree.partition(digest.partition))
            self._proofs.add(digest, of_file(os.stat(self._tree.blob(digest))))
            return StoredBlob(digest, size_bytes, self._stamps.touch(digest))

    @contextlib.contextmanager
    def _tripping(self) -> Iterator[None]:
        try:
            yield
        except SyncFailedError as error:
            self._space.trip(error)
            raise

    def stat(self, want: Want) -> StoredBlob | None:
        with self._stripes.of(want.digest):
            size = self._checked_size(want)
            if size is None:
                return None
            if not self._stamps.is_durable(want.digest):
                self._make_durable(want.digest)
            return StoredBlob(want.digest, size, self._stamps.touch(want.digest))

    def _checked_size(self, want: Want) -> int | None:
        """The size of the copy; None if there is none, or none of the size that is wanted. Callers hold the lock."""
        try:
            found = os.stat(self._tree.blob(want.digest))
        except FileNotFoundError:
            return None
        return found.st_size if self._is_of_size(want, found) else None

    def _is_of_size(self, want: Want, found: os.stat_result) -> bool:
        """If not, one of the two is wrong, and the bytes will tell which."""
        if want.size_bytes in (None, found.st_size):
            return True
        seen = of_file(found)
        if not self._proofs.has(want.digest, seen):
            self._doubts.look_into(want.digest, seen, self.examine)
        return False

    def _make_durable(self, digest: Digest) -> None:
        self._space.require_writable()
        with self._tripping():
            descriptor = self._files.open(self._tree.blob(digest))
            try:
                self._files.sync(descriptor)
            finally:
                os.close(descriptor)
            self._files.sync_directory(self._tree.partition(digest.partition))

    def _isolate(self, digest: Digest, reason: str) -> None:
        self._quarantine.take(digest, reason)
        self._sums.changed(digest.partition)
        self._stamps.forget(digest)

    def prove(self, want: Want) -> Generator[None, None, StoredBlob | None]:
        try:
            is_proven = yield from self._prove(want)
        except (BlobUnknownError, CorruptError):
            return None
        return self.stat(want) if is_proven else None

    def _prove(self, want: Want) -> Generator[None, None, bool]:
        with self._opened(Want(want.digest)) as descriptor:  # of whatever size: the bytes are looked at
            found = os.fstat(descriptor)
            if self._proofs.has(want.digest, of_file(found)):
                return True
            turn = yield from self._proofs.turn()
            if turn is None:
                return False
            with turn:
                if not self._proofs.has(want.digest, of_file(found)):  # somebody else may have read it meanwhile
                    yield from self._read_through(want.digest, descriptor, found)
                    self._proofs.add(want.digest, of_file(found))
            return True

    def _read_through(self, digest: Digest, descriptor: int, found: os.stat_result) -> Iterator[None]:
        """Raises CorruptError: it is in quarantine now."""
        pieces = read.verified(descriptor, digest, found.st_size, self._reporter(digest, found.st_ino))
        for number, _ in enumerate(pieces, 1):
            if number % _PIECES_A_SIGN == 0:
                yield

    def open_local(self, want: Want) -> LocalBlob:
        with self._opened(want) as descriptor:
            found = os.fstat(descriptor)
            return LocalBlob(self._tree.blob(want.digest), found.st_dev, found.st_ino, found.st_size)

    def read(self, want: Want, offset_bytes: int, length_bytes: int | None) -> Iterator[bytes]:
        with self._opened(want) as descriptor:
            found = os.fstat(descriptor)
            size = found.st_size
            if offset_bytes > size or (offset_bytes == size and size):
                raise RangeInvalidError("the blob ends before this range", size)
            if offset_bytes == 0 and (length_bytes is None or length_bytes >= size):
                yield from read.verified(descriptor, want.digest, size, self._reporter(want.digest, found.st_ino))
                return
            end = size if length_bytes is None else min(size, offset_bytes + length_bytes)
            yield from read.span(descriptor, offset_bytes, end, self._reporter(want.digest, found.st_ino))

    def raw(self, want: Want) -> Iterator[bytes]:
        with self._opened(want) as descriptor:
            found = os.fstat(descriptor)
            yield from read.span(descriptor, 0, found.st_size, self._reporter(want.digest, found.st_ino))

    @contextlib.contextmanager
    def _opened(self, want: Want) -> Iterator[int]:
        """A descriptor of a copy of the right size."""
        try:
            descriptor = os.open(self._tree.blob(want.digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BlobUnknownError("the storage node has no copy of this blob", {"digest": str(want.digest)}) from error
        try:
            if not self._is_of_size(want, os.fstat(descriptor)):
                raise CorruptError("the copy has another size than was asked for", {"digest": str(want.digest)})
            yield descriptor
        finally:
            os.close(descriptor)

    def _reporter(self, digest: Digest, inode: int) -> Callable[[str], None]:
        """What moves exactly this copy aside; one that has replaced it meanwhile stays."""

        def corrupt(reason: str) -> None:
            self._set_aside(digest, inode, reason)

        return corrupt

    def _set_aside(self, digest: Digest, inode: int, reason: str) -> bool:
        with self._stripes.of(digest), contextlib.suppress(FileNotFoundError):
            if os.lstat(self._tree.blob(digest)).st_ino == inode:
                self._isolate(digest, reason)
                return True
        return False

    def names(self, partition: int) -> list[Digest]:
        """What lies there by its name, whatever it is, in the order of digests' texts.

        Raises UnavailableError: the directory cannot be read.
        """
        try:
            names = os.listdir(self._tree.partition(partition))
        except OSError as error:
            raise UnavailableError(
                f"the directory of partition {partition:03x} cannot be read: {error.strerror}"
            ) from error
        return sorted((digest for name in names if (digest := parse_blob_name(name)) is not None), key=str)

    def examine(self, digest: Digest, moved: Callable[[int], None]) -> Examined | None:
        """Read one copy from the disk, and set it aside if it is wrong; None: there is none (any more).

        ``moved``: as ``examining.examine``. Raises UnavailableError: the disk tells nothing, or does not let go of a wrong copy.
        """
        path = self._tree.blob(digest)
        read = examining.examine(path, digest, moved)
        if read is not None and read.fault:
            # What has gone wrong between the disk and us this once is no reason to throw a copy away.
            read = examining.examine(path, digest, moved)
        if read is None:
            return None
        if read.fault and not self._set_aside(digest, read.inode, read.fault):
            return None  # another one has come in its place, or it has gone
        return Examined(read.size_bytes, read.fault, is_unreadable=read.is_unreadable)

    def delete(self, digest: Digest, stamp: str) -> bool:
        target = f"{self._tree.trash}/{secrets.token_hex(8)}-{blob_name(digest)}"
        return self._remove(digest, stamp, lambda path: self._files.rename(path, target))

    def discard(self, digest: Digest, stamp: str) -> bool:
        """As ``delete``, for a copy that others were seen to have, or can be fetched: nobody will want it back from the trash."""
        return self._remove(digest, stamp, self._files.unlink)

    def _remove(self, digest: Digest, stamp: str, remove: Callable[[str], None]) -> bool:
        with self._stripes.of(digest):
            path = self._tree.blob(digest)
            if self._stamps.current(digest) != stamp or not os.path.exists(path):
                return False
            remove(path)
            self._stamps.forget(digest)
            self._sums.changed(digest.partition)
            return True

    def sum_of(self, partition: int) -> PartitionSum:
        return self._sums.of(partition)

    def listing(self, partition: int) -> list[ListedBlob]:
        """Raises UnavailableError: the directory cannot be read."""
        return [listed for digest in self.names(partition) if (listed := self._listed(digest))]

    def stamp_of(self, digest: Digest) -> str | None:
        """As a listing would have it; None: no copy is here."""
        listed = self._listed(digest)
        return listed.stamp if listed is not None else None

    def _listed(self, digest: Digest) -> ListedBlob | None:
        stamp = self._stamps.current(digest)  # before the look: a copy that comes in between makes the stamp stale
        try:
            return ListedBlob(digest, os.stat(self._tree.blob(digest)).st_size, stamp)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        self._doubts.close()
        self._flusher.shutdown()
        self._log.close()
