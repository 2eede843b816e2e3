"""The keys that this installation signs its tokens with: made by the first process that needs one, shared by all, and renewed.

    signing/<number>      32 random bytes; the newest signs, all of them verify

Promises
  * There is no key that anybody could know before: none is configured, none is built in.
  * Of several processes that make a key at once one wins, and all use that one.
  * A key is renewed after ``RENEWAL_SECONDS`` by the wall clock, and goes after ``KEPT_SECONDS``, when nothing that it has signed
    counts any more. A clock that jumps renews early or late; no token counts longer for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, insist
from holdfast.meta.records import Codec
from holdfast.meta.store import Delete, KeyAt, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.store import Store

RENEWAL_SECONDS: Final = 30 * 24 * 3600.0
# Longer than the longest life of a refresh token, counted from the moment when its key signed for the last time.
KEPT_SECONDS: Final = 3 * RENEWAL_SECONDS
_PAGE: Final = 100
_RECORD: Final = Codec(wire.SigningKeyRecord)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """``number`` is the key id in a token's header."""

    number: int
    secret: bytes
    created_seconds: float


class SigningKeys:
    """``new_secret`` gives 32 random bytes, ``new_id`` 16. Every method may raise MetadataUnavailableError."""

    def __init__(
        self, store: Store, new_id: Callable[[], bytes], new_secret: Callable[[], bytes], clock: Clock
    ) -> None:
        self._store = store
        self._new_id = new_id
        self._new_secret = new_secret
        self._clock = clock

    def all(self) -> list[SigningKey]:
        """Those that count, oldest first; at least one, made now if there is none or the newest is old."""
        for _ in range(ATTEMPTS):
            found = self._read()
            now = self._clock.wall()
            if found and now - found[-1].created_seconds < RENEWAL_SECONDS:
                return found
            self._make(found[-1].number + 1 if found else 1, now)
            self._drop([key for key in found if now - key.created_seconds > KEPT_SECONDS])
        raise MetadataUnavailableError("no key for tokens could be made; is the metadata full?")

    def renew(self) -> SigningKey:
        """A new key from now on; what older ones have signed counts until it ends."""
        found = self._read()
        self._make(found[-1].number + 1 if found else 1, self._clock.wall())
        return self._read()[-1]

    def revoke(self) -> None:
        """Nothing that was signed before counts any more: everybody logs in again."""
        found = self._read()
        self._make(found[-1].number + 1 if found else 1, self._clock.wall())
        self._drop(found)

    def _read(self) -> list[SigningKey]:
        return known_keys(self._store)

    def _make(self, number: int, now_seconds: float) -> None:
        record = wire.SigningKeyRecord(
            operation_id=self._new_id(), secret=self._new_secret(), created_seconds=now_seconds
        )
        key = keys.signing(number)
        # Another process may have been first: its key is as good.
        insist(self._store, [KeyAt(key, 0)], [Put(key, _RECORD.encode(record))])

    def _drop(self, old: list[SigningKey]) -> None:
        for key in old:
            insist(self._store, (), [Delete(keys.signing(key.number))])


def known_keys(store: Store) -> list[SigningKey]:
    """Those that are there, oldest first; none is made. Raises MetadataUnavailableError."""
    return [_decoded(entry.key, entry.value) for entry in pages(store, *keys.signings(), _PAGE)]


def _decoded(key: bytes, value: bytes) -> SigningKey:
    record = _RECORD.decode(value)
    return SigningKey(keys.signing_number(key), record.secret, record.created_seconds)
