"""The file of a backup.

    holdfast metadata backup 1          a line; the number is the format's
    {"cluster": ..., "revision": ...}   a line of JSON: the header, for `head -2`
    gzip                                frames: length of key and value (4 bytes each, big endian), key, value; in the order of keys
    {"keys": ..., "content": ...}       JSON: what was written, known only when it had been
    4 bytes                             the length of that, big endian
    32 bytes                            SHA-256 of everything before

Promises
  * It appears under its name when it is whole and durable, with mode 0600; whatever dies before leaves what was there.
  * Memory does not grow with what is in it, neither in writing nor in reading.
  * :func:`verified` reads all of it and refuses a file of which any byte is another. It is no signature: who can write the file can
    write its checksum as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import struct
import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final, Self

from holdfast.errors import ConfigError, CorruptError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

FORMAT: Final = 1
_MAGIC: Final = b"holdfast metadata backup "
_FRAME: Final = struct.Struct(">II")
_LENGTH: Final = struct.Struct(">I")
_HASH_BYTES: Final = hashlib.sha256().digest_size
_END_BYTES: Final = _LENGTH.size + _HASH_BYTES
_PIECE_BYTES: Final = 1 << 16
# Beyond these a length is damage: no key is so long, and no store takes such a value.
_KEY_BYTES: Final = 1 << 16
_VALUE_BYTES: Final = 4 << 20
_LINE_BYTES: Final = 1 << 16
# Half of it are digests, which nothing makes smaller; more effort takes long and gains little.
_LEVEL: Final = 3
_GZIP: Final = 31
# Keys between two calls that tell the progress.
_TELL_EVERY: Final = 1000


@dataclass(frozen=True, slots=True)
class Header:
    """Of what, and when. ``made_seconds``: wall clock, for people. ``version``: of the program that wrote it."""

    cluster_id: str
    revision: int
    made_seconds: float
    version: str

    @property
    def made(self) -> str:
        return datetime.fromtimestamp(self.made_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def encode(self) -> bytes:
        text = {
            "cluster": self.cluster_id,
            "revision": self.revision,
            "made": self.made,
            "seconds": self.made_seconds,
            "holdfast": self.version,
        }
        return json.dumps(text).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises ValueError, KeyError, TypeError."""
        record: dict[str, Any] = json.loads(data)
        return cls(str(record["cluster"]), int(record["revision"]), float(record["seconds"]), str(record["holdfast"]))


@dataclass(frozen=True, slots=True)
class Backup:
    """A file that was written or verified. ``kinds``: keys by their first word. ``size_bytes``: of keys and values.

    ``content``: SHA-256 of keys and values alone, so that two backups of the same state have the same.
    """

    path: Path
    header: Header
    kinds: Counter[str]
    size_bytes: int
    content: str
    file_bytes: int

    @property
    def keys(self) -> int:
        return self.kinds.total()


@dataclass(slots=True)
class _Tally:
    kinds: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0
    hasher: Any = field(default_factory=hashlib.sha256)

    def count(self, frame: bytes, key: bytes, size_bytes: int) -> None:
        self.kinds[key.partition(b"/")[0].decode(errors="replace")] += 1
        self.size_bytes += size_bytes
        self.hasher.update(frame)

    def encode(self) -> bytes:
        text = {"kinds": dict(sorted(self.kinds.items())), "bytes": self.size_bytes, "content": self.hasher.hexdigest()}
        return json.dumps(text).encode()


def nothing_told(_keys: int) -> None:
    """Nobody watches."""


def write(
    path: Path,
    header: Header,
    pairs: Iterable[tuple[bytes, bytes]],
    told: Callable[[int], None] = nothing_told,
    *,
    unless_content: str = "",
) -> Backup | None:
    """The file, durable under its name. None: its content is ``unless_content``, and nothing was written.

    Raises:
        UnavailableError: the file cannot be written. Whatever ``pairs`` raises; there is no new file then.
    """
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        with _unfinished(unfinished) as file:
            tally = _write(file, header, pairs, told)
            file.flush()
            os.fsync(file.fileno())
            file_bytes = file.tell()
            if tally.hasher.hexdigest() == unless_content:
                unfinished.unlink()
                return None
            unfinished.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror or error}") from error
    return Backup(path, header, tally.kinds, tally.size_bytes, tally.hasher.hexdigest(), file_bytes)


@contextlib.contextmanager
def _unfinished(path: Path) -> Iterator[IO[bytes]]:
    """An empty file, ours alone, in place of what a process left that has died. It goes unless it is renamed meanwhile."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnavailableError(f"another backup is being written to {path} just now") from error
        if not _is_named(descriptor, path):
            # Who held it was done between our two steps: this is a finished backup by now.
            raise UnavailableError(f"another backup was being written to {path} just now")
        try:
            os.fchmod(descriptor, 0o600)
            os.ftruncate(descriptor, 0)
            yield file
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write(
    file: IO[bytes], header: Header, pairs: Iterable[tuple[bytes, bytes]], told: Callable[[int], None]
) -> _Tally:
    whole, tally = hashlib.sha256(), _Tally()
    packing = zlib.compressobj(_LEVEL, wbits=_GZIP)

    def put(data: bytes) -> None:
        whole.update(data)
        file.write(data)

    put(_MAGIC + str(FORMAT).encode() + b"\n" + header.encode() + b"\n")
    for number, (key, value) in enumerate(pairs, 1):
        frame = _FRAME.pack(len(key), len(value)) + key + value
        tally.count(frame, key, len(key) + len(value))
        put(packing.compress(frame))
        if number % _TELL_EVERY == 0:
            told(number)
    put(packing.flush())
    footer = tally.encode()
    put(footer + _LENGTH.pack(len(footer)))
    file.write(whole.digest())
    return tally


def verified(path: Path, told: Callable[[int], None] = nothing_told) -> Backup:
    """Read it all. ``told`` hears of bytes of the file.

    Raises:
        CorruptError: it is no backup, or a damaged one. ConfigError: of a newer version. UnavailableError: it cannot be read.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        _require_checksum(path, file, size, told)
        header, start = _head(path, file)
        footer, end = _foot(path, file, size)
        tally = _Tally()
        for key, value in _frames(path, file, start, end):
            tally.count(_FRAME.pack(len(key), len(value)) + key + value, key, len(key) + len(value))
        if json.loads(tally.encode()) != footer:
            raise _damaged(path, "its contents are not what they were counted to be")
        return Backup(path, header, tally.kinds, tally.size_bytes, tally.hasher.hexdigest(), size)


