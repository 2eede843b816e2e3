"""What every kind of password has in common: compared once, remembered for a while, and refused without telling why.

Promises
  * A password that was right is known again by a keyed hash (the key is this process's, made at its start) that also stands for the
    state of the account; nothing else of a password is kept.
  * Callers with the same name and password share one comparison.
  * An address that sends many wrong ones is not listened to for a while, whatever kinds of accounts they were for. Whoever is
    remembered waits for none of that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from gateway.access.ways import Proven
from holdfast.errors import LoginRefusedError, TooManyLoginsError
from holdfast.joined import Joined
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.slots import Slots
    from gateway.access.throttle import Throttle
    from holdfast.clock import Clock

REFUSAL: Final = "unknown user, or wrong password"
_REMEMBERED: Final = 20_000
_PATIENCE_SECONDS: Final = 40.0


class Verdict(Enum):
    """What a comparison found, if not somebody."""

    WRONG = "not its password"
    UNKNOWN = "no account of this kind"


Found: TypeAlias = Proven | Verdict


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """What all kinds share. ``key``: 32 random bytes. ``delay`` waits before a refusal (``failDelay``). ``slots``: for comparisons,
    shared with other processes.
    """

    throttle: Throttle
    clock: Clock
    key: bytes = field(repr=False)
    delay: Callable[[], None]
    slots: Slots | None = None


class Proving:
    """Of one kind of accounts; shared by threads. ``is_certain``: whether a refusal says that somebody guesses; it does not while
    accounts of another kind cannot be asked about, and the neighbours behind an address are not to suffer for it.
    """

    def __init__(
        self, keeper: Doorkeeper, remembered_seconds: float, is_certain: Callable[[], bool] = lambda: True
    ) -> None:
        self._keeper = keeper
        self._is_certain = is_certain
        self._known: Remembered[bytes, Proven] = Remembered(keeper.clock, remembered_seconds, _REMEMBERED)
        self._comparing: Joined[bytes, Found] = Joined(_PATIENCE_SECONDS)

    def known(self, user: str, password: str, state: str = "") -> Proven | None:
        """Whom it was found to be a while ago. ``state``: of the account; what was found under another one does not count."""
        return self._known.get(self._mark(user, password, state))

    def forget(self, user: str, password: str, state: str = "") -> None:
        self._known.forget(self._mark(user, password, state))

    def prove(self, user: str, password: str, state: str, address: str, compare: Callable[[], Found]) -> Proven | None:
        """Who that is; None: no account of this kind.

        Raises:
            LoginRefusedError: wrong. TooManyLoginsError: not looked at. Whatever ``compare`` raises.
        """
        mark = self._mark(user, password, state)
        known = self._known.get(mark)
        if known is not None:
            return known
        if self._keeper.throttle.is_shut(address, user):
            raise TooManyLoginsError("too many wrong passwords came from this address; wait a minute")
        found = self._comparing.run(mark, lambda: self._compared(mark, compare))
        if isinstance(found, Proven):
            return found
        if found is Verdict.UNKNOWN:
            return None
        self._keeper.throttle.failed(address, user, counts_for_all=self._is_certain())
        self._keeper.delay()
        raise LoginRefusedError(REFUSAL)

    def _compared(self, mark: bytes, compare: Callable[[], Found]) -> Found:
        known = self._known.get(mark)
        if known is not None:
            return known  # whoever was at it has just finished
        found = compare()
        if isinstance(found, Proven):
            self._known.put(mark, found)
        return found

    def _mark(self, user: str, password: str, state: str) -> bytes:
        """Stands for all three: what was found of a password says nothing of another state of the same account."""
        text = f"{len(user)}:{user}:{len(state)}:{state}:{password}"
        # A keyed hash that costs half of what HMAC does: every request with a password comes by here.
        return hashlib.blake2b(text.encode(errors="surrogatepass"), key=self._keeper.key, digest_size=32).digest()
