"""The staging file of one upload.

Its name says who may write it: ``data.<n>`` only we, ``lent.<n>`` another process as well, also after a restart of ours. A lent
file that its borrower did not give back is never committed: ``move`` copies the confirmed bytes to another inode.

While bytes arrive they are flushed in the background, so that the fsync of the finish is short. A flush that fails is remembered:
a later fsync on another descriptor might say that all is well.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import UploadUnknownError
from storagenode.disk.fsio import SyncFailedError
from storagenode.disk.tree import is_upload_id
from storagenode.store import LentFile, UploadRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future

    from storagenode.disk.fsio import Files
    from storagenode.disk.tree import Tree

_OWN: Final = "data."
_LENT: Final = "lent."
_STATE: Final = "state.json"


class DiskStage:
    """Implements ``storagenode.store.Stage``."""

    def __init__(self, directory: str, name: str, files: Files, flusher: Executor) -> None:
        self._directory = directory
        self._name = name
        self._files = files
        self._flusher = flusher
        self._name_lock = threading.Lock()  # readers open by name while the writer may rename
        self._descriptor: int | None = None
        self._flush: Future[None] | None = None
        self._flush_error: SyncFailedError | None = None

    @property
    def path(self) -> str:
        return f"{self._directory}/{self._name}"

    @property
    def generation(self) -> int:
        return int(self._name.rpartition(".")[2])

    @property
    def is_lent(self) -> bool:
        return self._name.startswith(_LENT)

    def size(self) -> int:
        with _present():
            return os.stat(self.path).st_size

    def write(self, data: bytes, offset_bytes: int) -> None:
        self._files.write(self.descriptor(), data, offset_bytes)

    def read_into(self, buffer: memoryview, offset_bytes: int) -> int:
        return os.preadv(self.descriptor(), [buffer], offset_bytes)

    def flush_behind(self) -> None:
        if self._flush is not None and not self._flush.done():
            return
        own = os.dup(self.descriptor())  # ours may be closed before the flush comes to its turn
        self._flush = self._flusher.submit(self._flush_now, own)

    def _flush_now(self, descriptor: int) -> None:
        try:
            self._files.sync_data(descriptor)
        except SyncFailedError as error:
            self._flush_error = error
        finally:
            os.close(descriptor)

    def lend(self) -> LentFile:
        if not self.is_lent:
            self._rename(_LENT)
        found = os.fstat(self.descriptor())
        return LentFile(self.path, found.st_dev, found.st_ino)

    def take_back(self, size_bytes: int) -> None:
        if self.is_lent:
            self._cut(size_bytes)
            self._rename(_OWN)

    def _cut(self, size_bytes: int) -> None:
        if os.fstat(self.descriptor()).st_size > size_bytes:
            self._files.truncate(self.descriptor(), size_bytes)

    def _rename(self, prefix: str) -> None:
        name = f"{prefix}{self.generation}"
        with _present(), self._name_lock:
            self._files.rename(self.path, f"{self._directory}/{name}")
            self._name = name

    def move(self, length_bytes: int) -> None:
        name = f"{_OWN}{self.generation + 1}"
        target = f"{self._directory}/{name}"
        self._files.unlink(target)  # a copy that a former process did not complete
        with _present():
            copy = self._files.create(target)
        try:
            self._files.copy(self.descriptor(), copy, length_bytes)
        except BaseException:
            os.close(copy)
            self._files.unlink(target)
            raise
        old = self.path
        self.release()
        self._descriptor = copy
        with self._name_lock:
            self._name = name
            self._files.unlink(old)

    def reader(self) -> tuple[int, int]:
        with _present(), self._name_lock:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC), self.generation

    def descriptor(self) -> int:
        """The writer's own, opened at first use."""
        if self._descriptor is None:
            with _present():
                self._descriptor = self._files.open(self.path)
        return self._descriptor

    def sync(self, size_bytes: int) -> None:
        """All bytes durable, and none beyond ``size_bytes``.

        Raises:
            SyncFailedError: now, or in the background before.
        """
        self._cut(size_bytes)
        if self._flush is not None:
            self._flush.result()
        self._files.sync(self.descriptor())
        if self._flush_error is not None:
            raise self._flush_error

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def destroy(self) -> None:
        self.release()
        remove(self._directory, self._files)


@contextlib.contextmanager
def _present() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UploadUnknownError("the staged bytes of this upload are gone; start another one") from error


def create(tree: Tree, files: Files, flusher: Executor, record: UploadRecord) -> DiskStage:
    """A new, empty stage. Nothing of it is durable: after a power cut the client begins again."""
    directory = tree.upload(record.upload_id)
    files.make_directory(directory)
    try:
        _create_file(files, f"{directory}/{_STATE}", _encode(record))
        _create_file(files, f"{directory}/{_OWN}0", b"")
    except BaseException:
        remove(directory, files)
        raise
    return DiskStage(directory, f"{_OWN}0", files, flusher)


def recover(tree: Tree, files: Files, flusher: Executor) -> Iterator[tuple[UploadRecord, DiskStage]]:
    """The stages that a former process left. What makes no sense is removed."""
    for name in sorted(os.listdir(tree.staging)):
        path = f"{tree.staging}/{name}"
        if not os.path.isdir(path):
            files.unlink(path)  # a small blob that was on its way
            continue
        if not is_upload_id(name):
            continue  # not ours
        record = _decode(path, name)
        data = _newest(path)
        if record is None or data is None:
            remove(path, files)
            continue
        yield record, DiskStage(path, data, files, flusher)


def remove(directory: str, files: Files) -> None:
    """A whole upload. The state goes last: what a crash leaves is then either complete or has no bytes."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(directory)):
            files.unlink(f"{directory}/{name}")
    files.remove_directory(directory)


def _create_file(files: Files, path: str, content: bytes) -> None:
    descriptor = files.create(path)
    try:
        files.write(descriptor, content, 0)
    finally:
        os.close(descriptor)


def _newest(directory: str) -> str | None:
    """The file with the bytes. Two are there if a move was cut off: then the copy is not complete, and the lent one counts."""
    names = [name for name in os.listdir(directory) if name.startswith((_OWN, _LENT))]
    return min(names, key=lambda name: int(name.rpartition(".")[2]), default=None)


def _encode(record: UploadRecord) -> bytes:
    return json.dumps(
        {"repository": record.repository, "principal": record.principal, "algorithm": record.algorithm}
    ).encode()


def _decode(directory: str, upload_id: str) -> UploadRecord | None:
    try:
        with open(f"{directory}/{_STATE}", "rb") as file:
            state = json.load(file)
        return UploadRecord(upload_id, state["repository"], state["principal"], state["algorithm"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
