"""Users and passwords of the password file.

Promises
  * A password is remembered together with the hash that it was compared with: a change of the account ends that at once.
  * An unknown user and a wrong password take the same time and get the same answer.
  * Comparing costs a processor a tenth of a second, so only a few run at a time. (What else keeps that in bounds, every kind of
    password has: :mod:`gateway.access.proving`.)
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Protocol

from gateway.access.proving import Proving, Verdict
from gateway.access.ways import Proven, Standing
from holdfast.access.identity import Identity, Way
from holdfast.access.passwords import fits
from holdfast.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.proving import Doorkeeper, Found

_REMEMBERED_SECONDS: Final = 300.0
# More at a time would leave no processor to those who are remembered.
_COMPARISONS: Final = 2
_PATIENCE_SECONDS: Final = 20.0
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
    """Shared by threads. ``is_certain``: as in ``Proving``."""

    def __init__(self, accounts: Hashes, keeper: Doorkeeper, is_certain: Callable[[], bool] = lambda: True) -> None:
        self._accounts = accounts
        self._proving = Proving(keeper, _REMEMBERED_SECONDS, is_certain)
        self._places = threading.BoundedSemaphore(_COMPARISONS)

    @property
    def word(self) -> str:
        return Way.PASSWORD.value

    def standing(self, name: str) -> Standing | None:
        """Its mark is the hash of the password."""
        hashed = self._accounts.hash_of(name)
        return None if hashed is None else Standing(hashed, self._proven(name, hashed))

    def remembers(self, user: str, password: str) -> bool:
        """Whether this would be let in without a comparison."""
        hashed = self._accounts.hash_of(user)
        return hashed is not None and self._proving.known(user, password, hashed) is not None

    def spend(self, password: str) -> None:
        """As much time as a wrong password takes. Raises OverloadedError."""
        self._compare(password, self._accounts.any_hash() or _NOBODY)

    def check(self, user: str, password: str, address: str) -> Proven | None:
        """Who that is; never None, because this way is asked last and an unknown user takes as long as a wrong password.

        Raises:
            LoginRefusedError: nobody. TooManyLoginsError: not looked at. OverloadedError: too many are compared now.
        """
        hashed = self._accounts.hash_of(user)
        return self._proving.prove(user, password, hashed or "", address, lambda: self._found(user, password, hashed))

    def _found(self, user: str, password: str, hashed: str | None) -> Found:
        fitting = self._compare(password, hashed or self._accounts.any_hash() or _NOBODY)
        return self._proven(user, hashed) if fitting and hashed is not None else Verdict.WRONG

    def _proven(self, user: str, hashed: str) -> Proven:
        return Proven(Identity(user, Way.PASSWORD), account=f"{self.word}:{user}", mark=hashed)

    def _compare(self, password: str, hashed: str) -> bool:
        if not self._places.acquire(timeout=_PATIENCE_SECONDS):
            raise OverloadedError("too many logins at once; try again in a moment")
        try:
            return fits(password, hashed)
        finally:
            self._places.release()
