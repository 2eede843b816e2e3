"""``witness.json`` in an object store. Implements ``holdfast.meta.witness.Book``.

Beside the blobs it shares their fate: whoever brings an older directory back, with older metadata in it, brings no older memory
back. Two processes that both have the place would take each other's values for doubts; so the one that lost it leaves none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from holdfast.errors import RolledBackError
from holdfast.meta.witness import Memory
from storagenode.objects import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.meta.witness import Book
    from storagenode.objects.bucket import Bucket
    from storagenode.objects.owner import Tenure

# No value is ever this.
_NO_VALUE: Final = "no value that stood"


class BucketBook:
    """Safe for many threads."""

    def __init__(self, bucket: Bucket, tenure: Tenure) -> None:
        self._bucket = bucket
        self._tenure = tenure

    def load(self) -> Memory:
        """Raises RolledBackError: the object is damaged, so that nobody knows. UnavailableError."""
        text = self._bucket.get(keys.WITNESS)
        if text is None:
            return Memory()
        try:
            record = json.loads(text)
            return Memory(tuple(map(str, record["known"])), str(record["doubted_at"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RolledBackError(
                f"{keys.WITNESS} in the object store is damaged, so nobody knows whether the metadata is right; remove the object"
                " if it is"
            ) from error

    def save(self, memory: Memory) -> None:
        """Raises ReadOnlyError: another process has the place. UnavailableError."""
        self._tenure.require()
        record = {"known": list(memory.known), "doubted_at": memory.doubted_at}
        self._bucket.put(keys.WITNESS, json.dumps(record).encode())


class Books:
    """Several that remember the same, one of which may have been left behind by the others. Implements the same port.

    A value counts as known only where all know it that remember anything: dying between two of them leaves each with one that
    stands. Whether there is a doubt is the last one's to say, which is written last: what another doubts besides is doubted again.
    """

    def __init__(self, books: Sequence[Book]) -> None:
        """The one that is least likely to be left behind comes last."""
        self._books = books

    def load(self) -> Memory:
        """Raises RolledBackError, UnavailableError."""
        memories = [memory for book in self._books if (memory := book.load()) != Memory()]
        if not memories:
            return Memory()
        shared = [value for value in memories[-1].known if all(value in memory.known for memory in memories)]
        return Memory(tuple(shared) or (_NO_VALUE,), memories[-1].doubted_at)

    def save(self, memory: Memory) -> None:
        """Raises UnavailableError."""
        for book in self._books:
            book.save(memory)