def glanced(path: Path) -> Header:
    """The header alone, unverified. Raises CorruptError, ConfigError, UnavailableError."""
    with _opened(path) as file:
        return _head(path, file)[0]


def content_of(path: Path) -> str:
    """``Backup.content`` of a file whose checksum fits; its keys are not read. Raises as ``verified``."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        _require_checksum(path, file, size, nothing_told)
        _head(path, file)
        return str(_foot(path, file, size)[0]["content"])


def pairs_of(backup: Backup) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a verified file, in the order of keys. Raises CorruptError, UnavailableError."""
    with _opened(backup.path) as file:
        header, start = _head(backup.path, file)
        if header != backup.header:
            raise _damaged(backup.path, "it is another file than was verified")
        end = _foot(backup.path, file, backup.file_bytes)[1]
        yield from _frames(backup.path, file, start, end)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror}") from error


def _require_checksum(path: Path, file: IO[bytes], size: int, told: Callable[[int], None]) -> None:
    if not file.read(len(_MAGIC)) == _MAGIC:
        raise CorruptError(f"{path} is no backup of holdfast's metadata")
    file.seek(0)
    whole, left = hashlib.sha256(), size - _HASH_BYTES
    while left > 0 and (piece := file.read(min(_PIECE_BYTES, left))):
        whole.update(piece)
        left -= len(piece)
        told(file.tell())
    if left or file.read() != whole.digest():
        raise _damaged(path, "its checksum does not fit")


def _head(path: Path, file: IO[bytes]) -> tuple[Header, int]:
    file.seek(0)
    first, second = file.readline(_LINE_BYTES), file.readline(_LINE_BYTES)
    if not first.startswith(_MAGIC):
        raise CorruptError(f"{path} is no backup of holdfast's metadata")
    try:
        if int(first.removeprefix(_MAGIC)) > FORMAT:
            raise ConfigError(f"{path} was written by a newer version, in format {int(first.removeprefix(_MAGIC))}")
        return Header.decode(second), file.tell()
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, "its header cannot be read") from error


def _foot(path: Path, file: IO[bytes], size: int) -> tuple[Any, int]:
    """What was counted, and where the gzip stream ends."""
    try:
        file.seek(size - _END_BYTES)
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        file.seek(size - _END_BYTES - length)
        return json.loads(file.read(length)), size - _END_BYTES - length
    except (ValueError, OSError, struct.error) as error:
        raise _damaged(path, "its end cannot be read") from error


def _frames(path: Path, file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    stream, last = _Unpacked(path, file, start, end), b""
    while header := stream.read(_FRAME.size):
        key_bytes, value_bytes = _FRAME.unpack(header)
        if not 0 < key_bytes <= _KEY_BYTES or value_bytes > _VALUE_BYTES:
            raise _damaged(path, "a length in it is impossible")
        key, value = stream.read(key_bytes), stream.read(value_bytes) if value_bytes else b""
        if len(value) != value_bytes or key <= last:
            raise _damaged(path, "its keys are not in order, or the last one is cut off")
        last = key
        yield key, value


class _Unpacked:
    """The gzip stream between two places of a file, in pieces. ``read`` gives as much as was asked for, or nothing at the end."""

    def __init__(self, path: Path, file: IO[bytes], start: int, end: int) -> None:
        file.seek(start)
        self._path = path
        self._file = file
        self._left = end - start
        self._unpacking = zlib.decompressobj(wbits=_GZIP)
        self._ready = bytearray()

    def read(self, count: int) -> bytes:
        while len(self._ready) < count and not self._unpacking.eof:
            packed = self._packed()
            try:
                unpacked = self._unpacking.decompress(packed, _PIECE_BYTES)
            except zlib.error as error:
                raise _damaged(self._path, "it cannot be unpacked") from error
            if not packed and not unpacked:
                raise _damaged(self._path, "it ends too early")
            self._ready += unpacked
        if len(self._ready) < count:
            if self._ready or self._left or self._unpacking.unused_data:
                raise _damaged(self._path, "it ends too early")
            return b""
        taken = bytes(self._ready[:count])
        del self._ready[:count]
        return taken

    def _packed(self) -> bytes:
        if self._unpacking.unconsumed_tail:
            return self._unpacking.unconsumed_tail
        piece = self._file.read(min(_PIECE_BYTES, self._left))
        self._left -= len(piece)
        return piece


def _damaged(path: Path, why: str) -> CorruptError:
    return CorruptError(f"{path} is damaged: {why}; take another backup")
