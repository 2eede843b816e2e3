"""What a cookie holds: sealed with a key that every gateway has, so that the browser keeps it and nobody reads or makes one.

    base64url( number of the key, 4 bytes | nonce | ciphertext and tag )

Promises: what was not sealed by us, for this purpose, is None, whatever is wrong with it.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from holdfast.certs import sealing

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.keyring import KeyRing

_NUMBER_BYTES: Final = 4
# Browsers keep 4096 bytes of a cookie, its name and attributes included.
LONGEST: Final = 3800


class Sealer:
    """``random`` gives that many random bytes. ``longest``: a text that is opened."""

    def __init__(self, keys: KeyRing, random: Callable[[int], bytes], longest: int = LONGEST) -> None:
        self._keys = keys
        self._random = random
        self._longest = longest

    def seal(self, purpose: str, data: bytes) -> str:
        """Raises MetadataUnavailableError: there is no key."""
        key = self._keys.newest()
        sealed = sealing.seal(key.secret, purpose, self._random(sealing.NONCE_BYTES), data)
        return base64.urlsafe_b64encode(key.number.to_bytes(_NUMBER_BYTES) + sealed).decode().rstrip("=")

    def opened(self, purpose: str, text: str) -> bytes | None:
        """Raises MetadataUnavailableError: it looks like ours, and the keys cannot be read."""
        if not text or len(text) > self._longest or not text.isascii():
            return None
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) <= _NUMBER_BYTES + sealing.NONCE_BYTES:
            return None
        key = self._keys.numbered(int.from_bytes(raw[:_NUMBER_BYTES]))
        if key is None:
            return None
        try:
            return sealing.opened(key.secret, purpose, raw[_NUMBER_BYTES:])
        except ValueError:
            return None
