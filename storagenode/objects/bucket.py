"""The adapter to the object store: the one module that calls obstore.

Promises
    * What it says, it says in errors of ours: no such object is None or ``FileNotFoundError``, everything else UnavailableError. No
      text of the server's goes into them; addresses may carry signatures.
    * A put that returns is durable. One that raises may have happened all the same.
    * A read that breaks off goes on where it stood, as long as it gets anywhere.
    * Requests are tried again by obstore, for so long as ``driver`` says.

Never: decides what a missing object means.
"""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError

from holdfast.errors import CorruptError, UnavailableError
from holdfast.rpc.methods import RAW_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obstore import Attributes, WritableFile
    from obstore.store import ObjectStore

_LOG: Final = logging.getLogger("holdfast.node")

_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_BEYOND: Final = 416
# Of keys that one list request brings.
_PAGE: Final = 1000
# Attempts that bring not one byte, beyond those that obstore makes itself.
_FRUITLESS: Final = 3
# Parts of one upload that are on their way at a time.
_PARTS_AT_A_TIME: Final = 3
# Of one object: what S3 and Google's store take. Azure's takes more.
MOST_PARTS: Final = 10_000
MOST_BYTES: Final = 5 << 40
# Large parts are multiples of this.
_GRAIN_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it is at a moment. ``version`` changes with its bytes."""

    key: str
    size_bytes: int
    version: str


def _version(entity_tag: str | None) -> str:
    """Azure quotes it when one object is asked for, and not in a list."""
    return (entity_tag or "").strip('"')


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise  # whoever named it knows what its absence means
    except (BaseError, OSError) as error:
        raise UnavailableError(f"the object store did not {what}: {_words(error)}") from None


def _status(error: Exception) -> int | None:
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def _words(error: Exception) -> str:
    status = _status(error)
    return f"it answered {status}" if status else f"it cannot be reached or does not answer ({type(error).__name__})"


@contextlib.contextmanager
def _existing() -> Iterator[None]:
    """A put and a list need no object: what may be missing is the bucket."""
    try:
        yield
    except FileNotFoundError:
        raise UnavailableError("the object store has no such bucket; create it, or name another one") from None


class Bucket:
    """One prefix of one bucket. Safe for many threads."""

    def __init__(self, store: ObjectStore, part_bytes: int, storage_class: str = "") -> None:
        """``part_bytes``: how much an upload sends at a time; what is no longer than that is sent at once."""
        self._store = store
        self._part_bytes = part_bytes
        self._attributes: Attributes | None = {"Storage-Class": storage_class} if storage_class else None

    def put(self, key: str, data: bytes) -> None:
        with _translated("take an object"), _existing():
            obstore.put(self._store, key, data, use_multipart=False)

    def put_first(self, key: str, data: bytes) -> bool:
        """As ``put``, unless there is one already; False then. A store that cannot tell puts in any case."""
        try:
            with _existing():
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        except NotSupportedError:
            self.put(key, data)
        except (BaseError, OSError) as error:
            raise UnavailableError(f"the object store did not take an object: {_words(error)}") from None
        return True

    def head(self, key: str) -> Seen | None:
        try:
            with _translated("tell of an object"):
                found = obstore.head(self._store, key)
        except FileNotFoundError:
            return None
        return Seen(key, found["size"], _version(found["e_tag"]))

    def get(self, key: str) -> bytes | None:
        """A small object, whole."""
        try:
            with _translated("give an object"):
                return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> Iterator[Seen]:
        """All keys below a prefix that ends with a whole part, in pages."""
        pages = obstore.list(self._store, prefix, chunk_size=_PAGE)
        while True:
            with _translated("list its objects"), _existing():
                page = next(pages, None)
            if page is None:
                return
            for found in page:
                yield Seen(found["path"], found["size"], _version(found["e_tag"]))

    def delete(self, keys: Sequence[str]) -> None:
        """They may be gone already."""
        with _translated("delete an object"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, list(keys))

    def read(self, key: str, offset_bytes: int, end_bytes: int, size_bytes: int) -> Iterator[bytes]:
        """In messages of 1 MiB. Raises FileNotFoundError; CorruptError: the object has not ``size_bytes``."""
        fruitless = 0
        while offset_bytes < end_bytes:
            before = offset_bytes
            try:
                for piece in self._pieces(key, offset_bytes, end_bytes, size_bytes):
                    yield piece
                    offset_bytes += len(piece)
            except UnavailableError:
                fruitless = fruitless + 1 if offset_bytes == before else 0
                if fruitless == _FRUITLESS:
                    raise
                _LOG.info("a read from the object store broke off and goes on", extra={"offset": offset_bytes})

    def _pieces(self, key: str, offset_bytes: int, end_bytes: int, size_bytes: int) -> Iterator[bytes]:
        stream = self._stream(key, offset_bytes, end_bytes, size_bytes)
        held = bytearray()
        while True:
            with _translated("give an object"):
                data = next(stream, None)
            if data is None:
                break
            held += data
            while len(held) >= RAW_MESSAGE_BYTES:
                yield bytes(held[:RAW_MESSAGE_BYTES])
                offset_bytes += RAW_MESSAGE_BYTES
                del held[:RAW_MESSAGE_BYTES]
        if offset_bytes + len(held) < end_bytes:
            raise UnavailableError("the object store did not give an object: the answer was cut off")
        if held:
            yield bytes(held)

    def _stream(self, key: str, offset_bytes: int, end_bytes: int, size_bytes: int) -> Iterator[bytes]:
        try:
            got = obstore.get(self._store, key, options={"range": (offset_bytes, end_bytes)})
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            if _status(error) == _BEYOND:
                raise CorruptError("the object is shorter than its name says") from None
            raise UnavailableError(f"the object store did not give an object: {_words(error)}") from None
        if got.meta["size"] != size_bytes:
            raise CorruptError(f"it has {got.meta['size']} bytes instead of {size_bytes}")
        return iter(got.stream(min_chunk_size=RAW_MESSAGE_BYTES))

    def is_long(self, size_bytes: int) -> bool:
        """Whether it needs larger parts than usual."""
        return size_bytes > MOST_PARTS * self._part_bytes

    def writing(self, key: str, size_bytes: int = 0) -> Writing:
        """A new object, in parts while its bytes come. Nothing is there before ``Writing.finish``.

        ``size_bytes``: as many as will come, where that is known; where not, it must not become long. In memory are at most four
        parts, of a long one two: a gigabyte for the longest.
        """
        is_long = self.is_long(size_bytes)
        grains = -(-size_bytes // (MOST_PARTS * _GRAIN_BYTES))
        return Writing(
            obstore.open_writer(
                self._store,
                key,
                attributes=self._attributes,
                buffer_size=grains * _GRAIN_BYTES if is_long else self._part_bytes,
                max_concurrency=1 if is_long else _PARTS_AT_A_TIME,
            )
        )


class Writing:
    """An object on its way. For one thread at a time. After an error only ``abort`` is of use."""

    def __init__(self, writer: WritableFile) -> None:
        self._writer = writer

    def write(self, data: bytes | memoryview) -> None:
        """Waits while too many parts are on their way. The caller may use its buffer again."""
        with _translated("take a part of an object"), _no_upload():
            self._writer.write(bytes(data))  # obstore keeps what it is given until that part is sent

    def finish(self) -> None:
        with _translated("complete an object"), _no_upload():
            self._writer.close()

    def abort(self) -> None:
        """As far as the store lets us: what stays goes by the bucket's rule for uploads that were never completed.

        So do the parts that a process which was killed has sent: obstore neither lists such uploads nor takes their ids.
        """
        reason = UnavailableError("given up")
        with contextlib.suppress(BaseError, OSError, ValueError):
            self._writer.__exit__(UnavailableError, reason, None)


@contextlib.contextmanager
def _no_upload() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UnavailableError("the object store has lost a half-sent object, or has no such bucket") from None
