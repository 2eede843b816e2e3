"""Keys that signatures of others are checked with.

    PEM      certificates and public keys, one after the other
    JWKS     a set of keys as JSON (RFC 7517), or a single one
    by name  a JSON object of key ids and PEM, as it is kept at AWS

Promises: an algorithm goes with the kind of its key, whatever a signature says of itself; what is too weak, symmetric or private is
left out, and a set without any key is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEAST_RSA_BITS: Final = 2048
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_EC: Final = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
# Those that sign have a handful; the rest of a longer list is not looked at.
MOST_KEYS: Final = 100
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_REFUSED: Final = "it holds no RSA key of 2048 bits or more, no key on P-256, P-384 or P-521, and no Ed25519 key"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """``key``: of the library's; ``algorithms``: those of RFC 7518 that go with it; ``name``: its id, "" for one without."""

    key: Any
    algorithms: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """Keys of one signer. Two of them are never equal, so that what was found with one does not stand for another."""

    keys: tuple[VerifyingKey, ...]

    def fitting(self, name: str, algorithm: str) -> tuple[VerifyingKey, ...]:
        """Those that a signature by this key and algorithm may be checked with. A key without an id stands for every id, and a
        signature without one may be by any key.
        """
        return tuple(
            key for key in self.keys if algorithm in key.algorithms and (not name or not key.name or key.name == name)
        )

    def has(self, name: str) -> bool:
        return any(not name or not key.name or key.name == name for key in self.keys)


def verifying_key(pem: bytes, name: str = "") -> VerifyingKey:
    """Of a certificate or a public key. Raises ValueError: it is neither, or too weak."""
    is_certificate = b"BEGIN CERTIFICATE" in pem
    key = x509.load_pem_x509_certificate(pem).public_key() if is_certificate else load_pem_public_key(pem)
    return _checked(key, name)


def key_set(data: bytes) -> KeySet:
    """Of a file or an answer. Raises ValueError: no key in it can be used."""
    if data.lstrip()[:1] != b"{":
        keys = tuple(verifying_key(found.group()) for found in _PEM.finditer(data))
    else:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ValueError("it is no JSON") from error
        keys = _of_json(found)
    if not keys:
        raise ValueError(_REFUSED)
    return KeySet(keys[:MOST_KEYS])


def _of_json(found: dict[str, Any]) -> tuple[VerifyingKey, ...]:
    if "keys" in found or "kty" in found:
        listed = found.get("keys", [found])
        rows = listed[:MOST_KEYS] if isinstance(listed, list) else []
        return tuple(key for key in map(_of_jwk, rows) if key is not None)
    # One that cannot be used is somebody's mistake, and the others do not make it good.
    return tuple(verifying_key(str(pem).encode(), name) for name, pem in found.items())


def _of_jwk(jwk: object) -> VerifyingKey | None:
    """None: it signs nothing for us. Others in the set may, so an unknown kind is no error (RFC 7517, section 5)."""
    if not isinstance(jwk, dict) or "d" in jwk or "k" in jwk or jwk.get("use", "sig") != "sig":
        return None
    try:
        key = _checked(jwt.PyJWK(_plain(jwk)).key, str(jwk.get("kid", "")))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    algorithm = jwk.get("alg")
    if algorithm is None:
        return key
    return VerifyingKey(key.key, (str(algorithm),), key.name) if algorithm in key.algorithms else None


def _plain(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of the key alone; certificates and addresses beside them are of no consequence."""
    return {name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk}


def _checked(key: Any, name: str) -> VerifyingKey:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return VerifyingKey(key, _RSA, name)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _EC:
        return VerifyingKey(key, _EC[key.curve.name], name)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return VerifyingKey(key, ("EdDSA",), name)
    raise ValueError(_REFUSED)
