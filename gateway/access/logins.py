"""Names and passwords: compared once, then remembered for a while.

Promises
  * A password that was right is known again by a keyed hash (the key is this process's, made at its start) and by the hash of
    the account as it was; a change of the account ends that at once. Nothing else of a password is kept.
  * An unknown user and a wrong password take the same time and get the same answer.
  * Comparing is dear (:mod:`gateway.access.comparing`): callers with the same name and password share one, and an address that
    sends many wrong ones is not listened to for a while. Whoever is remembered waits for none of that.
"""

from __future__ import annotations

import functools
import hmac
from typing import TYPE_CHECKING, Final, Protocol

from gateway.access.comparing import Comparing
from gateway.access.ways import Proven, Standing
from holdfast.access.identity import Identity, Way
from holdfast.access.passwords import fits
from holdfast.errors import LoginRefusedError, TooManyLoginsError
from holdfast.joined import Joined
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.throttle import Throttle
    from holdfast.clock import Clock

_REMEMBERED_SECONDS: Final = 300.0
_REMEMBERED: Final = 20_000
_PATIENCE_SECONDS: Final = 40.0
_REFUSAL: Final = "unknown user, or wrong password"
# bcrypt of a password that nobody has; for a file without any account to compare with.
_NOBODY: Final = "$2b$10$C6UzMDM.H6dfI/f/IKcEeO5d1gH5xJwqGqG8sJqT1hSKQ1p5n6hKa"


class Hashes(Protocol):
    """Where hashes of passwords come from."""

    def hash_of(self, user: str) -> str | None:
        """None: no such user."""
        ...

    def any_hash(self) -> str | None:
        """One of them; None: there is no account."""
        ...


class Logins:
    """Shared by threads. ``key``: 32 random bytes. ``delay`` waits before a refusal (``failDelay``)."""

    def __init__(
        self,
        accounts: Hashes,
        throttle: Throttle,
        clock: Clock,
        key: bytes,
        delay: Callable[[], None],
    ) -> None:
        self._accounts = accounts
        self._throttle = throttle
        self._key = key
        self._delay = delay
        self._known: Remembered[bytes, bool] = Remembered(clock, _REMEMBERED_SECONDS, _REMEMBERED)
        self._sharing: Joined[bytes, bool] = Joined(_PATIENCE_SECONDS)
        self._comparing = Comparing()
        self._proven: Callable[[str], Proven] = functools.lru_cache(_REMEMBERED)(self._proving)

    @property
    def word(self) -> str:
        return Way.PASSWORD.value

    def standing(self, name: str) -> Standing | None:
        """Its mark is the hash of the password."""
        hashed = self._accounts.hash_of(name)
        return None if hashed is None else Standing(hashed, self._proven(name))

    def check(self, user: str, password: str, address: str) -> Proven | None:
        """Who that is; never None, because this way is asked last and an unknown user takes as long as a wrong password.

        Raises:
            LoginRefusedError: nobody. TooManyLoginsError: not looked at. OverloadedError: too many are compared now.
        """
        hashed = self._accounts.hash_of(user)
        mark = self._mark(user, password, hashed or "")
        if hashed is not None and self._known.get(mark):
            return self._proven(user)
        if self._throttle.is_shut(address, user):
            raise TooManyLoginsError("too many wrong passwords came from this address; wait a minute")
        shared = functools.partial(self._sharing.run, mark, lambda: self._compared(mark, password, hashed))
        if self._comparing.admitted(shared):
            return self._proven(user)
        self._throttle.failed(address, user)
        self._delay()
        raise LoginRefusedError(_REFUSAL)

    def _proving(self, user: str) -> Proven:
        return Proven(Identity(user, Way.PASSWORD), account=f"{self.word}:{user}")

    def _mark(self, user: str, password: str, hashed: str) -> bytes:
        """Stands for all three: what was found of a password says nothing of another hash of the same account."""
        text = f"{len(user)}:{user}:{hashed}:{password}"
        return hmac.digest(self._key, text.encode(errors="surrogatepass"), "sha256")

    def _compared(self, mark: bytes, password: str, hashed: str | None) -> bool:
        """Whether it is the password of an account; by one caller at a time for the same."""
        if self._known.get(mark):
            return True  # whoever was at it has just finished
        against = hashed or self._accounts.any_hash() or _NOBODY
        fitting = self._comparing.run(lambda: fits(password, against))
        if not fitting or hashed is None:
            return False
        self._known.put(mark, True)
        return True
