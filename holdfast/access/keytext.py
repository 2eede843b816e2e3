"""Texts of secrets that we give out: API keys and the secrets of robots.

    hfk_<id>_<secret><check>      an API key; its id finds it in the metadata
    hfr_<secret><check>           the secret of a robot, which is found by its name

``secret`` is 256 random bits in base 62, ``check`` the CRC-32 of all before it, so that a scanner knows one in a file from other
text, and a mistyped one costs no look into the metadata.

Promises: only ``digest_of`` a text is ever stored: with 256 random bits a plain SHA-256 can be searched for by nobody.
Never: asks for randomness itself.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_MARK: Final = "hfk_"
ROBOT_MARK: Final = "hfr_"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES: Final = 32
_SECRET_DIGITS: Final = 43
_ID_BYTES: Final = 8
_CHECK_DIGITS: Final = 6
_TAIL: Final = f"[0-9A-Za-z]{{{_SECRET_DIGITS + _CHECK_DIGITS}}}"
_KEY: Final = re.compile(rf"{KEY_MARK}([0-9a-f]{{{2 * _ID_BYTES}}})_{_TAIL}", re.ASCII)
_ROBOT: Final = re.compile(rf"{ROBOT_MARK}{_TAIL}", re.ASCII)
_KEY_ID: Final = re.compile(rf"[0-9a-f]{{{2 * _ID_BYTES}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewKey:
    """``text`` is shown once."""

    key_id: str
    text: str = field(repr=False)


def new_key(random: Callable[[int], bytes]) -> NewKey:
    """``random`` gives so many random bytes."""
    key_id = random(_ID_BYTES).hex()
    return NewKey(key_id, _checked(f"{KEY_MARK}{key_id}_{_secret(random)}"))


def new_robot_secret(random: Callable[[int], bytes]) -> str:
    return _checked(f"{ROBOT_MARK}{_secret(random)}")


def key_id_of(text: str) -> str | None:
    """None: it is no API key, whoever made it."""
    found = _KEY.fullmatch(text)
    return found[1] if found and _is_checked(text) else None


def is_key_id(text: str) -> bool:
    return _KEY_ID.fullmatch(text) is not None


def is_robot_secret(text: str) -> bool:
    return _ROBOT.fullmatch(text) is not None and _is_checked(text)


def digest_of(text: str) -> bytes:
    """What of a secret is stored."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _secret(random: Callable[[int], bytes]) -> str:
    return _base62(int.from_bytes(random(_SECRET_BYTES)), _SECRET_DIGITS)


def _checked(text: str) -> str:
    return text + _check(text)


def _is_checked(text: str) -> bool:
    return _check(text[:-_CHECK_DIGITS]) == text[-_CHECK_DIGITS:]


def _check(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    found = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found
