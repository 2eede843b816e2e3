"""Tokens that others have signed (JWT): taken apart strictly, then checked with keys that we were told.

Promises
  * Of a header only ``alg`` and ``kid`` count, and they choose among keys at hand; addresses and keys in it (jku, jwk, x5u, x5c)
    are never looked at, extensions that would have to be understood (crit) refused (CVE-2025-24976).
  * Nothing in a token may be said twice, and no number in it is one that cannot be compared.
  * What does not count is a LoginRefusedError, whatever is wrong with it; its ``message`` says nothing of the token.

RFC 7515, 7519, 8725.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Never

import jwt

from holdfast.errors import LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.certs.keys import KeySet

# Clocks of machines differ.
LEEWAY_SECONDS: Final = 60
LONGEST: Final = 16 * 1024
_LONGEST_KID: Final = 256
REFUSAL: Final = "the token does not count (any more); get another one"
_PART: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a token says of itself, before anything is known about its signature."""

    algorithm: str
    kid: str
    claims: dict[str, Any] = field(repr=False)
    header: dict[str, Any] = field(repr=False, default_factory=dict)

    @property
    def issuer(self) -> str:
        found = self.claims.get("iss")
        return found if isinstance(found, str) else ""

    @property
    def audiences(self) -> list[str]:
        said = self.claims.get("aud")
        return [one for one in (said if isinstance(said, list) else [said]) if isinstance(one, str)]


def opened(text: str) -> Opened:
    """Raises LoginRefusedError: it is no token."""
    parts = text.split(".") if len(text) <= LONGEST else []
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):
        raise LoginRefusedError(REFUSAL)
    header, claims = _object(parts[0]), _object(parts[1])
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(kid, str) or len(kid) > _LONGEST_KID or "crit" in header:
        raise LoginRefusedError(REFUSAL)
    return Opened(algorithm, kid, claims, header)


class UnknownKeyError(LoginRefusedError):
    """No key at hand has the id that a token names; the signer may have another by now."""

    def __init__(self, kid: str) -> None:
        super().__init__(REFUSAL)
        self.kid = kid


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """Claims whose signature was right. One object for one finding, so that what is made of it can be remembered by it."""

    claims: dict[str, Any] = field(repr=False)


def verified(text: str, keys: KeySet, audiences: Sequence[str]) -> Verified:
    """The claims, when one of the keys has signed them for one of the audiences. Times are left to ``require_time``.

    Raises:
        LoginRefusedError: none has. UnknownKeyError: none of this id is there.
    """
    found = opened(text)
    if not keys.has(found.kid):
        raise UnknownKeyError(found.kid)
    options: Any = {"require": ["exp", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
    for key in keys.fitting(found.kid, found.algorithm):
        try:
            jwt.decode(text, key.key, [found.algorithm], options, audience=list(audiences))
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError):
            continue
        return Verified(found.claims)
    raise LoginRefusedError(REFUSAL)


def require_time(claims: dict[str, Any], now: float) -> None:
    """Raises LoginRefusedError: ended, not begun, issued later than now, or without an end."""
    begun = max(_number(claims, name, 0.0) for name in ("nbf", "iat"))
    if not begun - LEEWAY_SECONDS <= now <= _number(claims, "exp", -1.0) + LEEWAY_SECONDS:
        raise LoginRefusedError(REFUSAL)


def _number(claims: dict[str, Any], name: str, absent: float) -> float:
    found = claims.get(name, absent)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise LoginRefusedError(REFUSAL)
    try:
        return float(found)
    except OverflowError as error:
        raise LoginRefusedError(REFUSAL) from error


def _object(part: str) -> dict[str, Any]:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        found = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise LoginRefusedError(REFUSAL) from error
    if not isinstance(found, dict):
        raise LoginRefusedError(REFUSAL)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_number(text: str) -> Never:
    raise ValueError(f"{text} is no number")
