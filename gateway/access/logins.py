"""Users and passwords of the password file.

Promises
  * A password is remembered together with the hash that it was compared with: a change of the account ends that at once.
  * An unknown user and a wrong password take the same time and get the same answer.
  * Comparing is dear (:mod:`gateway.access.comparing`). What else keeps that in bounds, every kind of password has
    (:mod:`gateway.access.proving`). Whoever is remembered waits for none of that.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, Protocol

from gateway.access.comparing import Comparing
from gateway.access.proving import Proving, Verdict
from gateway.access.ways import Proven, Standing
from holdfast.access.identity import Identity, Way
from holdfast.access.passwords import fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.proving import Doorkeeper, Found

_REMEMBERED_SECONDS: Final = 300.0
_REMEMBERED: Final = 20_000
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
        self._comparing = Comparing(slots=keeper.slots)
        self._proven: Callable[[str, str], Proven] = functools.lru_cache(_REMEMBERED)(self._whom)

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
        against = self._accounts.any_hash() or _NOBODY
        self._comparing.run(lambda: fits(password, against))

    def check(self, user: str, password: str, address: str) -> Proven | None:
        """Who that is; never None, because this way is asked last and an unknown user takes as long as a wrong password.

        Raises:
            LoginRefusedError: nobody. TooManyLoginsError: not looked at. OverloadedError: too many are compared now.
        """
        hashed = self._accounts.hash_of(user)
        known = self._proving.known(user, password, hashed or "")
        if known is not None:
            return known

        def found() -> Found:
            against = hashed or self._accounts.any_hash() or _NOBODY
            fitting = self._comparing.run(lambda: fits(password, against))
            return self._proven(user, hashed) if fitting and hashed is not None else Verdict.WRONG

        return self._comparing.admitted(lambda: self._proving.prove(user, password, hashed or "", address, found))

    def _whom(self, user: str, hashed: str) -> Proven:
        return Proven(Identity(user, Way.PASSWORD), account=f"{self.word}:{user}", mark=hashed)
