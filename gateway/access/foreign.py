"""Tokens of another service (``http.auth.bearer``): signed with a key whose certificate or public half is configured.

Promises
  * A token counts only with that key, an algorithm that belongs to its kind, for this service, and between its ``nbf`` and ``exp``.
    Keys, certificates and addresses in its header are never looked at (CVE-2025-24976).
  * What does not count is a LoginRefusedError, whatever is wrong with it. Nothing of a token is logged.

distribution's token specification, "JWT claims"; RFC 7519.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import jwt

from gateway.access.ways import Proven
from holdfast.access.identity import ANONYMOUS, Identity, Way
from holdfast.access.scopes import Grant
from holdfast.certs.keys import VerifyingKey, verifying_key
from holdfast.errors import ConfigError, LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from holdfast.clock import Clock

# Clocks of machines differ.
_LEEWAY_SECONDS: Final = 60
_LONGEST: Final = 64 * 1024
_LONGEST_NAME: Final = 256
_REMEMBERED: Final = 5_000
_REFUSAL: Final = "the token does not count (any more); get another one"


class ForeignTokens:
    """``service``: what a token must be for."""

    def __init__(self, key_file: Path, service: str, clock: Clock) -> None:
        """Raises ConfigError: the file holds no certificate or public key that can be used."""
        self._key = _key_in(key_file)
        self._service = service
        self._clock = clock
        # Whose signature was right: claims by text.
        self._verified: Callable[[str], dict[str, Any]] = functools.lru_cache(_REMEMBERED)(self._decoded)

    def recognises(self, text: str) -> bool:
        """All but none: it is asked last."""
        return bool(text)

    def read(self, text: str) -> Proven:
        """Whom it is for, and what it may be used for. Raises LoginRefusedError."""
        try:
            claims = self._verified(text)
            now = self._clock.wall()
            if not float(claims.get("nbf", 0)) - _LEEWAY_SECONDS <= now <= float(claims["exp"]) + _LEEWAY_SECONDS:
                raise LoginRefusedError(_REFUSAL)
            name = str(claims.get("sub") or "")[:_LONGEST_NAME]
            identity = Identity(name, Way.TOKEN) if name else ANONYMOUS
            return Proven(identity, (Grant.of_claims(claims.get("access") or []),))
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise LoginRefusedError(_REFUSAL) from error

    def _decoded(self, text: str) -> dict[str, Any]:
        if len(text) > _LONGEST:
            raise LoginRefusedError(_REFUSAL)
        # Times are compared by a clock that is an argument.
        options: Any = {"require": ["exp", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        return jwt.decode(text, self._key.key, list(self._key.algorithms), options, audience=self._service)


def _key_in(file: Path) -> VerifyingKey:
    try:
        return verifying_key(file.read_bytes())
    except (OSError, ValueError) as error:
        raise _unusable(file, str(error)) from error


def _unusable(file: Path, reason: str) -> ConfigError:
    fault = {
        "path": "http.auth.bearer.cert",
        "message": reason,
        "remedy": "write the token service's certificate or public key there, as PEM",
    }
    return ConfigError(f"the key of the token service in {file} cannot be used: {reason}", [fault])
