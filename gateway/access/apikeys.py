"""API keys at the door: as the password of their owner, or as a Bearer token.

Promises
  * A key allows what its scopes say, and never more than its owner may at this moment: it has its owner's identity and is judged
    by the same rules. An owner who is no account any more has no keys that count.
  * A key that was revoked, anywhere, ends within ``FRESH_SECONDS`` and a read of the metadata here, and so do tokens got by it.
  * No key makes, lists or revokes keys.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.access.ways import Standing
from holdfast.access.identity import Way
from holdfast.access.keyscopes import EVERYTHING, KeyScopes
from holdfast.access.keytext import KEY_MARK, digest_of, is_key_id, key_id_of, new_key
from holdfast.errors import DeniedError, LoginNeededError, LoginRefusedError, MissingError, RequestInvalidError
from holdfast.meta.apikeys import ApiKey
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.guesses import Guesses
    from gateway.access.uses import Uses
    from gateway.access.ways import Proven
    from holdfast.clock import Clock
    from holdfast.meta.apikeys import ApiKeyBook
    from holdfast.meta.uses import UseTimes

FRESH_SECONDS: Final = 1.0
_REMEMBERED: Final = 20_000
_LONGEST_LABEL: Final = 256
_LONGEST_CREATOR: Final = 256
# Accounts that were made to be handed out, not to hand out others.
_BARRED: Final = (f"{Way.API_KEY.value}:", f"{Way.ROBOT.value}:")


@dataclass(slots=True)
class _Found:
    """What the metadata said a moment ago; scopes are compiled, and what follows from the owner's standing is made, once."""

    key: ApiKey
    scopes: KeyScopes
    made: tuple[Standing, Standing] | None = None

    def under(self, owner: Standing) -> Standing:
        """The key's standing while its owner's is this."""
        made = self.made
        if made is None or made[0] != owner:
            identity = replace(owner.proven.identity, way=Way.API_KEY)
            limits = (*owner.proven.limits, self.scopes)
            account = f"{Way.API_KEY.value}:{self.key.key_id}"
            mark = f"{self.key.digest.hex()}:{owner.mark}"
            proven = replace(owner.proven, identity=identity, limits=limits, account=account, mark=mark)
            made = self.made = owner, Standing(mark, proven)
        return made[1]


class ApiKeys:
    """Shared by threads. ``owners``: standings of the accounts that can have keys."""

    def __init__(
        self,
        book: ApiKeyBook,
        owners: Callable[[str], Standing | None],
        guesses: Guesses,
        uses: Uses,
        clock: Clock,
    ) -> None:
        self._book = book
        self._owners = owners
        self._guesses = guesses
        self._uses = uses
        self._clock = clock
        self._fresh: Remembered[str, _Found] = Remembered(clock, FRESH_SECONDS, _REMEMBERED)

    @property
    def word(self) -> str:
        return Way.API_KEY.value

    def check(self, user: str, password: str, address: str) -> Proven | None:
        """As PasswordWay. What looks like a key is one of ours, or refused."""
        key_id = key_id_of(password)
        if key_id is None:
            return None

        def prove() -> Proven | None:
            found = self._proven(key_id, password)
            return found if found is not None and found.identity.name == user else None

        return self._guesses.judge(user, password, address, prove)

    def recognises(self, text: str) -> bool:
        return text.startswith(KEY_MARK)

    def read(self, text: str) -> Proven:
        """Raises LoginRefusedError, UnavailableError."""
        key_id = key_id_of(text)
        found = None if key_id is None else self._proven(key_id, text)
        if found is None:
            raise LoginRefusedError("the API key does not count (any more)")
        return found

    def standing(self, name: str) -> Standing | None:
        """Of the key with this id; its mark is the hash of its text and the standing of its owner."""
        found = self._find(name)
        return None if found is None else self._standing(found)

    def _standing(self, found: _Found) -> Standing | None:
        owner = self._owners(found.key.owner)
        return None if owner is None or owner.proven.identity.is_anonymous else found.under(owner)

    def _proven(self, key_id: str, text: str) -> Proven | None:
        found = self._find(key_id)
        if found is None or not hmac.compare_digest(found.key.digest, digest_of(text)):
            return None
        standing = self._standing(found)
        if standing is None:
            return None
        self._uses.note(found.key.place, found.key.revision)
        return standing.proven

    def _find(self, key_id: str) -> _Found | None:
        if not is_key_id(key_id):
            return None
        found = self._fresh.get(key_id)
        if found is None:
            key = self._book.find(key_id)
            if key is None:
                return None
            found = _Found(key, KeyScopes.of(key.scopes))
            self._fresh.put(key_id, found)
        return None if found.key.is_over(self._clock.wall()) else found


class OwnKeys:
    """What an account does with its keys, once it has logged in itself. ``lasting``: the account behind one that ends sooner than
    its keys should, such as a session.
    """

    def __init__(self, book: ApiKeyBook, times: UseTimes, lasting: Callable[[str], str], clock: Clock) -> None:
        self._book = book
        self._times = times
        self._lasting = lasting
        self._clock = clock

    def make(
        self, owner: Proven, label: str, scopes: Sequence[str], expires_seconds: float, creator: str
    ) -> tuple[ApiKey, str]:
        """The key, and its text, which is nowhere afterwards. No scopes: all that the owner may.

        Raises:
            LoginNeededError, DeniedError: who asks has no account, or logged in with a key. RequestInvalidError.
        """
        account = self._account(owner)
        if len(label) > _LONGEST_LABEL or not label.isprintable():
            raise RequestInvalidError(f"a label has at most {_LONGEST_LABEL} printable characters")
        now = self._clock.wall()
        if expires_seconds and expires_seconds <= now:
            raise RequestInvalidError("a key ends in the future")
        made = new_key(os.urandom)
        texts = KeyScopes.of(scopes or (EVERYTHING,)).texts
        key = ApiKey(
            made.key_id, account, label, texts, digest_of(made.text), now, expires_seconds, creator[:_LONGEST_CREATOR]
        )
        self._book.add(key)
        return key, made.text

    def of(self, owner: Proven) -> list[tuple[ApiKey, float]]:
        """Oldest first, each with when it was used last; 0 never. Raises as ``make``."""
        found = self._book.of(self._account(owner))
        times = self._times.read(key.place for key in found)
        return [(key, times.get(key.place, 0.0)) for key in found]

    def revoke(self, owner: Proven, key_id: str) -> None:
        """Raises as ``make``, and MissingError: this account has no such key."""
        account = self._account(owner)
        if not is_key_id(key_id) or not self._book.remove(account, key_id):
            raise MissingError("you have no such API key")

    def _account(self, owner: Proven) -> str:
        if owner.identity.is_anonymous:
            raise LoginNeededError("log in to have API keys")
        if owner.limits or owner.account.startswith(_BARRED):
            raise DeniedError(
                "API keys are made, listed and revoked with a login of one's own, not with a key or a token"
            )
        account = self._lasting(owner.account)
        if not account:
            raise DeniedError("a login of this kind can have no API keys: nothing would end them with it")
        return account
