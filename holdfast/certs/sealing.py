"""Small texts that go through other people's hands: sealed, so that nobody reads, changes or makes one.

AES-256-GCM (NIST SP 800-38D) with a key derived from a secret; what a text is for is bound to it, so that one kind never passes
for another.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12


def seal(secret: bytes, purpose: str, nonce: bytes, data: bytes) -> bytes:
    """``nonce``: random bytes, never the same twice."""
    return nonce + _cipher(secret).encrypt(nonce, data, purpose.encode())


def opened(secret: bytes, purpose: str, sealed: bytes) -> bytes:
    """Raises ValueError: not sealed with this secret, for this purpose."""
    try:
        return _cipher(secret).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError, OverflowError) as error:
        raise ValueError("not sealed here, or not for this") from error


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, b"holdfast: sealed texts", "sha256"))
