"""Tokens of another service (``http.auth.bearer``): signed with a key whose certificate or public half we were told.

Promises
  * A token counts only with such a key, an algorithm that belongs to its kind, for this service, and between its ``nbf`` and
    ``exp``. Keys, certificates and addresses in its header are never looked at (CVE-2025-24976).
  * An entry of ``access`` may end before the token does, by an ``exp`` of its own (zot's extension).
  * What does not count is a LoginRefusedError, whatever is wrong with it. Nothing of a token is logged.

distribution's token specification, "JWT claims"; RFC 7519.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from gateway.access.signed import REFUSAL, UnknownKeyError, require_time, verified
from gateway.access.ways import Proven
from holdfast.access.identity import ANONYMOUS, Identity, Way
from holdfast.access.scopes import Grant
from holdfast.errors import LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.access.keysources import KeySource
    from gateway.access.signed import Verified
    from holdfast.certs.keys import KeySet
    from holdfast.clock import Clock

_LONGEST_NAME: Final = 256
_REMEMBERED: Final = 5_000


class ForeignTokens:
    """``service``: what a token must be for."""

    def __init__(self, keys: KeySource, service: str, clock: Clock) -> None:
        self._keys = keys
        self._audiences = (service,)
        self._clock = clock
        # Whose signature was right: claims by text and keys.
        self._verified: Callable[[str, KeySet, tuple[str, ...]], Verified] = functools.lru_cache(_REMEMBERED)(verified)

    def recognises(self, text: str) -> bool:
        """All but none: it is asked last."""
        return bool(text)

    def read(self, text: str) -> Proven:
        """Whom it is for, and what it may be used for. Raises LoginRefusedError, IssuerUnreachableError."""
        try:
            claims = self._verified(text, self._keys.keys(), self._audiences).claims
        except UnknownKeyError as error:
            claims = self._verified(text, self._keys.keys_for(error.kid), self._audiences).claims
        now = self._clock.wall()
        require_time(claims, now)
        name = str(claims.get("sub") or "")[:_LONGEST_NAME]
        identity = Identity(name, Way.TOKEN) if name else ANONYMOUS
        try:
            return Proven(identity, (Grant.of_claims(list(_lasting(claims.get("access") or [], now))),))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise LoginRefusedError(REFUSAL) from error


def _lasting(entries: list[dict[str, Any]], now: float) -> Iterator[dict[str, Any]]:
    """Those that have not ended. Raises ValueError, TypeError, AttributeError: what is there is no list of entries."""
    for entry in entries:
        end = entry.get("exp")
        if end is None or float(end) > now:
            yield entry
