"""Secrets of 256 random bits at the door: nobody guesses one, but whoever tries is counted as with passwords.

Promises: a wrong one, an unknown name and an ended one get the same answer after the same wait. An address that has sent too many
is not listened to for a while, but for what was right a short time ago: a neighbour's mistakes stop no program that is at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.access.keytext import digest_of
from holdfast.errors import LoginRefusedError, TooManyLoginsError
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.throttle import Throttle
    from gateway.access.ways import Proven
    from holdfast.clock import Clock

_RIGHT_SECONDS: Final = 300.0
_REMEMBERED: Final = 20_000


class Guesses:
    """Shared by threads. ``delay`` waits before a refusal (``failDelay``)."""

    def __init__(self, throttle: Throttle, clock: Clock, delay: Callable[[], None]) -> None:
        self._throttle = throttle
        self._delay = delay
        self._right: Remembered[bytes, bool] = Remembered(clock, _RIGHT_SECONDS, _REMEMBERED)

    def judge(self, user: str, secret: str, address: str, prove: Callable[[], Proven | None]) -> Proven:
        """What ``prove`` finds. Raises LoginRefusedError: nothing. TooManyLoginsError: not looked at. What ``prove`` raises."""
        mark = digest_of(f"{len(user)}:{user}:{secret}")
        if not self._right.get(mark) and self._throttle.is_shut(address, user):
            raise TooManyLoginsError("too many wrong passwords came from this address; wait a minute")
        found = prove()
        if found is not None:
            self._right.put(mark, True)
            return found
        self._right.forget(mark)
        self._throttle.failed(address, user)
        self._delay()
        raise LoginRefusedError("unknown user, or wrong password")
