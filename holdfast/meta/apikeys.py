"""API keys: whose they are, what they are for, when they end, and the hash of their text.

    apikeys/<id>                the key
    apikeys-of/<owner>/<id>     the same from its owner's side; written and removed together with it

Promises
  * The text of a key is nowhere here: a SHA-256 of it is, and it has 256 random bits.
  * A key never changes: it is made once, and removed once. Whoever reads it after ``remove`` has returned finds none.
  * An owner sees and removes no key but its own (an operator any), and has at most ``MOST_KEYS``, or one more of two made at once.

Never here: whether its owner is still somebody, and what the owner may do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import RequestInvalidError
from holdfast.meta import keys
from holdfast.meta.commit import Change, commit, insist
from holdfast.meta.records import Codec
from holdfast.meta.store import Delete, KeyAt, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.meta.store import Entry, Store

MOST_KEYS: Final = 100
_PAGE: Final = 200
_RECORD: Final = Codec(wire.ApiKeyRecord)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """``owner``: the account that it acts for. ``expires_seconds``: of the wall clock; 0 never. ``creator``: the program that asked
    for it. ``revision``: of its key in the metadata; 0 while it is not there.
    """

    key_id: str
    owner: str
    label: str
    scopes: tuple[str, ...]
    digest: bytes = field(repr=False)
    created_seconds: float
    expires_seconds: float = 0.0
    creator: str = ""
    revision: int = 0

    @property
    def place(self) -> bytes:
        """Its key in the metadata."""
        return keys.api_key(self.key_id)

    def is_over(self, now_seconds: float) -> bool:
        return 0.0 < self.expires_seconds <= now_seconds


class ApiKeyBook:
    """``new_id`` gives 16 random bytes. Every method may raise MetadataUnavailableError, those that change OutcomeUnknownError."""

    def __init__(self, store: Store, new_id: Callable[[], bytes]) -> None:
        self._store = store
        self._new_id = new_id

    def find(self, key_id: str) -> ApiKey | None:
        entry = self._store.get(keys.api_key(key_id))
        return None if entry is None else _decoded(entry)

    def of(self, owner: str) -> list[ApiKey]:
        """Oldest first."""
        found = [self.find(key_id) for key_id in self._ids(owner)]
        return sorted((one for one in found if one is not None), key=lambda one: (one.created_seconds, one.key_id))

    def add(self, key: ApiKey) -> None:
        """Raises RequestInvalidError: its owner has as many as there may be."""
        if sum(1 for _ in self._ids(key.owner)) >= MOST_KEYS:
            raise RequestInvalidError(
                f"an account has at most {MOST_KEYS} API keys; revoke one that is not used any more"
            )
        operation_id = self._new_id()
        record = wire.ApiKeyRecord(
            operation_id=operation_id,
            owner=key.owner,
            label=key.label,
            scopes=key.scopes,
            digest=key.digest,
            created_seconds=key.created_seconds,
            expires_seconds=key.expires_seconds,
            creator=key.creator,
        )
        ops = [Put(key.place, _RECORD.encode(record)), Put(keys.api_key_of(key.owner, key.key_id), b"")]
        commit(self._store, Change(key.place, 0, operation_id, [KeyAt(key.place, 0)], ops))

    def remove(self, owner: str, key_id: str) -> bool:
        """Whether it was there, and this owner's."""
        found = self.find(key_id)
        if found is None or found.owner != owner:
            return False
        self._drop(found)
        return True

    def remove_anybodys(self, key_id: str) -> ApiKey | None:
        """For an operator: what was removed; None: there is no such key."""
        found = self.find(key_id)
        if found is not None:
            self._drop(found)
        return found

    def _drop(self, key: ApiKey) -> None:
        ops = [Delete(key.place), Delete(keys.api_key_of(key.owner, key.key_id)), Delete(keys.used(key.place))]
        insist(self._store, (), ops)

    def _ids(self, owner: str) -> Iterator[str]:
        for entry in pages(self._store, *keys.api_keys_of(owner), _PAGE, keys_only=True):
            yield keys.api_key_in(entry.key)


def _decoded(entry: Entry) -> ApiKey:
    record = _RECORD.decode(entry.value)
    return ApiKey(
        keys.api_key_in(entry.key),
        record.owner,
        record.label,
        tuple(record.scopes),
        record.digest,
        record.created_seconds,
        record.expires_seconds,
        record.creator,
        entry.mod_revision,
    )
