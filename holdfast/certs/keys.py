"""Keys that signatures of others are checked with.

Promises: an algorithm goes with the kind of its key, whatever a signature says of itself; what is too weak is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_LEAST_RSA_BITS: Final = 2048
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_EC: Final = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """``key``: of the library's; ``algorithms``: those of RFC 7518 that go with it."""

    key: Any
    algorithms: tuple[str, ...]


def verifying_key(pem: bytes) -> VerifyingKey:
    """Of a certificate or a public key. Raises ValueError: it is neither, or too weak."""
    is_certificate = b"BEGIN CERTIFICATE" in pem
    key = x509.load_pem_x509_certificate(pem).public_key() if is_certificate else load_pem_public_key(pem)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return VerifyingKey(key, _RSA)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _EC:
        return VerifyingKey(key, _EC[key.curve.name])
    if isinstance(key, ed25519.Ed25519PublicKey):
        return VerifyingKey(key, ("EdDSA",))
    raise ValueError("it is no RSA key of 2048 bits or more, no key on P-256, P-384 or P-521, and no Ed25519 key")
